// SPDX-License-Identifier: Apache-2.0
// The system calls behind socket.hpp.
#include <harness/transports/tcp/socket.hpp>

#include <algorithm>
#include <cerrno>

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace harness::transports::tcp {

namespace {

constexpr int backlog = 4096;

bool set(int descriptor, int level, int name, int value) noexcept {
  return setsockopt(descriptor, level, name, &value, sizeof value) == 0;
}

}  // namespace

int accept_socket(int listening, Address& peer) noexcept {
  sockaddr_storage name{};
  socklen_t bytes = sizeof name;
  const int accepted =
      accept4(listening, reinterpret_cast<sockaddr*>(&name), &bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (accepted >= 0) peer = from_sockaddr(reinterpret_cast<const sockaddr*>(&name), bytes);
  return accepted;
}

int open_socket(const Address& address) noexcept {
  return socket(as_sockaddr(address)->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
}

Result<Address> bind_and_listen(int descriptor, const Address& address, std::uint32_t receive_buffer_bytes) {
  set(descriptor, SOL_SOCKET, SO_REUSEADDR, 1);
  if (receive_buffer_bytes != 0)  // accepted sockets inherit it; later is too late for the window scale
    set(descriptor, SOL_SOCKET, SO_RCVBUF, static_cast<int>(receive_buffer_bytes));
  if (bind(descriptor, as_sockaddr(address), address.bytes) == 0 && listen(descriptor, backlog) == 0)
    return local_address(descriptor);
  return tl::unexpected<Error>(bind_error("tcp", address, errno));
}

bool set_options(int descriptor, const SocketOptions& options) noexcept {
  const auto number = [](std::uint32_t value) { return static_cast<int>(value); };
  bool ok = set(descriptor, IPPROTO_TCP, TCP_NODELAY, options.nodelay ? 1 : 0);
  if (options.send_buffer_bytes != 0)
    ok &= set(descriptor, SOL_SOCKET, SO_SNDBUF, number(options.send_buffer_bytes));
  if (options.receive_buffer_bytes != 0)
    ok &= set(descriptor, SOL_SOCKET, SO_RCVBUF, number(options.receive_buffer_bytes));
  if (options.not_sent_bytes != 0)
    ok &= set(descriptor, IPPROTO_TCP, TCP_NOTSENT_LOWAT, number(options.not_sent_bytes));
  if (options.user_timeout_ms != 0) ok &= set_user_timeout(descriptor, options.user_timeout_ms);
  if (options.keepalive_s != 0) {
    ok &= set(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1);
    ok &= set(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, number(options.keepalive_s));
    ok &= set(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, number(options.keepalive_s / 3 + 1));
    ok &= set(descriptor, IPPROTO_TCP, TCP_KEEPCNT, 3);
  }
  if (!options.congestion.empty())
    ok &= setsockopt(descriptor, IPPROTO_TCP, TCP_CONGESTION, options.congestion.data(),
                     static_cast<socklen_t>(options.congestion.size())) == 0;
  return ok;
}

int start_connect(int descriptor, const Address& address) noexcept {
  return connect(descriptor, as_sockaddr(address), address.bytes) == 0 ? 0 : errno;
}

int pending_error(int descriptor) noexcept {
  int error = 0;
  socklen_t bytes = sizeof error;
  return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &bytes) == 0 ? error : errno;
}

bool connected_to_itself(int descriptor) noexcept {
  sockaddr_storage name{};
  socklen_t bytes = sizeof name;
  if (getpeername(descriptor, reinterpret_cast<sockaddr*>(&name), &bytes) != 0) return false;
  return from_sockaddr(reinterpret_cast<const sockaddr*>(&name), bytes) == local_address(descriptor);
}

bool set_user_timeout(int descriptor, std::uint32_t ms) noexcept {
  return set(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(ms));
}

std::uint32_t unacked_bytes(int descriptor) noexcept {
  int bytes = 0;
  return ioctl(descriptor, SIOCOUTQ, &bytes) == 0 ? static_cast<std::uint32_t>(bytes) : 0;
}

std::uint32_t silence_ms(int descriptor) noexcept {
  tcp_info info{};
  socklen_t bytes = sizeof info;
  if (getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &info, &bytes) != 0) return ~std::uint32_t{0};
  return std::min(info.tcpi_last_ack_recv, info.tcpi_last_data_recv);
}

std::uint32_t retransmits(int descriptor) noexcept {
  tcp_info info{};
  socklen_t bytes = sizeof info;
  if (getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &info, &bytes) != 0) return 0;
  return info.tcpi_total_retrans;
}

Cause cause_of(int error) noexcept {
  switch (error) {
    case ECONNREFUSED: return {Errc::unreachable, "nobody listens on that port (connection refused)"};
    case EHOSTUNREACH: return {Errc::unreachable, "no route to that host"};
    case ENETUNREACH: return {Errc::unreachable, "no route to that network"};
    case EADDRNOTAVAIL: return {Errc::unreachable, "no local address or port can reach it"};
    case EMFILE:
    case ENFILE: return {Errc::exhausted, "no more open files are allowed (ulimit -n)"};
    case ENOBUFS:
    case ENOMEM: return {Errc::exhausted, "the system is short of memory for sockets"};
    case ETIMEDOUT: return {Errc::timed_out, "the peer's host does not answer any more"};
    case ECONNRESET: return {Errc::peer_lost, "the peer reset the connection"};
    case EPIPE: return {Errc::peer_lost, "the peer has closed its end"};
    default: return {Errc::io, "the system refused the connection"};
  }
}

}  // namespace harness::transports::tcp
