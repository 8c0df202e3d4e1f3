// SPDX-License-Identifier: Apache-2.0
// reliable where its own end lets time pass without a turn, as an application does that works for a while:
// what was under way meanwhile says nothing about the path.
#include <vector>

#include <gtest/gtest.h>

#include <harness/layers/reliable.hpp>
#include <harness/stack/stack.hpp>
#include <harness/tests/support/described.hpp>

namespace harness::layers {
namespace {

constexpr std::uint64_t ms = 1'000'000;

/// An engine whose turns come late when the test says so.
class LateEngine final : public Engine {
 public:
  LateEngine() : Engine(0, 1, std::uint64_t{1} << 30) {}
  unsigned poll(unsigned = 256) override {
    now_ns_ += unseen_ns_;
    late_ns_ += std::exchange(unseen_ns_, 0);
    return timers().advance(now_ns_);
  }
  /// Turns whenever something is due.
  void pass(std::uint64_t ns) {
    poll();
    const std::uint64_t until_ns = now_ns_ + ns;
    for (; timers().next_due_ns() <= until_ns; poll()) now_ns_ = std::max(now_ns_, timers().next_due_ns());
    now_ns_ = until_ns;
    poll();
  }
  /// No turn, although one was due; what is sent now has the time of the last one.
  void work(std::uint64_t ns) { unseen_ns_ += ns; }
  bool post(std::function<void()>) override { return false; }
  std::uint64_t arm() override { return timers().next_due_ns(); }
  bool offload(std::function<void()>, std::function<void()>) override { return false; }
  void log(LogLevel, std::string_view) override {}

 private:
  std::uint64_t unseen_ns_ = 0;
};

/// Two ends whose frames stay where they are until they are carried; the round trip was measured as 1 ms.
struct Measured {
  struct End {
    Measured* home = nullptr;
    Gate gate;
    std::unique_ptr<Stack> stack;
    std::vector<Message> sent;
  };

  Measured() {
    const auto down = [](void* self, const Entry*, harness_message* message) {
      auto& end = *static_cast<End*>(self);
      if (Message& frame = Message::from_c(message); frame.as_received(end.home->engine.pool()))
        end.sent.push_back(std::move(frame));
    };
    StackSpec spec;
    spec.layers.push_back({&type, OptionValues(Reliable::options)});
    for (End& end : ends) {
      end.home = this;
      const Foundation foundation{.engine = engine,
                                  .bottom = {down, &end, nullptr},
                                  .facts = {property::message | property::checked16, 1400, {}},
                                  .gate = end.gate,
                                  .max_message = 1 << 20,
                                  .peer_quota_bytes = 4 << 20};
      end.stack = std::move(
          *Stack::build(spec, foundation, [](void*, Message&) {}, [](void*, const Event&) {}, &end));
    }
    for (End& end : ends) end.stack->event({EventKind::up});
    settle();
    for (unsigned i = 0; i < 40; ++i) {
      send();
      engine.pass(ms);
      settle();
    }
    EXPECT_GT(of("srtt_us"), 800u);
    EXPECT_LE(of("srtt_us"), 1'100u);
    probes = of("probe_timeouts");
  }
  ~Measured() {
    for (End& end : ends) end.sent.clear();
  }

  void send() { EXPECT_EQ(ends[0].stack->send(Message::copy_of(engine.pool(), "message")), Errc::ok); }
  /// Carries what there is, and what is said to it, in a few ticks of the timers.
  void settle() {
    for (bool moved = true; moved;) {
      moved = false;
      engine.pass(8'000);
      for (unsigned i = 0; i < 2; ++i)
        for (Message& frame : std::exchange(ends[i].sent, {})) {
          const Entry up = ends[1 - i].stack->up();
          up.fn(up.self, up.next, frame.c());
          moved = true;
        }
    }
  }
  [[nodiscard]] std::uint64_t of(std::string_view name) const {
    return tests::Described(*ends[0].stack, "reliable")[name];
  }

  LateEngine engine;
  LayerType type = layer_type<Reliable>();
  std::array<End, 2> ends;
  std::uint64_t probes = 0;
};

TEST(Reliable, APauseOfThisEndIsNoRoundTrip) {
  Measured link;
  link.send();  // answered while nobody looks
  link.engine.work(300 * ms);
  link.settle();
  EXPECT_EQ(link.of("acked_messages"), 41u);
  EXPECT_LE(link.of("srtt_us"), 1'100u);
}

TEST(Reliable, ABurstAfterAPauseWithTheTimeOfTheTurnBeforeIsNoRoundTrip) {
  Measured link;
  link.engine.work(300 * ms);
  for (unsigned i = 0; i < 20; ++i) link.send();
  link.settle();
  EXPECT_EQ(link.of("acked_messages"), 60u);
  EXPECT_LE(link.of("srtt_us"), 1'100u);
  EXPECT_EQ(link.of("probe_timeouts"), link.probes);
}

TEST(Reliable, WhatIsSentAfterThePauseIsMeasuredAgain) {
  Measured link;
  link.engine.work(300 * ms);
  link.send();
  link.settle();
  for (unsigned i = 0; i < 40; ++i) {
    link.send();
    link.engine.pass(2 * ms);
    link.settle();
  }
  EXPECT_GT(link.of("srtt_us"), 1'700u) << "the path became longer";
  EXPECT_LE(link.of("srtt_us"), 2'100u);
}

TEST(Reliable, ThePeerHasAProbeTimeoutFromTheEndOfOurPauseOn) {
  Measured link;
  link.send();
  link.ends[0].sent.clear();  // lost
  link.engine.work(300 * ms);
  link.engine.poll();
  EXPECT_EQ(link.of("probe_timeouts"), link.probes);
  link.engine.pass(100 * ms);
  EXPECT_GT(link.of("probe_timeouts"), link.probes);
  link.settle();
  EXPECT_EQ(link.of("acked_messages"), 41u);
}

}  // namespace
}  // namespace harness::layers
