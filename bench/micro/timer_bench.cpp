// SPDX-License-Identifier: Apache-2.0
// The timer wheel: arming, cancelling and firing, alone and among ten thousand.
#include <memory>
#include <vector>

#include <benchmark/benchmark.h>

#include <harness/stack/random.hpp>
#include <harness/stack/timer.hpp>

namespace harness {
namespace {

void nothing(void*) {}

struct Crowd {
  explicit Crowd(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      timers.push_back(std::make_unique<Timer>(&nothing, nullptr));
      wheel.arm(*timers.back(), 1 + random.below(1'000'000'000));
    }
  }
  TimerWheel wheel;
  Random random{1};
  std::vector<std::unique_ptr<Timer>> timers;
};

void timer_arm_cancel(benchmark::State& state) {
  Crowd crowd(static_cast<std::size_t>(state.range(0)));
  Timer timer(&nothing, nullptr);
  for (auto _ : state) {
    crowd.wheel.arm(timer, 20'000'000);
    timer.cancel();
  }
}
BENCHMARK(timer_arm_cancel)->Arg(0)->Arg(10'000);

// A turn in which nothing is due: what every poll pays.
void timer_idle_turn(benchmark::State& state) {
  Crowd crowd(static_cast<std::size_t>(state.range(0)));
  std::uint64_t now_ns = 0;
  for (auto _ : state) benchmark::DoNotOptimize(crowd.wheel.advance(now_ns += 1));
}
BENCHMARK(timer_idle_turn)->Arg(0)->Arg(10'000);

void timer_fire(benchmark::State& state) {
  TimerWheel wheel;
  Timer timer(&nothing, nullptr);
  std::uint64_t now_ns = 0;
  for (auto _ : state) {
    wheel.arm(timer, now_ns += 5000);
    benchmark::DoNotOptimize(wheel.advance(now_ns + 5000));
  }
}
BENCHMARK(timer_fire);

}  // namespace
}  // namespace harness
