// SPDX-License-Identifier: Apache-2.0
// What only tcp promises: its bytes on the wire, system calls, addresses, coalescing, memory. The rest is
// tests/conformance.
#include <harness/tests/support/described.hpp>
#include <harness/tests/support/manual_engine.hpp>
#include <harness/transports/all.hpp>
#include <harness/transports/tcp.hpp>

#include <gtest/gtest.h>

namespace harness::transports {
namespace {

using tests::Described;

constexpr std::uint64_t long_ns = 20'000'000'000;  // a bound for tests that fail

struct Side final : Acceptor {
  std::unique_ptr<Endpoint> endpoint;
  std::vector<std::string> got;
  std::vector<Event> events;
  std::string detail;
  Gate gate;

  void accepted(std::unique_ptr<Endpoint> other) override { take(std::move(other)); }
  void take(std::unique_ptr<Endpoint> mine) {
    endpoint = std::move(mine);
    Receiver receiver;
    receiver.up = {[](void* self, const Entry*, harness_message* m) {
                     auto& message = Message::from_c(m);
                     static_cast<Side*>(self)->got.emplace_back(message.text());
                   },
                   this, nullptr};
    receiver.self = this;
    receiver.event = [](void* self, const Event& event) {
      static_cast<Side*>(self)->events.push_back(event);
      static_cast<Side*>(self)->detail = event.detail;
    };
    receiver.gate = &gate;
    endpoint->attach(receiver);
  }
  void send(Pool& pool, std::string_view text) const {
    Message message = Message::copy_of(pool, text);
    const Entry down = endpoint->down();
    down.fn(down.self, down.next, message.c());
  }
};

struct TcpPair : testing::Test {
  std::unique_ptr<OsEngine> engine = std::move(OsEngine::make().value());
  Tcp tcp{*engine};
  Side near, far;
  std::string address;

  void connect() {
    address = tcp.listen("127.0.0.1:0", far).value();
    near.take(tcp.dial(address).value());
    ASSERT_TRUE(until([&] { return far.endpoint != nullptr; }));
  }
  bool until(const std::function<bool()>& done) { return engine->run_until(done, long_ns); }
  Pool& pool() { return engine->pool(); }
};

TEST_F(TcpPair, CarriesFramesBothWays) {
  connect();
  near.send(pool(), "ping");
  ASSERT_TRUE(until([&] { return far.got.size() == 1; }));
  far.send(pool(), "pong");
  ASSERT_TRUE(until([&] { return near.got.size() == 1; }));
  EXPECT_EQ(far.got[0], "ping");
  EXPECT_EQ(near.got[0], "pong");
}

TEST_F(TcpPair, SendsAllFramesOfATurnByOneCall) {
  connect();
  for (int i = 0; i < 40; ++i) near.send(pool(), "one of many");
  ASSERT_TRUE(until([&] { return far.got.size() == 40; }));
  EXPECT_EQ(Described(*near.endpoint)["send_calls"], 1u);
  EXPECT_EQ(Described(*near.endpoint)["staged_frames"], 40u);
}

TEST_F(TcpPair, KeepsNoBufferForAConnectionThatIsIdle) {
  connect();
  near.send(pool(), std::string(100'000, 'x'));
  ASSERT_TRUE(until([&] { return far.got.size() == 1; }));
  engine->poll();
  EXPECT_EQ(pool().alive_count(), 0u);
}

TEST_F(TcpPair, ReceivesMostOfALargeFrameStraightIntoItsSlab) {
  connect();
  near.send(pool(), std::string(200'000, 'x'));
  ASSERT_TRUE(until([&] { return far.got.size() == 1; }));
  EXPECT_EQ(far.got[0], std::string(200'000, 'x'));
  EXPECT_GE(Described(*far.endpoint)["direct_bytes"], 200'000u - Tcp::scratch_bytes);
}

TEST_F(TcpPair, TellsAnOrderlyCloseFromADeath) {
  connect();
  near.endpoint->close(1'000'000'000);
  ASSERT_TRUE(until([&] { return !far.events.empty(); }));
  EXPECT_EQ(far.events[0].kind, EventKind::peer_lost);
  EXPECT_EQ(far.events[0].code, Errc::closed);
}

TEST_F(TcpPair, TellsThatNobodyListens) {
  near.take(tcp.dial("127.0.0.1:1").value());
  ASSERT_TRUE(until([&] { return !near.events.empty(); }));
  EXPECT_EQ(near.events[0].kind, EventKind::peer_lost);
  EXPECT_EQ(near.events[0].code, Errc::unreachable);
}

// RFC 9293 §3.8.6.1: while the receiver answers probes of its closed window, the connection stays open. The
// time is the kernel's, so this test waits for it: four times what it may take for a host that does not
// answer. A process that is itself kept from its looks so long cannot put the timeout off: it begins anew.
TEST_F(TcpPair, KeepsAPeerThatOnlyPausesForLongerThanTheUserTimeout) {
  OptionValues brief(Tcp::type().options);
  brief.set(Tcp::option_user_timeout, 1'000'000);
  for (bool stopped = true; stopped;) {
    for (Side* side : {&near, &far}) {
      side->endpoint.reset();
      side->got.clear();
      side->events.clear();
      side->gate.release(Gate::transport_bit);
    }
    connect();
    ASSERT_EQ(near.endpoint->configure(brief), Errc::ok);
    far.endpoint->pause_receive(true);
    const std::uint64_t late_ns = engine->late_ns();
    std::size_t sent = 0;
    for (; sent < 1000 && !near.gate.held(Gate::transport_bit); ++sent) {
      near.send(pool(), std::string(60'000, 'x'));
      engine->poll();
    }
    engine->run_until([&] { return !near.events.empty(); }, 2'500'000'000);
    stopped = !near.events.empty() && engine->late_ns() - late_ns > 500'000'000;
    if (stopped) continue;
    EXPECT_TRUE(near.events.empty()) << near.detail;
    far.endpoint->pause_receive(false);
    EXPECT_TRUE(until([&] { return far.got.size() == sent; })) << far.got.size() << " of " << sent;
  }
}

TEST(Transports, StandInTheCatalogueAndAreMadeForTheirEngines) {
  Catalogue catalogue;
  add_all(catalogue);
  auto engine = std::move(OsEngine::make().value());
  tests::ManualEngine manual;
  for (const TransportType& type : catalogue.transports()) {
    const OptionValues options(type.options);
    if (type.name == "sim") {
      EXPECT_EQ(type.make, nullptr) << "it needs a simulated world";
      continue;
    }
    ASSERT_NE(type.make, nullptr) << type.name;
    const auto made = type.make(*engine, options);
    EXPECT_TRUE(made.has_value()) << type.name << (made ? "" : made.error().text());
    EXPECT_EQ(type.facts(options, {}).max_message, options[type.name == "loop" ? 1u : 0u]) << type.name;
  }
  for (const auto* name : {"shm", "tcp", "udp"}) {
    const TransportType& type = *catalogue.transport(name);
    EXPECT_FALSE(type.make(manual, OptionValues(type.options)).has_value())
        << name << " needs the operating system's engine";
  }
}

}  // namespace
}  // namespace harness::transports
