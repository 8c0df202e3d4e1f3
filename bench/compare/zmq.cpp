// SPDX-License-Identifier: Apache-2.0
// ZeroMQ over tcp: PAIR for pings, PUSH/PULL for floods, in every setting that might be its best here: where
// its io thread runs, how deep its queues are, and whether messages are copied in or referred to.
#include <cerrno>
#include <thread>

#include <fmt/format.h>
#include <zmq.h>

#include <harness/bench/compare/contestant.hpp>
#include <harness/bench/support/machine.hpp>
#include <harness/bench/support/program.hpp>

namespace harness::bench {

namespace {

enum class IoThread { with_us, other_core, free };

struct Setting {
  IoThread io;
  int queue;      // high-water mark, messages; 0: no limit
  bool constant;  // zmq_send_const: the message is not copied
  ZmqOver over = ZmqOver::tcp;
  [[nodiscard]] std::string name() const {
    const char* where = io == IoThread::with_us      ? "io thread on our core"
                        : io == IoThread::other_core ? "io thread on the other core"
                                                     : "io thread unpinned";
    static constexpr const char* transports[] = {"", " ipc", " CURVE"};
    return fmt::format("ZeroMQ{} ({}, HWM {}, {})", transports[static_cast<int>(over)], where, queue,
                       constant ? "send_const" : "send");
  }
};

[[noreturn]] void zmq_failed(const char* what) {
  give_up({Errc::io, what, zmq_strerror(zmq_errno()), "the program again"});
}

/// Drawn once, before the fork, so that both sides know them.
struct Keys {
  std::array<char, 41> server_public{}, server_secret{}, client_public{}, client_secret{};
  static const Keys& of_this_program() {
    static const Keys keys = [] {
      Keys fresh;
      if (zmq_curve_keypair(fresh.server_public.data(), fresh.server_secret.data()) != 0 ||
          zmq_curve_keypair(fresh.client_public.data(), fresh.client_secret.data()) != 0)
        zmq_failed("zmq_curve_keypair");
      return fresh;
    }();
    return keys;
  }
};

class Zmq final : public Contestant {
 public:
  Zmq(Task task, std::uint32_t bytes, Setting setting) : Contestant(task, bytes), setting_(setting) {}
  [[nodiscard]] std::string name() const override { return setting_.name(); }

  std::string listen() override {
    open(task() == Task::echo ? ZMQ_PAIR : ZMQ_PULL, 1);
    if (zmq_bind(socket_, setting_.over == ZmqOver::ipc ? "ipc://*" : "tcp://127.0.0.1:*") != 0)
      zmq_failed("zmq_bind");
    std::array<char, 128> at{};
    std::size_t size = at.size();
    zmq_getsockopt(socket_, ZMQ_LAST_ENDPOINT, at.data(), &size);
    return at.data();
  }
  void connect(const std::string& address) override {
    open(task() == Task::echo ? ZMQ_PAIR : ZMQ_PUSH, 0);
    if (zmq_connect(socket_, address.c_str()) != 0) zmq_failed("zmq_connect");
  }

  void serve(Board& board, const Duo::Still& still) override {
    const int patience_ms = 5;  // so that the end of the job is noticed
    zmq_setsockopt(socket_, ZMQ_RCVTIMEO, &patience_ms, sizeof patience_ms);
    std::uint64_t received = board.received.get();
    while (still) {
      const int got = zmq_recv(socket_, buffer_.data(), buffer_.size(), 0);
      if (got >= 0 && task() == Task::echo) zmq_send(socket_, buffer_.data(), message_bytes(), 0);
      if (got >= 0) ++received;
      if (task() == Task::sink && (got < 0 || received % 32 == 0 || received >= board.answer.get()))
        board.received.set(received);
    }
  }

  double ping(std::uint64_t budget_ns, Histogram& into) override {
    return ping_by(budget_ns, into, [this] {
      if (zmq_send(socket_, buffer_.data(), message_bytes(), 0) < 0) zmq_failed("zmq_send");
      if (zmq_recv(socket_, buffer_.data(), buffer_.size(), 0) < 0) zmq_failed("zmq_recv");
    });
  }

