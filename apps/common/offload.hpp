// SPDX-License-Identifier: Apache-2.0
// Env::offload for one user that runs one job at a time: waits its turn when the engine is at its bound.
//
// Rejected: a thread a transfer. The result of a job that outlives its user is thrown away.
#pragma once

#include <functional>
#include <memory>

#include <harness/stack/env.hpp>

namespace harness::apps {

class Offload {
 public:
  static constexpr std::uint64_t retry_ns = 1'000'000;

  explicit Offload(Env& env);
  /// A job under way goes on; its `done` is not called any more. What the job touches must be its own or
  /// shared.
  ~Offload();
  Offload(const Offload&) = delete;
  Offload& operator=(const Offload&) = delete;

  /// Runs `job` away from this thread, then `done` on it. Requires: not busy. [stack-thread]
  void run(std::function<void()> job, std::function<void()> done);
  [[nodiscard]] bool busy() const noexcept { return busy_; }

 private:
  void submit();

  Env& env_;
  Timer retry_;
  bool busy_ = false;
  std::function<void()> job_;
  std::function<void()> done_;
  std::shared_ptr<Offload*> self_;  // what a finished job looks for; null inside once we are gone
};

}  // namespace harness::apps
