// SPDX-License-Identifier: Apache-2.0
// What udp needs of the system's sockets.
#pragma once

#include <cstdint>

#include <harness/transports/address.hpp>

namespace harness::transports::udp {

struct SocketOptions {
  std::uint32_t send_buffer_bytes = 0;     // 0: the system's
  std::uint32_t receive_buffer_bytes = 0;  // beyond the system's limit only where we may
  bool ecn = true;                         // datagrams say that we heed congestion marks: ECT(0)
};

/// A non-blocking datagram socket for addresses of that family, or -1 with errno set.
int open_socket(const Address& of) noexcept;
/// Buffers, ECN, what is told beside received bytes. False, with errno set, when the system refuses what is
/// needed; what is only good to have is left out.
bool set_options(int descriptor, bool six, const SocketOptions& options) noexcept;
/// Trains are received whole from now on.
void receive_trains(int descriptor) noexcept;
/// Binds a socket that hears strangers; the address it got. Errors: exists (in use), invalid, denied, io.
Result<Address> bind_listener(int descriptor, const Address& address);
/// Binds to `local` beside the listener there (an empty one: anywhere) and connects to `peer`; 0 or errno.
int connect_socket(int descriptor, const Address& local, const Address& peer) noexcept;
/// whole: datagrams longer than the path's MTU are refused; else the system cuts them.
void keep_whole(int descriptor, bool six, bool whole) noexcept;
/// Bytes behind the UDP header that fit the path of a connected socket as this host knows it; 0: unknown.
std::uint32_t path_payload(int descriptor, bool six) noexcept;
/// Sends one datagram from an unconnected socket, from the local address `from` when it has one; 0 or errno.
int send_to(int descriptor, const Address& to, const Address& from, const std::byte* bytes,
            std::size_t count) noexcept;

/// The address `host` with the port of `port`.
Address with_port_of(const Address& host, const Address& port) noexcept;

/// What an errno of a socket that dials means for a link, and the words for it.
struct Cause {
  Errc code;
  const char* text;
};
Cause cause_of(int error) noexcept;

}  // namespace harness::transports::udp
