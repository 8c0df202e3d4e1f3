// SPDX-License-Identifier: Apache-2.0
// An engine without an operating system: its clock stands still until a test moves it. Offloaded jobs run at
// the next turn. For tests of one layer, link or transport; a network of nodes in virtual time is
// transports/sim.hpp.
#pragma once

#include <string>
#include <vector>

#include <harness/stack/engine.hpp>

namespace harness::tests {

class ManualEngine final : public Engine {
 public:
  explicit ManualEngine(std::uint64_t seed = 1, std::uint64_t pool_limit_bytes = std::uint64_t{1} << 30)
      : Engine(0, seed, pool_limit_bytes) {}

  unsigned poll(unsigned budget = 256) override {
    std::vector<std::function<void()>> work;
    work.swap(posted_);
    for (auto& job : work) job();
    auto done = static_cast<unsigned>(work.size());
    for (auto at = pollers_.begin(); at != pollers_.end();) done += (at++)->poll(budget);
    done += timers().advance(now_ns_);
    for (auto at = pollers_.begin(); at != pollers_.end();) (at++)->flush();
    return done;
  }
  /// Moves the clock, firing what is due on the way, one turn for each due time.
  void pass(std::uint64_t ns) {
    const std::uint64_t until_ns = now_ns_ + ns;
    while (timers().next_due_ns() <= until_ns) {
      now_ns_ = std::max(now_ns_, timers().next_due_ns());
      poll();
    }
    now_ns_ = until_ns;
    poll();
  }
  /// Moves the clock without a turn on the way, as for a process that was stopped; then one turn.
  void leap(std::uint64_t ns) {
    now_ns_ += ns;
    poll();
  }
  /// Polls until a turn does nothing, at most `turns`.
  void settle(unsigned turns = 1000) {
    while (turns-- != 0 && poll() != 0) {
    }
  }

  bool post(std::function<void()> work) override {
    posted_.push_back(std::move(work));
    return true;
  }
  std::uint64_t arm() override { return posted_.empty() ? timers().next_due_ns() : 0; }
  bool offload(std::function<void()> job, std::function<void()> done) override {
    if (jobs == offload_max) return false;
    ++jobs;
    return post([this, job = std::move(job), done = std::move(done)] {
      --jobs;
      job();
      done();
    });
  }
  void log(LogLevel, std::string_view line) override { lines.emplace_back(line); }

  std::vector<std::string> lines;
  unsigned jobs = 0;  // offloaded, not yet run

 private:
  std::vector<std::function<void()>> posted_;
};

}  // namespace harness::tests