  double flood(std::uint64_t count, std::uint32_t bytes, const Board& board) override {
    const std::uint64_t wanted = board.received.get() + count;
    const_cast<Board&>(board).answer.set(wanted);  // so that the last is told at once
    const std::uint64_t begin = now_ns();
    for (std::uint64_t i = 0; i < count; ++i) {
      const int sent = setting_.constant ? zmq_send_const(socket_, buffer_.data(), bytes, 0)
                                         : zmq_send(socket_, buffer_.data(), bytes, 0);
      if (sent < 0) zmq_failed("zmq_send");
    }
    while (board.received.get() < wanted) {
      const timespec a_little{0, 20'000};  // leaves the core to the io thread
      nanosleep(&a_little, nullptr);
    }
    return static_cast<double>(now_ns() - begin) / static_cast<double>(count);
  }

 private:
  void open(int type, unsigned core) {
    context_ = zmq_ctx_new();
    // The io thread inherits where this thread may run when the first socket is made.
    if (setting_.io == IoThread::other_core) pin(1 - core);
    if (setting_.io == IoThread::free) unpin();
    socket_ = zmq_socket(context_, type);
    pin(core);
    const int none = 0;
    zmq_setsockopt(socket_, ZMQ_LINGER, &none, sizeof none);
    zmq_setsockopt(socket_, ZMQ_SNDHWM, &setting_.queue, sizeof setting_.queue);
    zmq_setsockopt(socket_, ZMQ_RCVHWM, &setting_.queue, sizeof setting_.queue);
    buffer_.assign(1u << 20, 'x');
    if (setting_.over == ZmqOver::curve) encrypt(core == 1);
  }

  // One pair of keys for the server, one for the client, both from the environment of the test: the cost is
  // in the record, not in who knows what.
  void encrypt(bool server) {
    const Keys& keys = Keys::of_this_program();
    const int on = 1;
    if (server) zmq_setsockopt(socket_, ZMQ_CURVE_SERVER, &on, sizeof on);
    const auto set = [&](int option, const std::array<char, 41>& key) {
      if (zmq_setsockopt(socket_, option, key.data(), 40) != 0) zmq_failed("zmq_setsockopt CURVE");
    };
    if (!server) set(ZMQ_CURVE_SERVERKEY, keys.server_public);
    if (!server) set(ZMQ_CURVE_PUBLICKEY, keys.client_public);
    set(ZMQ_CURVE_SECRETKEY, server ? keys.server_secret : keys.client_secret);
  }

  Setting setting_;
  void* context_ = nullptr;  // lives until the process ends: closing it would wait for its thread
  void* socket_ = nullptr;
  std::vector<char> buffer_;
};

}  // namespace

std::vector<std::unique_ptr<Contestant>> zmq_variants(Task task, std::uint32_t bytes, ZmqOver over) {
  std::vector<std::unique_ptr<Contestant>> all;
  if (over == ZmqOver::curve && zmq_has("curve") == 0) return all;
  if (over == ZmqOver::curve) Keys::of_this_program();
  const auto add = [&](IoThread io, int queue, bool constant) {
    all.push_back(std::make_unique<Zmq>(task, bytes, Setting{io, queue, constant, over}));
  };
  for (const IoThread io : {IoThread::with_us, IoThread::other_core, IoThread::free}) {
    add(io, 1000, task == Task::sink);
    if (task == Task::echo || bytes > 4096) continue;
    add(io, 100'000, true);
    add(io, 100'000, false);
  }
  return all;
}

double zmq_inproc_ns(Task task, std::uint32_t bytes, std::uint64_t times) {
  void* context = zmq_ctx_new();
  void* near = zmq_socket(context, ZMQ_PAIR);
  void* far = zmq_socket(context, ZMQ_PAIR);
  if (zmq_bind(near, "inproc://bench") != 0 || zmq_connect(far, "inproc://bench") != 0) zmq_failed("inproc");
  std::thread other([&] {
    pin(1);
    std::vector<char> buffer(bytes);
    for (std::uint64_t i = 0; i < times; ++i) {
      zmq_recv(far, buffer.data(), bytes, 0);
      if (task == Task::echo || i + 1 == times) zmq_send(far, buffer.data(), bytes, 0);
    }
  });
  pin(0);
  std::vector<char> buffer(bytes, 'x');
  const std::uint64_t begin = now_ns();
  for (std::uint64_t i = 0; i < times; ++i) {
    zmq_send(near, buffer.data(), bytes, 0);
    if (task == Task::echo) zmq_recv(near, buffer.data(), bytes, 0);
  }
  if (task == Task::sink) zmq_recv(near, buffer.data(), bytes, 0);
  const double ns = static_cast<double>(now_ns() - begin) / static_cast<double>(times);
  other.join();
  zmq_close(near);
  zmq_close(far);
  zmq_ctx_term(context);
  return task == Task::echo ? ns / 2 : ns;
}

}  // namespace harness::bench
