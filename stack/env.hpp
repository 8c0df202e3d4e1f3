// SPDX-License-Identifier: Apache-2.0
// The outside world as a layer may see it: time, timers, randomness, a place for slow work, a log.
//
// Time is read once a poll turn (25 ns a read is too much per message) and only moves between turns. The
// engine on the operating system and the simulator implement this; a layer cannot tell which it runs on.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include <harness/stack/random.hpp>
#include <harness/stack/timer.hpp>

namespace harness {

enum class LogLevel : std::uint8_t { debug, info, warning, error };

class Env {
 public:
  virtual ~Env() = default;
  Env(const Env&) = delete;
  Env& operator=(const Env&) = delete;

  /// Monotonic time of this poll turn in ns. [stack-thread]
  [[nodiscard]] std::uint64_t now_ns() const noexcept { return now_ns_; }
  /// By how much, in total ns, turns came later than they were due: who judges a peer's silence allows for
  /// what was added since the silence began, because it may have been our own. [stack-thread]
  [[nodiscard]] std::uint64_t late_ns() const noexcept { return late_ns_; }
  [[nodiscard]] TimerWheel& timers() noexcept { return timers_; }
  [[nodiscard]] Random& random() noexcept { return random_; }

  /// Runs `job` away from this thread, then `done` on it; false, and nothing runs, when `offload_max` jobs
  /// are under way. The job may read bytes of messages that its owner keeps unchanged; it touches no count,
  /// pool or layer. [stack-thread]
  /// An engine that ends first destroys `done` uncalled, on this thread, while its pool still stands.
  virtual bool offload(std::function<void()> job, std::function<void()> done) = 0;
  static constexpr unsigned offload_max = 64;

  /// One line for a person; the cause is logged once, where it is first known. [stack-thread]
  virtual void log(LogLevel level, std::string_view line) = 0;

 protected:
  Env(std::uint64_t now_ns, std::uint64_t seed) noexcept : now_ns_(now_ns), timers_(now_ns), random_(seed) {}
  std::uint64_t now_ns_;
  std::uint64_t late_ns_ = 0;

 private:
  TimerWheel timers_;
  Random random_;
};

}  // namespace harness
