// SPDX-License-Identifier: Apache-2.0
// The floor of udp: two connected sockets, tried until there is something. A flood tells what arrives, in
// datagrams of 1472 B sent one a call, or in trains cut by the kernel (UDP_SEGMENT) and received whole
// (UDP_GRO).
#include <algorithm>
#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <harness/bench/compare/contestant.hpp>
#include <harness/bench/support/machine.hpp>
#include <harness/bench/support/program.hpp>

namespace harness::bench {

namespace {

constexpr std::uint32_t datagram_bytes = 1472;
constexpr std::uint32_t train_bytes = 44 * datagram_bytes;  // below 64 KiB
constexpr std::uint64_t silence_ns = 2'000'000;             // after which nothing more comes

[[noreturn]] void socket_failed() {
  give_up({Errc::io, "a raw udp socket failed", std::strerror(errno), "the program again"});
}

class RawUdp final : public Contestant {
 public:
  RawUdp(Task task, std::uint32_t bytes, bool trains) : Contestant(task, bytes), trains_(trains) {}
  ~RawUdp() override {
    if (socket_ >= 0) close(socket_);
  }
  [[nodiscard]] std::string name() const override {
    if (task() == Task::echo) return "raw udp socket";
    return trains_ ? "raw udp, GSO and GRO" : "sendto of 1472 B";
  }

  std::string listen() override { return std::to_string(open()); }
  void connect(const std::string& address) override {
    open();
    join(static_cast<std::uint16_t>(std::stoi(address)));
    hello();
  }

  void serve(Board& board, const Duo::Still& still) override {
    if (!joined_) wait_for_hello(still);
    std::uint64_t bytes = board.received.get() * message_bytes();
    while (still) {
      const ssize_t got = recv(socket_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
      if (got <= 1) continue;
      if (task() == Task::echo) put(message_bytes());
      bytes += static_cast<std::uint64_t>(got);
      board.received.set(bytes / message_bytes());
    }
  }

  double ping(std::uint64_t budget_ns, Histogram& into) override {
    return ping_by(budget_ns, into, [this] {
      put(message_bytes());
      // Loopback drops only when a buffer is full, and one datagram fills none.
      while (recv(socket_, buffer_.data(), buffer_.size(), MSG_DONTWAIT) <= 1) {
      }
    });
  }

  double flood(std::uint64_t count, std::uint32_t bytes, const Board& board) override {
    const std::uint64_t before = board.received.get();
    const std::uint64_t begin = now_ns();
    for (std::uint64_t left = count * bytes; left != 0;) {
      const std::uint64_t part =
          std::min<std::uint64_t>({left, trains_ ? train_bytes : datagram_bytes, bytes});
      put(part);
      left -= part;
    }
    std::uint64_t seen = before;
    std::uint64_t changed = now_ns();
    for (std::uint64_t now = changed; seen < before + count && now - changed < silence_ns; now = now_ns())
      if (const std::uint64_t told = board.received.get(); told != seen) seen = told, changed = now;
    return seen == before ? std::numeric_limits<double>::quiet_NaN()
                          : static_cast<double>(changed - begin) / static_cast<double>(seen - before);
  }

 private:
  std::uint16_t open() {
    socket_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const sockaddr_in at = loopback(0);
    sockaddr_in bound{};
    socklen_t size = sizeof bound;
    if (bind(socket_, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0 ||
        getsockname(socket_, reinterpret_cast<sockaddr*>(&bound), &size) != 0)
      socket_failed();
    const int large = 8 << 20, segment = static_cast<int>(datagram_bytes), on = 1;
    setsockopt(socket_, SOL_SOCKET, SO_RCVBUFFORCE, &large, sizeof large);
    setsockopt(socket_, SOL_SOCKET, SO_SNDBUFFORCE, &large, sizeof large);
    if (trains_) setsockopt(socket_, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment);
    if (trains_) setsockopt(socket_, IPPROTO_UDP, UDP_GRO, &on, sizeof on);
    buffer_.assign(64 * 1024, 'x');
    return ntohs(bound.sin_port);
  }
  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons(port);
    return at;
  }
  void join(std::uint16_t port) {
    const sockaddr_in at = loopback(port);
    if (::connect(socket_, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) socket_failed();
    joined_ = true;
  }
  // One byte, so that the other side knows whom to connect to.
  void hello() {
    if (send(socket_, "h", 1, 0) != 1) socket_failed();
  }
  void wait_for_hello(const Duo::Still& still) {
    sockaddr_in from{};
    socklen_t size = sizeof from;
    while (recvfrom(socket_, buffer_.data(), 1, MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&from), &size) < 0)
      if (!still) return;
    join(ntohs(from.sin_port));
  }
  void put(std::uint64_t bytes) {
    while (send(socket_, buffer_.data(), bytes, 0) < 0)
      if (errno != EINTR && errno != EAGAIN && errno != ENOBUFS && errno != ECONNREFUSED) socket_failed();
  }

  bool trains_;
  bool joined_ = false;
  int socket_ = -1;
  std::vector<char> buffer_;
};

}  // namespace

std::unique_ptr<Contestant> raw_udp(Task task, std::uint32_t bytes, bool trains) {
  return std::make_unique<RawUdp>(task, bytes, trains);
}

}  // namespace harness::bench
