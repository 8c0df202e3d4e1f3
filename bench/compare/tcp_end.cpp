// SPDX-License-Identifier: Apache-2.0
// See tcp_end.hpp.
#include <harness/bench/compare/tcp_end.hpp>

#include <cerrno>
#include <cstring>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <harness/bench/support/program.hpp>

namespace harness::bench {

namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  at.sin_port = htons(port);
  return at;
}

}  // namespace

void socket_failed() {
  give_up({Errc::io, "a socket of a peer failed", std::strerror(errno), "the program again"});
}

TcpEnd::~TcpEnd() {
  if (socket_ >= 0) close(socket_);
  if (listener_ >= 0) close(listener_);
}

std::string TcpEnd::listen() {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at = loopback(0);
  socklen_t size = sizeof at;
  if (bind(listener_, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0 || ::listen(listener_, 1) != 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&at), &size) != 0)
    socket_failed();
  return std::to_string(ntohs(at.sin_port));
}

void TcpEnd::accept() {
  socket_ = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  if (socket_ < 0) socket_failed();
  without_delay();
}

void TcpEnd::connect(const std::string& port) {
  const sockaddr_in at = loopback(static_cast<std::uint16_t>(std::stoi(port)));
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(socket_, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) socket_failed();
  without_delay();
}

void TcpEnd::without_delay() const noexcept {
  const int on = 1;
  setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

}  // namespace harness::bench
