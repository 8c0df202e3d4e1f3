// SPDX-License-Identifier: Apache-2.0
// The engine on epoll: posts, timers, watched descriptors, offload, sleeping. No assertion looks at a clock.
#include <harness/transports/engine.hpp>

#include <atomic>
#include <thread>

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <harness/stack/random.hpp>

namespace harness::transports {
namespace {

constexpr std::uint64_t long_ns =
    20'000'000'000;  // a bound for tests that fail, never reached by those that pass

std::unique_ptr<OsEngine> make(OsEngineOptions options = {}) {
  return std::move(OsEngine::make(std::move(options)).value());
}

bool readable(int fd) {
  pollfd set{fd, POLLIN, 0};
  return ::poll(&set, 1, 0) == 1;
}

struct Pipe {
  int ends[2];
  Pipe() { EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0); }
  ~Pipe() {
    close(ends[0]);
    close(ends[1]);
  }
  void put(char c = 'x') const { EXPECT_EQ(write(ends[1], &c, 1), 1); }
  void take() const {
    char c = 0;
    EXPECT_EQ(read(ends[0], &c, 1), 1);
  }
};

struct Counting final : Watcher {
  unsigned calls = 0;
  unsigned last = 0;
  std::function<void()> then;
  void ready(unsigned what) override {
    ++calls;
    last = what;
    if (then) then();
  }
};

TEST(OsEngine, RunsPostedWorkInTheNextTurnInOrder) {
  auto engine = make();
  std::string seen;
  EXPECT_TRUE(engine->post([&] { seen += 'a'; }));
  EXPECT_TRUE(engine->post([&] {
    seen += 'b';
    engine->post([&] { seen += 'c'; });
  }));
  EXPECT_EQ(engine->poll(), 2u);
  EXPECT_EQ(seen, "ab");
  engine->poll();
  EXPECT_EQ(seen, "abc");
}

TEST(OsEngine, WakesFromSleepForEveryPostOfOtherThreads) {
  auto engine = make({.spin_ns_max = 0});
  constexpr int each = 2000;
  std::atomic<int> acknowledged{0};
  int seen = 0;
  auto poster = [&] {
    for (int i = 0; i < each; ++i) {
      const int before = acknowledged.load();
      EXPECT_TRUE(engine->post([&] {
        ++seen;
        ++acknowledged;
      }));
      while (i % 16 == 0 && acknowledged.load() == before) std::this_thread::yield();  // let it fall asleep
    }
  };
  std::thread one(poster);
  std::thread two(poster);
  EXPECT_TRUE(engine->run_until([&] { return seen == 2 * each; }, long_ns));
  one.join();
  two.join();
  EXPECT_GT(engine->counters().sleeps, 0u);
}

TEST(OsEngine, SaysByItsDescriptorThatAPostIsWaiting) {
  auto engine = make();
  engine->poll();
  EXPECT_EQ(engine->arm(), ~std::uint64_t{0});
  EXPECT_FALSE(readable(engine->descriptor()));
  bool ran = false;
  std::thread([&] { engine->post([&] { ran = true; }); }).join();
  EXPECT_TRUE(readable(engine->descriptor()));
  EXPECT_TRUE(readable(engine->descriptor())) << "not level-triggered";
  engine->poll();
  EXPECT_TRUE(ran);
  engine->poll();
  EXPECT_FALSE(readable(engine->descriptor()));
}

TEST(OsEngine, DoesNotArmWhileWorkWaits) {
  auto engine = make();
  struct LeavesWork final : Poller {
    OsEngine* engine = nullptr;
    bool left = false;
    unsigned poll(unsigned) override { return 0; }
    void flush() override {
      if (std::exchange(left, false)) engine->again();
    }
  } poller;
  poller.engine = engine.get();
  engine->add(poller);
  engine->post([] {});
  EXPECT_EQ(engine->arm(), 0u);
  EXPECT_NE(engine->arm(), 0u);
  poller.left = true;
  EXPECT_EQ(engine->arm(), 0u) << "flush left work for the next turn";
  EXPECT_NE(engine->arm(), 0u);
}

TEST(OsEngine, AsksItsPollersBeforeItSleeps) {
  auto engine = make();
  struct Busy final : Poller {
    bool found_work = true;
    unsigned asked = 0;
    unsigned poll(unsigned) override { return 0; }
    bool rest() override { return ++asked, !found_work; }
  } busy;
  engine->add(busy);
  EXPECT_EQ(engine->arm(), 0u) << "a poller found work after all";
  EXPECT_EQ(busy.asked, 1u);
  busy.found_work = false;
  EXPECT_NE(engine->arm(), 0u);
  EXPECT_EQ(busy.asked, 2u);
}

TEST(OsEngine, BecomesReadableWhenATimerIsDue) {
  auto engine = make();
  bool rang = false;
  Timer timer([](void* self) { *static_cast<bool*>(self) = true; }, &rang);
  engine->poll();
  engine->timers().arm(timer, engine->now_ns() + 1'000'000);
  for (int wakes = 0; !rang && wakes < 5; ++wakes) {  // the wheel may look at a far timer once a level
    const std::uint64_t wait_ns = engine->arm();
    EXPECT_LE(wait_ns, 1'004'096u);
    if (wait_ns == 0) continue;  // it was late, and fired inside arm()
    pollfd set{engine->descriptor(), POLLIN, 0};
    EXPECT_EQ(::poll(&set, 1, 20'000), 1);
    engine->poll();
  }
  EXPECT_TRUE(rang);
  while (engine->arm() == 0) {
  }
  EXPECT_FALSE(readable(engine->descriptor()));
}

TEST(OsEngine, NeverFiresATimerEarly) {
  auto engine = make();
  std::uint64_t rang_ns = 0;
  struct At {
    OsEngine* engine;
    std::uint64_t* rang_ns;
  } at{engine.get(), &rang_ns};
  Timer timer([](void* self) { *static_cast<At*>(self)->rang_ns = static_cast<At*>(self)->engine->now_ns(); },
              &at);
  for (const std::uint64_t wait_ns : {1u, 4096u, 100'000u, 3'000'000u}) {
    engine->poll();
    rang_ns = 0;
    const std::uint64_t due_ns = engine->now_ns() + wait_ns;
    engine->timers().arm(timer, due_ns);
    EXPECT_TRUE(engine->run_until([&] { return rang_ns != 0; }, long_ns));
    EXPECT_GE(rang_ns, due_ns);
  }
}

// The clock is not read in every turn: a turn may take the ring of a timer that, by the time read last, is
// not due yet.
TEST(OsEngine, SleepsOverNoTimerThatRangBeforeTheClockWasReadAgain) {
  auto engine = make({.spin_ns_max = 20'000});
  Random random(1);
  for (int i = 0; i < 2000; ++i) {
    bool rang = false;
    Timer timer([](void* self) { *static_cast<bool*>(self) = true; }, &rang);
    engine->timers().arm(timer, engine->now_ns() + 1'000 + random.below(40'000));
    ASSERT_TRUE(engine->run_until([&] { return rang; }, long_ns)) << i;
  }
}

TEST(OsEngine, GivesUpAtTheTimeout) {
  auto engine = make();
  EXPECT_FALSE(engine->run_until([] { return false; }, 1'000'000));
}

TEST(OsEngine, EndsItsRunWhenStoppedAndRefusesPostsThen) {
  auto engine = make();
  std::atomic<bool> running{false};
  engine->post([&] { running = true; });
  std::thread stopper([&] {
    while (!running) std::this_thread::yield();
    engine->stop();
  });
  engine->run();
  stopper.join();
  EXPECT_FALSE(engine->post([] {}));
  EXPECT_FALSE(engine->offload([] {}, [] {}));
}

TEST(OsEngine, TellsALevelWatcherEveryTurnAndAnEdgeWatcherOnce) {
  auto engine = make();
  Pipe level_pipe, edge_pipe;
  Counting level, edge;
  ASSERT_TRUE(engine->watch(level_pipe.ends[0], Watcher::readable, level));
  ASSERT_TRUE(engine->watch(edge_pipe.ends[0], Watcher::readable, edge, true));
  level_pipe.put();
  edge_pipe.put();
  for (int i = 0; i < 3; ++i) engine->poll();
  EXPECT_EQ(level.calls, 3u);
  EXPECT_EQ(edge.calls, 1u);
  EXPECT_EQ(edge.last, unsigned{Watcher::readable});
  level_pipe.take();
  edge_pipe.put();
  engine->poll();
  EXPECT_EQ(level.calls, 3u);
  EXPECT_EQ(edge.calls, 2u);
  engine->unwatch(level_pipe.ends[0], level);
  engine->unwatch(edge_pipe.ends[0], edge);
}

TEST(OsEngine, TellsThatThePeerHasEnded) {
  auto engine = make();
  Pipe pipe;
  Counting watcher;
  ASSERT_TRUE(engine->watch(pipe.ends[0], Watcher::readable, watcher, true));
  EXPECT_EQ(shutdown(pipe.ends[1], SHUT_WR), 0);
  engine->poll();
  EXPECT_NE(watcher.last & Watcher::peer_ended, 0u);
  engine->unwatch(pipe.ends[0], watcher);
}

TEST(OsEngine, ForgetsAWatcherThatIsUnwatchedByAnotherInTheSameTurn) {
  auto engine = make();
  Pipe first_pipe, second_pipe;
  Counting first, second;
  first.then = [&] { engine->unwatch(second_pipe.ends[0], second); };
  second.then = [&] { engine->unwatch(first_pipe.ends[0], first); };
  ASSERT_TRUE(engine->watch(first_pipe.ends[0], Watcher::readable, first));
  ASSERT_TRUE(engine->watch(second_pipe.ends[0], Watcher::readable, second));
  first_pipe.put();
  second_pipe.put();
  engine->poll();
  EXPECT_EQ(first.calls + second.calls, 1u);
}

TEST(OsEngine, ReportsADescriptorThatCannotBeWatchedInThreeParts) {
  auto engine = make();
  Counting watcher;
  auto watched = engine->watch(-1, Watcher::readable, watcher);
  ASSERT_FALSE(watched);
  EXPECT_EQ(watched.error().code, Errc::io);
  EXPECT_FALSE(watched.error().because.empty());
  EXPECT_FALSE(watched.error().advice.empty());
}

TEST(OsEngine, RunsOffloadedJobsElsewhereAndTheirEndHere) {
  auto engine = make();
  std::thread::id ran_on;
  bool done = false;
  ASSERT_TRUE(
      engine->offload([&] { ran_on = std::this_thread::get_id(); },
                      [&] { done = ran_on != std::thread::id{} && ran_on != std::this_thread::get_id(); }));
  EXPECT_TRUE(engine->run_until([&] { return done; }, long_ns));
}

TEST(OsEngine, RefusesMoreOffloadedJobsThanItsBound) {
  auto engine = make();
  std::atomic<bool> go{false};
  unsigned ended = 0;
  for (unsigned i = 0; i < Env::offload_max; ++i)
    ASSERT_TRUE(engine->offload(
        [&] {
          while (!go) std::this_thread::yield();
        },
        [&] { ++ended; }));
  EXPECT_FALSE(engine->offload([] {}, [] {}));
  go = true;
  EXPECT_TRUE(engine->run_until([&] { return ended == Env::offload_max; }, long_ns));
  EXPECT_TRUE(engine->offload([] {}, [] {}));
}

TEST(OsEngine, CountsTheTimeByWhichItsTurnsCameLate) {
  auto engine = make();
  engine->poll();
  const std::uint64_t before_ns = engine->late_ns();
  engine->post([&] {
    const std::uint64_t start_ns = engine->now_ns();
    while (OsEngine::make().value()->now_ns() - start_ns < 2'000'000) {  // hogs the engine's thread
    }
  });
  engine->poll();
  engine->poll();
  EXPECT_GE(engine->late_ns() - before_ns, 1'900'000u);
  EXPECT_GE(engine->counters().late_turns, 1u);
}

TEST(OsEngine, ReadsItsClockOnceATurn) {
  auto engine = make();
  engine->poll();
  std::uint64_t first_ns = 0, second_ns = 0;
  engine->post([&] {
    first_ns = engine->now_ns();
    while (OsEngine::make().value()->now_ns() == first_ns) {
    }
    second_ns = engine->now_ns();
  });
  engine->poll();
  EXPECT_EQ(first_ns, second_ns);
}

TEST(OsEngine, LogsToTheSinkItWasGiven) {
  std::vector<std::string> lines;
  auto engine = make({.log = [&](LogLevel, std::string_view line) { lines.emplace_back(line); }});
  engine->log(LogLevel::warning, "port 7001 is in use");
  EXPECT_EQ(lines, std::vector<std::string>{"port 7001 is in use"});
}

TEST(OsEngine, DrawsAnotherSeedEachTimeUnlessItIsGivenOne) {
  EXPECT_NE(make()->random().next(), make()->random().next());
  EXPECT_EQ(make({.seed = 7})->random().next(), make({.seed = 7})->random().next());
}

}  // namespace
}  // namespace harness::transports
