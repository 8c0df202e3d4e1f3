// SPDX-License-Identifier: Apache-2.0
// The timer wheel against a model: an ordered multimap of due ticks.
#include <harness/stack/timer.hpp>

#include <map>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include <harness/stack/random.hpp>
#include <harness/tests/support/seed.hpp>

namespace harness {
namespace {

constexpr std::uint64_t never = ~std::uint64_t{0};
constexpr std::uint64_t tick_ns = std::uint64_t{1} << TimerWheel::tick_shift;

// What the wheel promises, in the plainest form: a timer fires in the first advance whose tick reaches its
// own.
class Model {
 public:
  Model(std::uint64_t seed, std::uint64_t now_ns) : random_(seed), wheel_(now_ns), now_ns_(now_ns) {
    for (std::size_t i = 0; i < 40; ++i) {
      auto alarm = std::make_unique<Alarm>(*this, i);
      alarms_.push_back(std::move(alarm));
    }
  }

  void step() {
    for (std::uint64_t n = random_.below(4); n > 0; --n) touch();
    check_next_due();
    advance(random_.below(4) == 0 ? 0 : spread(44));
  }
  // Every timer fires when time goes on for long enough, driven by next_due_ns alone as engines do.
  void drain() {
    unsigned steps = 0;
    for (std::uint64_t due_ns = wheel_.next_due_ns(); due_ns != never; due_ns = wheel_.next_due_ns()) {
      ASSERT_LT(++steps, 10'000u) << "next_due_ns makes no progress";
      ASSERT_GT(due_ns, now_ns_);
      may_arm_ = false;
      advance(due_ns - now_ns_);
    }
    EXPECT_TRUE(due_.empty());
  }

 private:
  struct Alarm {
    Alarm(Model& owner, std::size_t number)
        : model(owner), index(number), timer([](void* self) { static_cast<Alarm*>(self)->fire(); }, this) {}
    void fire() { model.fired(*this); }
    Model& model;
    std::size_t index;
    Timer timer;
    std::multimap<std::uint64_t, std::size_t>::iterator due;
    bool armed = false;
  };

  // Log-uniform: as often microseconds as hours.
  std::uint64_t spread(unsigned bits) { return random_.next() >> (64 - 1 - random_.below(bits)); }

  void touch() {
    Alarm& alarm = *alarms_[random_.below(alarms_.size())];
    if (random_.below(4) == 0) {
      alarm.timer.cancel();
      forget(alarm);
    } else {
      const std::uint64_t due_ns =
          random_.below(8) == 0 ? now_ns_ - std::min(now_ns_, spread(30)) : now_ns_ + spread(46);
      wheel_.arm(alarm.timer, due_ns);
      forget(alarm);
      const std::uint64_t tick = std::max((due_ns + tick_ns - 1) / tick_ns, next_tick_);
      alarm.due = due_.emplace(tick, alarm.index);
      alarm.armed = true;
    }
    EXPECT_EQ(alarm.timer.armed(), alarm.armed);
  }
  void forget(Alarm& alarm) {
    if (alarm.armed) due_.erase(alarm.due);
    alarm.armed = false;
  }
  void fired(Alarm& alarm) {
    ASSERT_TRUE(alarm.armed) << "fired without being armed";
    const std::uint64_t tick = alarm.due->first;
    EXPECT_LE(tick, target_tick_) << "early by " << (tick - target_tick_) << " ticks";
    EXPECT_EQ(tick, due_.begin()->first) << "before one that was due earlier";
    forget(alarm);
    next_tick_ = tick + 1;
    while (may_arm_ && random_.below(3) == 0) touch();
  }
  void advance(std::uint64_t by_ns) {
    now_ns_ += by_ns;
    target_tick_ = now_ns_ / tick_ns;
    wheel_.advance(now_ns_);
    next_tick_ = std::max(next_tick_, target_tick_ + 1);
    if (!due_.empty()) {
      EXPECT_GT(due_.begin()->first, target_tick_) << "late";
    }
  }
  void check_next_due() {
    const std::uint64_t next_ns = wheel_.next_due_ns();
    if (due_.empty()) {
      EXPECT_EQ(next_ns, never);
    } else {
      EXPECT_LE(next_ns, due_.begin()->first * tick_ns);
    }
  }

  Random random_;
  TimerWheel wheel_;
  std::vector<std::unique_ptr<Alarm>> alarms_;
  std::multimap<std::uint64_t, std::size_t> due_;
  std::uint64_t now_ns_;
  std::uint64_t target_tick_ = 0;
  std::uint64_t next_tick_ = now_ns_ / tick_ns;
  bool may_arm_ = true;
};

TEST(TimerWheel, DoesWhatAMultimapWouldDo) {
  const std::uint64_t first = tests::seed(1);
  for (std::uint64_t seed = first; seed < first + 300 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(testing::Message() << "rerun: HARNESS_SEED=" << seed);
    Random random(seed);
    // Clocks near the end of a turn of some level are where wheels go wrong.
    const unsigned level = static_cast<unsigned>(random.below(7));
    const std::uint64_t turn_ns = tick_ns << (level * TimerWheel::level_bits);
    Model model(seed, random.between(3, 1000) * turn_ns - random.below(3) * tick_ns);
    for (int i = 0; i < 200 && !testing::Test::HasFailure(); ++i) model.step();
    model.drain();
  }
}

struct Bell {
  explicit Bell(TimerWheel& at)
      : wheel(at), timer([](void* self) { ++static_cast<Bell*>(self)->rung; }, this) {}
  TimerWheel& wheel;
  Timer timer;
  unsigned rung = 0;
};

TEST(TimerWheel, ATimerAcrossTheHorizonOfTheTopLevelIsNotLate) {
  const std::uint64_t horizon_ns = tick_ns << (TimerWheel::levels * TimerWheel::level_bits);  // 73 minutes
  TimerWheel wheel(horizon_ns - 10 * tick_ns);
  Bell bell(wheel);
  wheel.arm(bell.timer, horizon_ns + 10 * tick_ns);
  wheel.advance(horizon_ns + 9 * tick_ns);
  EXPECT_EQ(bell.rung, 0u);
  wheel.advance(horizon_ns + 10 * tick_ns);
  EXPECT_EQ(bell.rung, 1u);
}

TEST(TimerWheel, ATimerDestroyedInACallbackNeverFires) {
  TimerWheel wheel;
  auto victim = std::make_unique<Bell>(wheel);
  struct Killer {
    std::unique_ptr<Bell>* victim;
    Timer timer{[](void* self) { static_cast<Killer*>(self)->victim->reset(); }, this};
  } killer{&victim};
  wheel.arm(killer.timer, 5 * tick_ns);
  wheel.arm(victim->timer, 5 * tick_ns);
  EXPECT_EQ(wheel.advance(10 * tick_ns), 1u);
  EXPECT_EQ(wheel.next_due_ns(), never);
}

TEST(TimerWheel, ATimerNeverFiresBeforeItsNanosecond) {
  TimerWheel wheel;
  Bell bell(wheel);
  wheel.arm(bell.timer, 5 * tick_ns + 1);
  wheel.advance(5 * tick_ns);
  EXPECT_EQ(bell.rung, 0u);
  wheel.advance(6 * tick_ns);
  EXPECT_EQ(bell.rung, 1u);
}

}  // namespace
}  // namespace harness
