// SPDX-License-Identifier: Apache-2.0
// The floor of tcp: two sockets with TCP_NODELAY, not blocking, tried until there is something.
#include <algorithm>
#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <harness/bench/compare/contestant.hpp>
#include <harness/bench/support/machine.hpp>
#include <harness/bench/support/program.hpp>

namespace harness::bench {

namespace {

[[noreturn]] void socket_failed() {
  give_up({Errc::io, "a raw socket failed", std::strerror(errno), "the program again"});
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  at.sin_port = htons(port);
  return at;
}

class Raw final : public Contestant {
 public:
  using Contestant::Contestant;
  ~Raw() override {
    if (socket_ >= 0) close(socket_);
    if (listener_ >= 0) close(listener_);
  }
  [[nodiscard]] std::string name() const override { return "raw tcp socket"; }

  std::string listen() override {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at = loopback(0);
    socklen_t size = sizeof at;
    if (bind(listener_, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0 || ::listen(listener_, 1) != 0 ||
        getsockname(listener_, reinterpret_cast<sockaddr*>(&at), &size) != 0)
      socket_failed();
    return std::to_string(ntohs(at.sin_port));
  }

  void connect(const std::string& address) override {
    const sockaddr_in at = loopback(static_cast<std::uint16_t>(std::stoi(address)));
    socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(socket_, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) socket_failed();
    prepare();
  }

  void serve(Board& board, const Duo::Still& still) override {
    if (socket_ < 0) {
      socket_ = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (socket_ < 0) socket_failed();
      prepare();
    }
    if (task() == Task::echo) {
      while (still)
        if (receive_one(still)) send_all(buffer_.data(), message_bytes());
      return;
    }
    std::uint64_t bytes = board.received.get() * message_bytes();
    while (still)
      if (const ssize_t got = recv(socket_, buffer_.data(), buffer_.size(), MSG_DONTWAIT); got > 0)
        board.received.set((bytes += static_cast<std::uint64_t>(got)) / message_bytes());
  }

  double ping(std::uint64_t budget_ns, Histogram& into) override {
    struct Always {
      explicit operator bool() const noexcept { return true; }
    };
    Histogram slice;
    const std::uint64_t end = now_ns() + budget_ns;
    for (std::uint64_t begin = now_ns(); begin < end;) {
      send_all(buffer_.data(), message_bytes());
      receive_one(Always());
      const std::uint64_t now = now_ns();
      slice.record((now - begin) / 2);
      begin = now;
    }
    into.add(slice);
    return slice.percentile(0.5);
  }

  double flood(std::uint64_t count, std::uint32_t bytes, const Board& board) override {
    const std::uint64_t wanted = board.received.get() + count * bytes / message_bytes();
    const std::uint64_t begin = now_ns();
    for (std::uint64_t left = count * bytes; left != 0;) {
      const std::size_t part = std::min<std::uint64_t>(left, 64 * 1024);
      send_all(buffer_.data(), part);
      left -= part;
    }
    while (board.received.get() < wanted) {
    }
    return static_cast<double>(now_ns() - begin) / static_cast<double>(count);
  }

 private:
  void prepare() {
    const int on = 1;
    setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    buffer_.assign(std::max<std::size_t>(64 * 1024, message_bytes()), 'x');
  }
  template <class Still>
  bool receive_one(const Still& still) {
    for (std::size_t have = 0; have < message_bytes();) {
      const ssize_t got = recv(socket_, buffer_.data() + have, message_bytes() - have, MSG_DONTWAIT);
      if (got > 0) have += static_cast<std::size_t>(got);
      if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) socket_failed();
      if (got < 0 && have == 0 && !still) return false;
    }
    return true;
  }
  void send_all(const char* from, std::size_t bytes) {
    for (std::size_t sent = 0; sent < bytes;) {
      const ssize_t now = send(socket_, from + sent, bytes - sent, MSG_NOSIGNAL);
      if (now < 0 && errno != EINTR) socket_failed();
      if (now > 0) sent += static_cast<std::size_t>(now);
    }
  }

  int listener_ = -1;
  int socket_ = -1;
  std::vector<char> buffer_;
};

}  // namespace

std::unique_ptr<Contestant> raw_socket(Task task, std::uint32_t bytes) {
  return std::make_unique<Raw>(task, bytes);
}

}  // namespace harness::bench
