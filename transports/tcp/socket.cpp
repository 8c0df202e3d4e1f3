// SPDX-License-Identifier: Apache-2.0
// The system calls behind socket.hpp.
#include <harness/transports/tcp/socket.hpp>

#include <cerrno>
#include <cstring>

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace harness::transports::tcp {

namespace {

constexpr int backlog = 4096;
static_assert(sizeof(sockaddr_in6) == sizeof(Address::raw));

const sockaddr* as_sockaddr(const Address& address) noexcept {
  return reinterpret_cast<const sockaddr*>(address.raw.data());
}

Address from_sockaddr(const sockaddr* address, socklen_t bytes) noexcept {
  Address result;
  if (bytes > result.raw.size()) return result;
  std::memcpy(result.raw.data(), address, bytes);
  result.bytes = static_cast<std::uint8_t>(bytes);
  return result;
}

std::vector<Address> look_up(const char* host, const char* port, int flags, int& failed) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  std::vector<Address> addresses;
  failed = getaddrinfo(host, port, &hints, &found);
  if (failed != 0) return addresses;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next)
    if (at->ai_family == AF_INET || at->ai_family == AF_INET6)
      addresses.push_back(from_sockaddr(at->ai_addr, at->ai_addrlen));
  freeaddrinfo(found);
  return addresses;
}

bool set(int descriptor, int level, int name, int value) noexcept {
  return setsockopt(descriptor, level, name, &value, sizeof value) == 0;
}

}  // namespace

Result<HostPort> split(std::string_view address) {
  const auto malformed = [&](const char* why) {
    return fail(Errc::invalid, "not an address: tcp:" + std::string(address), why,
                "tcp:10.0.0.2:7001, tcp:[::1]:7001 or tcp:name:7001");
  };
  const std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return malformed("the port is missing");
  std::string_view host = address.substr(0, colon);
  const std::string_view port = address.substr(colon + 1);
  if (host.starts_with('[')) {
    if (!host.ends_with(']')) return malformed("the bracket is not closed");
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return malformed("an IPv6 address stands in brackets");
  }
  unsigned number = 0;
  for (const char digit : port) {
    if (digit < '0' || digit > '9' || port.size() > 5)
      return malformed("the port is no number from 0 to 65535");
    number = 10 * number + static_cast<unsigned>(digit - '0');
  }
  if (port.empty() || number > 65535) return malformed("the port is no number from 0 to 65535");
  if (host.empty() || host.size() > 255) return malformed("the host is missing or too long");
  return HostPort{std::string(host), std::string(port)};
}

std::optional<Address> numeric(const HostPort& at, bool listen) {
  int failed = 0;
  const bool any = listen && at.host == "*";
  const char* host = at.host == "localhost" ? "127.0.0.1" : at.host.c_str();
  const auto found = look_up(any ? "0.0.0.0" : host, at.port.c_str(), AI_NUMERICHOST, failed);
  if (found.empty()) return std::nullopt;
  return found.front();
}

std::vector<Address> resolve(const HostPort& at, std::string& why) {
  int failed = 0;
  auto found = look_up(at.host.c_str(), at.port.c_str(), AI_ADDRCONFIG, failed);
  if (found.empty()) why = failed != 0 ? gai_strerror(failed) : "the name has no address";
  return found;
}

std::string print(const Address& address) {
  char host[NI_MAXHOST];
  char port[NI_MAXSERV];
  if (address.bytes == 0 || getnameinfo(as_sockaddr(address), address.bytes, host, sizeof host, port,
                                        sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    return "?";
  const bool six = as_sockaddr(address)->sa_family == AF_INET6;
  return (six ? "[" : "") + std::string(host) + (six ? "]:" : ":") + port;
}

bool is_loopback(const Address& address) noexcept {
  if (address.bytes == sizeof(sockaddr_in)) {
    sockaddr_in four{};
    std::memcpy(&four, address.raw.data(), sizeof four);
    return (ntohl(four.sin_addr.s_addr) >> 24) == 127;
  }
  sockaddr_in6 six{};
  std::memcpy(&six, address.raw.data(), sizeof six);
  return IN6_IS_ADDR_LOOPBACK(&six.sin6_addr);
}

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
  const int error = errno;
  const std::string what = "cannot listen on tcp:" + print(address);
  const std::string text = print(address);
  const std::string port = text.substr(text.rfind(':') + 1);
  switch (error) {
    case EADDRINUSE:
      return fail(Errc::exists, what, "another socket listens on that port",
                  "another port, or find its owner: ss -ltnp 'sport = :" + port + "'");
    case EADDRNOTAVAIL:
      return fail(Errc::invalid, what, "this host has no such address",
                  "tcp:0.0.0.0:" + port + ", or one of: ip -br addr");
    case EACCES: return fail(Errc::denied, what, "ports below 1024 need a privilege", "a port from 1024 on");
    default: return fail(Errc::io, what, std::strerror(error), "tcp:127.0.0.1:0, which takes any free port");
  }
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
  if (options.user_timeout_ms != 0)
    ok &= set(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, number(options.user_timeout_ms));
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

Address local_address(int descriptor) noexcept {
  sockaddr_storage name{};
  socklen_t bytes = sizeof name;
  if (getsockname(descriptor, reinterpret_cast<sockaddr*>(&name), &bytes) != 0) return {};
  return from_sockaddr(reinterpret_cast<const sockaddr*>(&name), bytes);
}

bool connected_to_itself(int descriptor) noexcept {
  sockaddr_storage name{};
  socklen_t bytes = sizeof name;
  if (getpeername(descriptor, reinterpret_cast<sockaddr*>(&name), &bytes) != 0) return false;
  return from_sockaddr(reinterpret_cast<const sockaddr*>(&name), bytes) == local_address(descriptor);
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
