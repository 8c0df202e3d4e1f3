// SPDX-License-Identifier: Apache-2.0
// Virtual time: the order of events, clocks that lie, engines that stall or die, work offloaded.
#include <harness/transports/sim_world.hpp>

#include <gtest/gtest.h>

namespace harness::transports {
namespace {

struct Ring {
  explicit Ring(Env& from) : env(from), timer([](void* self) { static_cast<Ring*>(self)->fire(); }, this) {}
  void arm(std::uint64_t after_ns) { env.timers().arm(timer, env.now_ns() + after_ns); }
  void fire() {
    ++fired;
    at_ns = env.now_ns();
  }
  Env& env;
  Timer timer;
  unsigned fired = 0;
  std::uint64_t at_ns = 0;
};

TEST(SimWorld, RunsEventsByTimeAndEqualTimesInTheOrderTheyWereAsked) {
  SimWorld world(1);
  std::string order;
  world.at(200, [&] { order += 'c'; });
  world.at(100, [&] { order += 'a'; });
  world.at(100, [&] { order += 'b'; });
  world.at(300, [&] { order += 'd'; });
  world.run_for(250);
  EXPECT_EQ(order, "abc");
  EXPECT_EQ(world.now_ns(), 250u);
  world.run_for(50);
  EXPECT_EQ(order, "abcd");
}

TEST(SimWorld, EachEngineHasAClockOfItsOwn) {
  SimWorld world(1);
  SimEngine& fast = world.add("fast", {.clock_offset_ns = 5'000'000'000, .drift_ppm = 200});
  SimEngine& slow = world.add("slow", {.clock_offset_ns = 70, .drift_ppm = -200});
  Ring fast_ring(fast), slow_ring(slow);
  fast_ring.arm(1'000'000'000);
  slow_ring.arm(1'000'000'000);
  ASSERT_TRUE(world.run_until([&] { return fast_ring.fired == 1; }, 2'000'000'000));
  EXPECT_NEAR(static_cast<double>(world.now_ns()), 999.8e6, 0.01e6);
  EXPECT_GE(fast_ring.at_ns, 6'000'000'000u);
  ASSERT_TRUE(world.run_until([&] { return slow_ring.fired == 1; }, 2'000'000'000));
  EXPECT_NEAR(static_cast<double>(world.now_ns()), 1000.2e6, 0.01e6);
}

TEST(SimWorld, AClockThatJumpsAheadFiresWhatIsDueThen) {
  SimWorld world(1);
  SimEngine& engine = world.add("a");
  Ring ring(engine);
  ring.arm(10'000'000'000);
  world.run_for(1'000'000'000);
  EXPECT_EQ(ring.fired, 0u);
  engine.jump(9'500'000'000);
  world.run_for(1'000'000);
  EXPECT_EQ(ring.fired, 1u);
}

TEST(SimWorld, AClockSetBackStandsStillAndNeverRunsBackwards) {
  SimWorld world(1);
  SimEngine& engine = world.add("a");
  Ring ring(engine);
  ring.arm(100'000'000);
  engine.jump(-1'000'000'000 + 1);
  std::uint64_t last_ns = engine.now_ns();
  for (int i = 0; i < 20; ++i) {
    world.run_for(100'000'000);
    engine.post([] {});
    world.run_for(10'000);
    EXPECT_GE(engine.now_ns(), last_ns);
    last_ns = engine.now_ns();
    EXPECT_EQ(ring.fired, i < 10 ? 0u : 1u) << i;
  }
}

TEST(SimWorld, AStalledEngineRunsNothingUntilItWakes) {
  SimWorld world(1);
  SimEngine& engine = world.add("a");
  Ring ring(engine);
  ring.arm(1'000'000);
  unsigned posted = 0;
  engine.stall(50'000'000);
  engine.post([&] { ++posted; });
  world.run_for(49'000'000);
  EXPECT_EQ(ring.fired + posted, 0u);
  world.run_for(2'000'000);
  EXPECT_EQ(ring.fired + posted, 2u);
}

TEST(SimWorld, TurnsOfAnEngineNeverFallTogether) {
  SimWorld world(1);
  SimEngine& engine = world.add("a", {.turn_ns = 1'000});
  std::vector<std::uint64_t> turns;
  std::function<void()> again = [&] {
    turns.push_back(world.now_ns());
    if (turns.size() < 10) engine.post(again);
  };
  engine.post(again);
  world.run_for(1'000'000);
  ASSERT_EQ(turns.size(), 10u);
  for (std::size_t i = 1; i < turns.size(); ++i) EXPECT_GE(turns[i], turns[i - 1] + 1'000);
}

TEST(SimWorld, OffloadedWorkComesBackLaterAndIsBounded) {
  SimWorld world(1);
  SimEngine& engine = world.add("a");
  unsigned jobs = 0, done = 0;
  for (unsigned i = 0; i < Env::offload_max; ++i)
    ASSERT_TRUE(engine.offload([&] { ++jobs; }, [&] { ++done; }));
  EXPECT_FALSE(engine.offload([&] { ++jobs; }, [&] { ++done; }));
  EXPECT_EQ(jobs + done, 0u);
  world.run_for(1'000'000);
  EXPECT_EQ(jobs, Env::offload_max);
  EXPECT_EQ(done, Env::offload_max);
  EXPECT_EQ(engine.offloaded(), 0u);
}

TEST(SimWorld, ACrashedEngineRunsNothingMore) {
  SimWorld world(1);
  SimEngine& engine = world.add("a");
  SimEngine& other = world.add("b");
  auto ring = std::make_unique<Ring>(engine);
  ring->arm(1'000'000);
  unsigned done = 0;
  engine.post([&] { ++done; });
  ASSERT_TRUE(engine.offload([&] { ++done; }, [&] { ++done; }));
  engine.crash();
  EXPECT_FALSE(engine.post([&] { ++done; }));
  EXPECT_FALSE(engine.offload([] {}, [] {}));
  world.run_for(10'000'000);
  EXPECT_EQ(ring->fired + done, 0u);
  ring.reset();
  world.remove(engine);
  EXPECT_EQ(world.find("a"), nullptr);
  EXPECT_EQ(world.find("b"), &other);
  world.run_for(10'000'000);
}

TEST(SimWorld, KeepsTheLogOfAnEngineWithItsTime) {
  SimWorld world(1);
  SimEngine& engine = world.add("a");
  world.run_for(1'500);
  engine.log(LogLevel::warning, "a line for a person");
  ASSERT_EQ(engine.log_lines().size(), 1u);
  EXPECT_EQ(engine.log_lines()[0].text, "a line for a person");
  EXPECT_EQ(engine.log_lines()[0].at_ns, 1'500u);
}

TEST(SimWorld, WritesALineForEachEventWhenAsked) {
  SimWorld world(1);
  SimEngine& engine = world.add("a");
  world.keep_trace(true);
  world.run_for(2'500);
  engine.jump(7);
  world.note("test", "done", 3);
  ASSERT_EQ(world.trace().size(), 2u);
  EXPECT_EQ(world.trace()[0], "           2.500 J a      ahead 7");
  EXPECT_EQ(world.trace()[1], "           2.500 * test   done 3");
  const std::uint64_t hash = world.trace_hash();
  world.note("test", "done", 3);
  EXPECT_NE(world.trace_hash(), hash);
}

}  // namespace
}  // namespace harness::transports
