// SPDX-License-Identifier: Apache-2.0
// What tcp needs of the system's sockets, with their options.
#pragma once

#include <cstdint>
#include <string_view>

#include <harness/transports/address.hpp>

namespace harness::transports::tcp {

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
/// How long sent bytes may go without an acknowledgement; 0: as long as the system likes. False when refused.
bool set_user_timeout(int descriptor, std::uint32_t ms) noexcept;
/// Bytes given to the kernel that the peer has not acknowledged, sent or not.
std::uint32_t unacked_bytes(int descriptor) noexcept;
/// How long nothing came from the peer, not even an acknowledgement; the longest time when that is not known.
std::uint32_t silence_ms(int descriptor) noexcept;
/// What the kernel counted: segments sent again; zero when it does not say.
std::uint32_t retransmits(int descriptor) noexcept;

/// What an errno of a connection means for a link, and the words for it.
struct Cause {
  Errc code;
  const char* text;
};
Cause cause_of(int error) noexcept;

}  // namespace harness::transports::tcp
