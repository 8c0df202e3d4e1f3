// SPDX-License-Identifier: Apache-2.0
// Two bare endpoints of one udp transport that know each other, for the tests of udp itself.
#pragma once

#include <gtest/gtest.h>

#include <harness/tests/support/described.hpp>
#include <harness/tests/support/udp_stranger.hpp>
#include <harness/transports/udp.hpp>

namespace harness::transports {

inline constexpr std::uint64_t long_ns = 20'000'000'000;  // a bound for tests that fail

struct UdpSide final : Acceptor {
  std::vector<std::unique_ptr<Endpoint>> others;  // further ones that dialled
  std::vector<std::string> got;
  std::vector<std::string> setups;
  std::vector<Event> events;
  std::vector<std::uint8_t> flags;
  Gate gate;
  Quota::Owner quota = Quota::make(std::uint64_t{64} << 20);
  std::unique_ptr<Endpoint> endpoint;

  void accepted(std::unique_ptr<Endpoint> other) override {
    if (endpoint == nullptr) return take(std::move(other));
    others.push_back(std::move(other));
  }
  void take(std::unique_ptr<Endpoint> mine) {
    endpoint = std::move(mine);
    Receiver receiver;
    receiver.up = {[](void* self, const Entry*, harness_message* m) {
                     auto& message = Message::from_c(m);
                     static_cast<UdpSide*>(self)->got.emplace_back(message.text());
                     static_cast<UdpSide*>(self)->flags.push_back(message.note().flags);
                   },
                   this, nullptr};
    receiver.self = this;
    receiver.setup = [](void* self, Message& frame) {
      static_cast<UdpSide*>(self)->setups.emplace_back(frame.text());
    };
    receiver.event = [](void* self, const Event& event) {
      static_cast<UdpSide*>(self)->events.push_back(event);
    };
    receiver.gate = &gate;
    receiver.quota = quota.get();
    endpoint->attach(receiver);
  }
  void send(Pool& pool, std::string_view text, std::uint8_t with_flags = 0) const {
    Message message = Message::copy_of(pool, text);
    message.note().flags = with_flags;
    const Entry down = endpoint->down();
    down.fn(down.self, down.next, message.c());
  }
  [[nodiscard]] std::uint64_t value(std::string_view name) const { return tests::Described(*endpoint)[name]; }
};

struct UdpPair : testing::Test {
  std::unique_ptr<OsEngine> engine = std::move(OsEngine::make().value());
  UdpSide near, far;  // acceptors outlive the transport
  Udp udp{*engine};
  std::string address;

  ~UdpPair() override {
    near.endpoint.reset();
    far.endpoint.reset();
    far.others.clear();
  }
  void listen(const std::string& at = "127.0.0.1:0") { address = udp.listen(at, far).value(); }
  /// Turns without sleeping, since what a plain socket of a test gets wakes no engine. A datagram may be on
  /// its way for as long as the kernel likes: whoever counts on one waits here.
  bool until(const std::function<bool()>& done) {
    engine->poll();
    for (const std::uint64_t limit_ns = engine->now_ns() + long_ns; !done(); engine->poll())
      if (engine->now_ns() >= limit_ns) return false;
    return true;
  }
  /// What the stranger gets next; empty when nothing comes.
  tests::UdpStranger::Datagram hear(const tests::UdpStranger& stranger) {
    std::optional<tests::UdpStranger::Datagram> heard;
    until([&] { return (heard = stranger.receive()).has_value(); });
    return heard.value_or(tests::UdpStranger::Datagram());
  }
  /// Some idle turns: for what must not happen, and for what waits for nobody outside this process.
  void settle() {
    for (unsigned idle = 0; idle < 8;) idle = engine->poll() == 0 ? idle + 1 : 0;
  }
  Pool& pool() { return engine->pool(); }
  Errc say(UdpSide& side, std::string_view text) {
    return side.endpoint->send_setup(Message::copy_of(pool(), text));
  }
  /// A set-up frame each way.
  void open(const std::string& to) {
    near.take(udp.dial(to).value());
    ASSERT_EQ(say(near, "hello"), Errc::ok);
    ASSERT_TRUE(until([&] { return far.setups.size() == 1; }));
    ASSERT_EQ(say(far, "welcome"), Errc::ok);
    ASSERT_TRUE(until([&] { return near.setups.size() == 1; }));
  }
  void connect() {
    listen();
    open(address);
  }
};

}  // namespace harness::transports
