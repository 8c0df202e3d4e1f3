// SPDX-License-Identifier: Apache-2.0
// See address.hpp.
#include <harness/transports/address.hpp>

#include <cerrno>
#include <cstring>

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace harness::transports {

static_assert(sizeof(sockaddr_in6) == sizeof(Address::raw));

const sockaddr* as_sockaddr(const Address& address) noexcept {
  return reinterpret_cast<const sockaddr*>(address.raw.data());
}

Address from_sockaddr(const sockaddr* address, std::size_t bytes) noexcept {
  Address result;
  if (bytes > result.raw.size()) return result;
  std::memcpy(result.raw.data(), address, bytes);
  result.bytes = static_cast<std::uint8_t>(bytes);
  return result;
}

namespace {

std::vector<Address> look_up(const char* host, const char* port, int flags, int& failed) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;  // one entry an address; the same for datagrams
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

}  // namespace

Result<HostPort> split(std::string_view transport, std::string_view address) {
  const std::string name = std::string(transport) + ":";
  const auto malformed = [&](const char* why) {
    return fail(Errc::invalid, "not an address: " + name + std::string(address), why,
                name + "10.0.0.2:7001, " + name + "[::1]:7001 or " + name + "name:7001");
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
  const bool six = is_six(address);
  return (six ? "[" : "") + std::string(host) + (six ? "]:" : ":") + port;
}

bool is_six(const Address& address) noexcept { return as_sockaddr(address)->sa_family == AF_INET6; }

Address local_address(int descriptor) noexcept {
  sockaddr_storage name{};
  socklen_t bytes = sizeof name;
  if (getsockname(descriptor, reinterpret_cast<sockaddr*>(&name), &bytes) != 0) return {};
  return from_sockaddr(reinterpret_cast<const sockaddr*>(&name), bytes);
}

Error bind_error(std::string_view transport, const Address& address, int error) {
  const std::string name = std::string(transport) + ":";
  const std::string text = print(address);
  const std::string what = "cannot listen on " + name + text;
  const std::string port = text.substr(text.rfind(':') + 1);
  const std::string owner = transport == "tcp" ? "ss -ltnp" : "ss -lunp";
  switch (error) {
    case EADDRINUSE:
      return {Errc::exists, what, "another socket listens on that port",
              "another port, or find its owner: " + owner + " 'sport = :" + port + "'"};
    case EADDRNOTAVAIL:
      return {Errc::invalid, what, "this host has no such address",
              name + "0.0.0.0:" + port + ", or one of: ip -br addr"};
    case EACCES: return {Errc::denied, what, "ports below 1024 need a privilege", "a port from 1024 on"};
    default: return {Errc::io, what, std::strerror(error), name + "127.0.0.1:0, which takes any free port"};
  }
}

}  // namespace harness::transports
