// SPDX-License-Identifier: Apache-2.0
// Links with `resume` over the system's own transports: from one to another, and past a peer that accepts and
// says nothing. What resume itself does: tests/sim/resume_test.cpp.
#include <array>
#include <cerrno>
#include <list>

#include <gtest/gtest.h>

#include <sys/socket.h>
#include <unistd.h>

#include <harness/layers/all.hpp>
#include <harness/stack/node.hpp>
#include <harness/transports/all.hpp>
#include <harness/transports/engine.hpp>
#include <harness/transports/tcp/socket.hpp>

namespace harness::transports {
namespace {

constexpr std::uint64_t ms = 1'000'000;
constexpr std::uint64_t long_ns = 20'000 * ms;  // a bound for tests that fail

// Stands between diallers and a tcp listener; carries bytes, or accepts and carries nothing, or is gone.
class TcpProxy {
 public:
  explicit TcpProxy(const std::string& target) : target_(address(target)) {
    front_ = tcp::open_socket(target_);
    at_ = print(tcp::bind_and_listen(front_, address("127.0.0.1:0"), 0).value());
  }
  ~TcpProxy() { vanish(); }
  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;

  [[nodiscard]] const std::string& at() const noexcept { return at_; }
  void cut() {
    for (const Relay& relay : relays_) ::close(relay.ends[0]), ::close(relay.ends[1]);
    relays_.clear();
  }
  void vanish() {
    cut();
    if (front_ >= 0) ::close(std::exchange(front_, -1));
  }
  void pump() {
    Address peer;
    if (front_ >= 0)
      if (const int near = tcp::accept_socket(front_, peer); near >= 0) {
        ++accepted;
        const int far = tcp::open_socket(target_);
        if (!silent) tcp::start_connect(far, target_);
        relays_.push_back({{near, far}, silent});
      }
    for (Relay& relay : relays_)
      for (unsigned from : {0u, 1u})
        if (!relay.silent) carry(relay.ends[from], relay.ends[1 - from]);
  }

  bool silent = false;  // whoever dials now is accepted and hears nothing
  unsigned accepted = 0;

 private:
  struct Relay {
    std::array<int, 2> ends;
    bool silent;
  };
  static Address address(const std::string& text) { return *numeric(*split("tcp", text), false); }
  static void carry(int from, int to) {
    std::array<char, 16384> bytes;  // NOLINT: written by recv
    const ssize_t got = recv(from, bytes.data(), bytes.size(), MSG_DONTWAIT);
    for (ssize_t sent = 0; sent < got;) {
      const ssize_t part = send(to, bytes.data() + sent, static_cast<std::size_t>(got - sent), MSG_NOSIGNAL);
      if (part < 0 && errno != EAGAIN && errno != ENOTCONN) return;
      sent += std::max<ssize_t>(part, 0);
    }
  }

