// SPDX-License-Identifier: Apache-2.0
// Internet addresses as values: what tcp and udp are dialled by and listen on.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <harness/stack/result.hpp>

struct sockaddr;

namespace harness::transports {

/// An IPv4 or IPv6 address with its port: a sockaddr as bytes.
struct Address {
  alignas(8) std::array<std::byte, 28> raw{};
  std::uint8_t bytes = 0;
  friend bool operator==(const Address&, const Address&) = default;
};

struct HostPort {
  std::string host;  // without the brackets of an IPv6 address; "*" for every address, in listen
  std::string port;
};

/// Splits "10.0.0.2:7001", "[::1]:7001", "name:7001" of `transport`. Errors: invalid.
Result<HostPort> split(std::string_view transport, std::string_view address);
/// The address when `host` is a number or "localhost" (or, when `listen`, "*"); never asks a name service.
std::optional<Address> numeric(const HostPort& at, bool listen);
/// The addresses of a name; empty, and the reason in `why`, when there are none. Blocks: for offload.
/// [any-thread]
std::vector<Address> resolve(const HostPort& at, std::string& why);
/// "10.0.0.2:7001", "[::1]:7001".
std::string print(const Address& address);
bool is_six(const Address& address) noexcept;

/// For the system's calls; null data beyond an Address' size.
const sockaddr* as_sockaddr(const Address& address) noexcept;
Address from_sockaddr(const sockaddr* address, std::size_t bytes) noexcept;
/// Where a socket is bound; empty when the system does not say.
Address local_address(int descriptor) noexcept;
/// Why binding `address` failed, with the advice for a person.
Error bind_error(std::string_view transport, const Address& address, int error);

}  // namespace harness::transports
