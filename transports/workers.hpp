// SPDX-License-Identifier: Apache-2.0
// The few threads behind Env::offload: jobs in, nothing out; a job ends by posting to its engine.
//
// Threads start with the first job and block every signal, which stay with the program's own threads.
// Bounds: the engine hands in at most Env::offload_max jobs at a time.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace harness::transports {

class Workers {
 public:
  explicit Workers(unsigned count);
  /// Waits for running jobs; those not begun are dropped.
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  /// [any-thread]
  void submit(std::function<void()> job);

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace harness::transports
