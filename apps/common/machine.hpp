// SPDX-License-Identifier: Apache-2.0
// Where this process runs, as texts that nodes compare: facts for policies/link, told to peers in HELLO.
//
// Two processes share a host when they run under the same boot of the same kernel and in the same network
// namespace: there abstract sockets meet, and so does shm. Rejected: the host's name (containers share it,
// clones keep it), /etc/machine-id (containers share it or have none).
#pragma once

#include <string>
#include <string_view>

namespace harness::apps {

/// Equal for two processes on one host whose cluster files call it the same (`named` may be empty), at most
/// setup::name_bytes_max bytes; empty when the system does not tell. [any-thread]
std::string machine_host(std::string_view named);
/// The number of the user whose process this is. [any-thread]
std::string machine_user();

}  // namespace harness::apps
