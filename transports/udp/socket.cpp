// SPDX-License-Identifier: Apache-2.0
// The system calls behind socket.hpp.
#include <harness/transports/udp/socket.hpp>

#include <array>
#include <cerrno>
#include <cstring>

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

namespace harness::transports::udp {

namespace {

constexpr int ect_0 = 2;  // RFC 3168 §5
constexpr std::uint32_t headers_four = 20 + 8;
constexpr std::uint32_t headers_six = 40 + 8;

bool set(int descriptor, int level, int name, int value) noexcept {
  return setsockopt(descriptor, level, name, &value, sizeof value) == 0;
}

// Beyond net.core.rmem_max only the privileged may go; the others get as much as the system allows.
void set_buffer(int descriptor, int force, int ask, std::uint32_t bytes) noexcept {
  if (bytes == 0) return;
  const auto half = static_cast<int>(bytes / 2);  // the system doubles it
  if (!set(descriptor, SOL_SOCKET, force, half)) set(descriptor, SOL_SOCKET, ask, half);
}

}  // namespace

int open_socket(const Address& of) noexcept {
  return socket(as_sockaddr(of)->sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
}

bool set_options(int descriptor, bool six, const SocketOptions& options) noexcept {
  set_buffer(descriptor, SO_SNDBUFFORCE, SO_SNDBUF, options.send_buffer_bytes);
  set_buffer(descriptor, SO_RCVBUFFORCE, SO_RCVBUF, options.receive_buffer_bytes);
  set(descriptor, SOL_SOCKET, SO_RXQ_OVFL, 1);
  const int tos = options.ecn ? ect_0 : 0;
  const bool marks =
      six ? set(descriptor, IPPROTO_IPV6, IPV6_TCLASS, tos) &&
                set(descriptor, IPPROTO_IPV6, IPV6_RECVTCLASS, 1)
          : set(descriptor, IPPROTO_IP, IP_TOS, tos) && set(descriptor, IPPROTO_IP, IP_RECVTOS, 1);
  keep_whole(descriptor, six, false);
  return marks;
}

void receive_trains(int descriptor) noexcept { set(descriptor, IPPROTO_UDP, UDP_GRO, 1); }

// Two listeners on one port are an error, so the port is shared only after it is ours: with the connected
// sockets of those who dial. Which of our addresses a stranger wrote to is asked for, to answer from there.
Result<Address> bind_listener(int descriptor, const Address& address) {
  if (is_six(address)) set(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  const bool bound = bind(descriptor, as_sockaddr(address), address.bytes) == 0 &&
                     set(descriptor, SOL_SOCKET, SO_REUSEPORT, 1) &&
                     (is_six(address) ? set(descriptor, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
                                      : set(descriptor, IPPROTO_IP, IP_PKTINFO, 1));
  if (bound) return local_address(descriptor);
  return tl::unexpected<Error>(bind_error("udp", address, errno));
}

int connect_socket(int descriptor, const Address& local, const Address& peer) noexcept {
  if (local.bytes != 0 && (!set(descriptor, SOL_SOCKET, SO_REUSEPORT, 1) ||
                           bind(descriptor, as_sockaddr(local), local.bytes) != 0))
    return errno;
  return connect(descriptor, as_sockaddr(peer), peer.bytes) == 0 ? 0 : errno;
}

void keep_whole(int descriptor, bool six, bool whole) noexcept {
  if (six)
    set(descriptor, IPPROTO_IPV6, IPV6_MTU_DISCOVER, whole ? IPV6_PMTUDISC_PROBE : IPV6_PMTUDISC_WANT);
  else
    set(descriptor, IPPROTO_IP, IP_MTU_DISCOVER, whole ? IP_PMTUDISC_PROBE : IP_PMTUDISC_WANT);
}

std::uint32_t path_payload(int descriptor, bool six) noexcept {
  int mtu = 0;
  socklen_t bytes = sizeof mtu;
  const int level = six ? int{IPPROTO_IPV6} : int{IPPROTO_IP};
  if (getsockopt(descriptor, level, six ? IPV6_MTU : IP_MTU, &mtu, &bytes) != 0) return 0;
  const std::uint32_t headers = six ? headers_six : headers_four;
  const auto all = static_cast<std::uint32_t>(mtu);
  return mtu > 0 && all > headers ? all - headers : 0;
}

int send_to(int descriptor, const Address& to, const Address& from, const std::byte* bytes,
            std::size_t count) noexcept {
  iovec run{const_cast<std::byte*>(bytes), count};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(in6_pktinfo))> control{};
  msghdr message{};
  message.msg_name = const_cast<sockaddr*>(as_sockaddr(to));
  message.msg_namelen = to.bytes;
  message.msg_iov = &run;
  message.msg_iovlen = 1;
  if (from.bytes != 0) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    if (is_six(from)) {
      in6_pktinfo info{};
      info.ipi6_addr = reinterpret_cast<const sockaddr_in6*>(as_sockaddr(from))->sin6_addr;
      header->cmsg_level = IPPROTO_IPV6;
      header->cmsg_type = IPV6_PKTINFO;
      header->cmsg_len = CMSG_LEN(sizeof info);
      std::memcpy(CMSG_DATA(header), &info, sizeof info);
      message.msg_controllen = CMSG_SPACE(sizeof info);
    } else {
      in_pktinfo info{};
      info.ipi_spec_dst = reinterpret_cast<const sockaddr_in*>(as_sockaddr(from))->sin_addr;
      header->cmsg_level = IPPROTO_IP;
      header->cmsg_type = IP_PKTINFO;
      header->cmsg_len = CMSG_LEN(sizeof info);
      std::memcpy(CMSG_DATA(header), &info, sizeof info);
      message.msg_controllen = CMSG_SPACE(sizeof info);
    }
  }
  return sendmsg(descriptor, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 ? 0 : errno;
}

Address with_port_of(const Address& host, const Address& port) noexcept {
  constexpr std::size_t at = offsetof(sockaddr_in, sin_port);
  static_assert(at == offsetof(sockaddr_in6, sin6_port));
  Address both = host;
  std::memcpy(both.raw.data() + at, port.raw.data() + at, sizeof(in_port_t));
  return both;
}

Cause cause_of(int error) noexcept {
  switch (error) {
    case ECONNREFUSED: return {Errc::unreachable, "nobody listens on that port (port unreachable)"};
    case EHOSTUNREACH: return {Errc::unreachable, "no route to that host"};
    case ENETUNREACH: return {Errc::unreachable, "no route to that network"};
    case EADDRNOTAVAIL: return {Errc::unreachable, "no local address or port can reach it"};
    case EACCES:
    case EPERM: return {Errc::denied, "the system forbids to send there (firewall, broadcast address)"};
    case EMFILE:
    case ENFILE: return {Errc::exhausted, "no more open files are allowed (ulimit -n)"};
    case ENOBUFS:
    case ENOMEM: return {Errc::exhausted, "the system is short of memory for sockets"};
    default: return {Errc::io, "the system refused the socket"};
  }
}

}  // namespace harness::transports::udp