  Address target_;
  int front_;
  std::string at_;
  std::list<Relay> relays_;
};

struct ResumedOverSockets : testing::Test {
  ResumedOverSockets() {
    layers::add_all(catalogue);
    add_all(catalogue);
    a = std::make_unique<Node>(*engine, catalogue, NodeOptions{.name = "a", .domain = "d", .host = "h"});
    b = std::make_unique<Node>(*engine, catalogue, NodeOptions{.name = "b", .domain = "d", .host = "h"});
    b->on_link([this](const std::shared_ptr<Link>& opened) {
      other = opened;
      other->on_message([this](Message&& message) {
        in_order = in_order && message.text() == std::to_string(received);
        ++received;
        other->send(std::move(message));  // comes back as it is
      });
    });
    proxy = std::make_unique<TcpProxy>(b->listen("tcp:127.0.0.1:0").value().substr(4));
  }
  bool until(const std::function<bool()>& done) {
    engine->poll();
    for (const std::uint64_t limit_ns = engine->now_ns() + long_ns; !done(); proxy->pump(), engine->poll())
      if (engine->now_ns() >= limit_ns) return false;
    return true;
  }
  void dial(const std::string& spec, const std::vector<std::string>& addresses, const LinkOptions& options) {
    auto opened = a->connect("b", spec, addresses, options);
    ASSERT_TRUE(opened.has_value()) << opened.error().text();
    link = *opened;
    link->on_message([this](Message&& message) {
      in_order = in_order && message.text() == std::to_string(answered);
      ++answered;
    });
    link->on_event([this](const Event& event) {
      resumed += event.kind == EventKind::resumed ? 1 : 0;
      lost += event.kind == EventKind::peer_lost ? 1 : 0;
    });
    ASSERT_TRUE(until([&] { return link->state() != Link::State::dialing; }));
  }
  // Again where the time to open was over before this process had its core.
  void open(const std::string& spec, const std::vector<std::string>& addresses,
            const LinkOptions& options = {}) {
    for (unsigned tries = 0; tries < 20 && (link == nullptr || !link->is_up()); ++tries) {
      dial(spec, addresses, options);
      if (HasFatalFailure()) return;
    }
    ASSERT_TRUE(link->is_up()) << link->error().text();
    lost = 0;
    proxy->accepted = 0;
  }
  // Messages up to `count` in all, as the link takes them, and their answers.
  bool talk(unsigned count) {
    return until([&] {
      while (sent < count && link->send(Message::copy_of(engine->pool(), std::to_string(sent))) == Errc::ok)
        ++sent;
      return answered == count;
    });
  }
  void send_some(unsigned count) {
    for (unsigned i = 0; i < count; ++i, ++sent)
      if (link->send(Message::copy_of(engine->pool(), std::to_string(sent))) != Errc::ok) return;
  }

  std::unique_ptr<OsEngine> engine = std::move(OsEngine::make().value());
  Catalogue catalogue;
  std::unique_ptr<Node> a, b;
  std::unique_ptr<TcpProxy> proxy;
  std::shared_ptr<Link> link, other;
  unsigned sent = 0, received = 0, answered = 0, resumed = 0, lost = 0;
  bool in_order = true;
};

TEST_F(ResumedOverSockets, GoesOnOverSharedMemoryWhenTcpIsGone) {
  const std::string shm = b->listen("shm:").value();
  open("resume / frag @ tcp | resume / frag @ shm", {"tcp:" + proxy->at(), shm});
  EXPECT_EQ(link->stack()->spec().transport->name, "tcp");
  ASSERT_TRUE(talk(500));
  send_some(200);  // under way, and in part kept at the proxy
  proxy->vanish();
  ASSERT_TRUE(talk(1500)) << answered << " of 1500, " << link->error().text();
  EXPECT_EQ(link->stack()->spec().transport->name, "shm");
  EXPECT_EQ(other->stack()->spec().transport->name, "shm");
  EXPECT_EQ(received, 1500u);
  EXPECT_TRUE(in_order);
  EXPECT_EQ(resumed, 1u);
  link->close();
  EXPECT_TRUE(until([&] { return a->links().empty() && b->links().empty(); }));
  EXPECT_EQ(link->error().code, Errc::ok) << link->error().text();
}

TEST_F(ResumedOverSockets, DialsAnewWhenWhoAcceptedSaysNothing) {
  LinkOptions options;
  options.timeout_ns = 100 * ms;  // of each try; resume_ns is for all of them
  open("resume / frag @ tcp", {"tcp:" + proxy->at()}, options);
  ASSERT_TRUE(talk(50));
  proxy->silent = true;
  proxy->cut();
  ASSERT_TRUE(until([&] { return proxy->accepted == 3; })) << "it waits for one that never answers";
  EXPECT_EQ(link->state(), Link::State::resuming);
  proxy->silent = false;
  ASSERT_TRUE(talk(100)) << link->error().text();
  EXPECT_TRUE(in_order);
  EXPECT_EQ(lost, 0u);
}

TEST_F(ResumedOverSockets, EndsWhenNobodyAnswersForAsLongAsItMayLook) {
  LinkOptions options;
  options.timeout_ns = 50 * ms;
  options.resume_ns = 1000 * ms;
  open("resume / frag @ tcp", {"tcp:" + proxy->at()}, options);
  proxy->silent = true;
  proxy->cut();
  ASSERT_TRUE(until([&] { return lost == 1; }));
  EXPECT_EQ(link->state(), Link::State::lost);
  EXPECT_GE(proxy->accepted, 1u) << "it never looked";
}

}  // namespace
}  // namespace harness::transports
