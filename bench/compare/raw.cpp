// SPDX-License-Identifier: Apache-2.0
// The floor of tcp: two sockets with TCP_NODELAY, not blocking, tried until there is something.
#include <algorithm>
#include <cerrno>

#include <sys/socket.h>

#include <harness/bench/compare/contestant.hpp>
#include <harness/bench/compare/tcp_end.hpp>
#include <harness/bench/support/machine.hpp>

namespace harness::bench {

namespace {

class Raw final : public Contestant {
 public:
  using Contestant::Contestant;
  [[nodiscard]] std::string name() const override { return "raw tcp socket"; }

  std::string listen() override { return end_.listen(); }
  void connect(const std::string& address) override {
    end_.connect(address);
    prepare();
  }

  void serve(Board& board, const Duo::Still& still) override {
    if (!end_.connected()) {
      end_.accept();
      prepare();
    }
    if (task() == Task::echo) {
      while (still)
        if (receive_one(still)) send_all(buffer_.data(), message_bytes());
      return;
    }
    std::uint64_t bytes = board.received.get() * message_bytes();
    while (still)
      if (const ssize_t got = recv(end_.socket(), buffer_.data(), buffer_.size(), MSG_DONTWAIT); got > 0)
        board.received.set((bytes += static_cast<std::uint64_t>(got)) / message_bytes());
  }

  double ping(std::uint64_t budget_ns, Histogram& into) override {
    struct Always {
      explicit operator bool() const noexcept { return true; }
    };
    return ping_by(budget_ns, into, [this] {
      send_all(buffer_.data(), message_bytes());
      receive_one(Always());
    });
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
  void prepare() { buffer_.assign(std::max<std::size_t>(64 * 1024, message_bytes()), 'x'); }
  template <class Still>
  bool receive_one(const Still& still) {
    for (std::size_t have = 0; have < message_bytes();) {
      const ssize_t got = recv(end_.socket(), buffer_.data() + have, message_bytes() - have, MSG_DONTWAIT);
      if (got > 0) have += static_cast<std::size_t>(got);
      if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) socket_failed();
      if (got < 0 && have == 0 && !still) return false;
    }
    return true;
  }
  void send_all(const char* from, std::size_t bytes) {
    for (std::size_t sent = 0; sent < bytes;) {
      const ssize_t now = send(end_.socket(), from + sent, bytes - sent, MSG_NOSIGNAL);
      if (now < 0 && errno != EINTR) socket_failed();
      if (now > 0) sent += static_cast<std::size_t>(now);
    }
  }

  TcpEnd end_;
  std::vector<char> buffer_;
};

}  // namespace

std::unique_ptr<Contestant> raw_socket(Task task, std::uint32_t bytes) {
  return std::make_unique<Raw>(task, bytes);
}

}  // namespace harness::bench
