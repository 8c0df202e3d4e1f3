// SPDX-License-Identifier: Apache-2.0
// ofi: links over RDMA fabrics by libfabric, which is loaded when somebody first asks for it.
//
// This file pair is all of it that the programs link: the type with its options and facts, and a loader. The
// transport itself is the shared object libharness_ofi.so (transports/ofi/), the only part that is linked to
// libfabric. Debian's libfabric installs handlers for six signals when it is loaded, and its shm provider
// four more when an endpoint is made; a program that never says "ofi" must not pay for that. While it is
// loaded the environment forbids them, and what was there before, handlers and environment, is put back.
//
// The object is looked for in $HARNESS_PLUGINS (folders, ':' between them), in lib/ and ../lib/ beside the
// program, in the install folder. It says with which build of Harness it goes together; another one is
// refused. It stays loaded until the process ends: messages may point into it.
// Rejected: to link libfabric (signal handlers in every program), a stable C interface (one program and its
// plug-in come from one build; the price is a copy of the libraries inside the object).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <harness/stack/transport.hpp>

namespace harness::transports::ofi {

enum Option : std::size_t {
  option_frame,
  option_provider,
  option_window,
  option_arena,
  option_receive,
  option_connect_timeout,
  option_eager,
};

/// The words of the option `provider`, by index; 0 is "auto".
std::span<const std::string_view> provider_words() noexcept;

/// What the transport gives at a distance, with these options: the same inside and outside of the object.
Facts facts_of(const OptionValues& options, Properties trust);

/// Name, options, headers and facts, for a Catalogue. make() loads the object; its errors are those of load
/// and, unsupported, that no provider is usable. [any-thread]
const TransportType& type() noexcept;

/// What was found of one provider, and whether `auto` would take it.
struct ProviderReport {
  std::string name;    // "tcp;ofi_rxm"
  std::string device;  // the domain libfabric opens, "eth0"
  bool usable = false;
  bool chosen = false;
  std::string why;    // it was chosen, or not
  std::string eager;  // where eager ends and how that was found, by who used it in this process last
  [[nodiscard]] std::string_view outcome() const noexcept {
    return chosen ? "chosen" : usable ? "not chosen" : "not usable";
  }
};

/// Every provider of the policy table with what libfabric says to it, in order of preference. Errors: those
/// of load. [stack-thread]
Result<std::vector<ProviderReport>> providers();

}  // namespace harness::transports::ofi
