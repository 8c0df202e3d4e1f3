// SPDX-License-Identifier: Apache-2.0
// What tcp needs of the system's sockets: addresses as values, and sockets with their options.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <harness/stack/result.hpp>

namespace harness::transports::tcp {

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

/// Splits "10.0.0.2:7001", "[::1]:7001", "name:7001". Errors: invalid.
Result<HostPort> split(std::string_view address);
/// The address when `host` is a number or "localhost" (or, when `listen`, "*"); never asks a name service.
std::optional<Address> numeric(const HostPort& at, bool listen);
/// The addresses of a name; empty, and the reason in `why`, when there are none. Blocks: for offload.
/// [any-thread]
std::vector<Address> resolve(const HostPort& at, std::string& why);
/// "10.0.0.2:7001", "[::1]:7001".
std::string print(const Address& address);
bool is_loopback(const Address& address) noexcept;

/// Options of every connection; zero means the system's default.
struct SocketOptions {
  bool nodelay = true;
  std::uint32_t send_buffer_bytes = 0;
  std::uint32_t receive_buffer_bytes = 0;
  std::uint32_t not_sent_bytes = 0;
  std::uint32_t user_timeout_ms = 0;
  std::uint32_t keepalive_s = 0;
  std::string_view congestion = {};  // "cubic", "bbr" …
};

/// An accepted connection, non-blocking, and its peer; -1 with errno set when there is none.
int accept_socket(int listening, Address& peer) noexcept;
/// A non-blocking stream socket for addresses of that family, or -1 with errno set.
int open_socket(const Address& address) noexcept;
/// Binds and listens; the bound address with its port. Errors: exists (in use), invalid, denied, io.
Result<Address> bind_and_listen(int descriptor, const Address& address, std::uint32_t receive_buffer_bytes);
/// Sets the options; false, with errno set, when the system refuses one of them.
bool set_options(int descriptor, const SocketOptions& options) noexcept;
/// Starts to connect: 0 when connected, else errno; EINPROGRESS: wait until writable.
int start_connect(int descriptor, const Address& address) noexcept;
/// The pending error of a socket, 0 for none.
int pending_error(int descriptor) noexcept;
/// True when a socket was connected to itself, as a dial to a free local port may be.
bool connected_to_itself(int descriptor) noexcept;
Address local_address(int descriptor) noexcept;
/// What the kernel counted: segments sent again; zero when it does not say.
std::uint32_t retransmits(int descriptor) noexcept;

/// What an errno of a connection means for a link, and the words for it.
struct Cause {
  Errc code;
  const char* text;
};
Cause cause_of(int error) noexcept;

}  // namespace harness::transports::tcp
