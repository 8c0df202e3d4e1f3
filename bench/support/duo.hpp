// SPDX-License-Identifier: Apache-2.0
// Two pinned processes and the page of memory they share.
//
// The near process (core 0) measures; the far one (core 1) serves. What the far side does is one word that
// the near side writes: `idle`, the cache-line floor, or one of the jobs it was made with, which runs until
// the word changes. A job reads the word from its own cache, which costs it nothing while nobody writes.
// Processes, not threads: nothing of the one side's allocator, engine or peer library can be warm or locked
// for the other. Fork before anything that has threads.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <sys/types.h>

#include <harness/bench/support/contest.hpp>
#include <harness/stack/result.hpp>

namespace harness::bench {

/// A word in a cache line of its own.
struct alignas(64) Word {
  std::atomic<std::uint64_t> value{0};
  [[nodiscard]] std::uint64_t get() const noexcept { return value.load(std::memory_order_acquire); }
  void set(std::uint64_t to) noexcept { value.store(to, std::memory_order_release); }
};

/// The shared page.
struct Board {
  Word wanted;   // the far side's job, written by the near side
  Word entered;  // … and that it has begun it
  Word ping, pong;
  Word received;                                 // messages the far side got, told once a turn
  Word answer;                                   // one number from a far job
  std::array<std::array<char, 128>, 32> text{};  // addresses and the like

  void put_text(unsigned at, const std::string& what) noexcept;
  [[nodiscard]] std::string get_text(unsigned at) const { return text[at].data(); }
};

class Duo {
 public:
  /// True while the job that asks is still the one wanted.
  class Still {
   public:
    Still(const Board& board, std::uint64_t job) noexcept : board_(board), job_(job) {}
    explicit operator bool() const noexcept { return board_.wanted.get() == job_; }

   private:
    const Board& board_;
    std::uint64_t job_;
  };
  using Job = std::function<void(Board& board, const Still& still)>;

  static constexpr std::uint64_t timeout_ns = 30'000'000'000;

  /// Forks. `jobs` are run by the far process on demand, in any order, each as often as wanted.
  explicit Duo(std::vector<Job> jobs);
  ~Duo();
  Duo(const Duo&) = delete;
  Duo& operator=(const Duo&) = delete;

  /// The far side does job `index` from now on; returns when it has begun.
  void start(std::size_t index) { want(first_job + index); }
  /// The far side sleeps.
  void rest() { want(idle); }
  [[nodiscard]] Board& board() noexcept { return *board_; }
  [[nodiscard]] pid_t far_pid() const noexcept { return pid_; }
  /// Polls `ready` until it is true; gives up after timeout_ns or when the far process has died.
  void wait_for(const std::function<bool()>& ready, const char* what);

  /// One way of a cache line between the two cores in ns; the far side then goes back to its job.
  double cache_line_ns();
  [[nodiscard]] Floor floor();

 private:
  static constexpr std::uint64_t idle = 0, ping_pong = 1, leave = 2, first_job = 3;
  void want(std::uint64_t what);
  [[noreturn]] void far_side(const std::vector<Job>& jobs);
  void check_alive();

  Board* board_;
  pid_t pid_ = -1;
};

}  // namespace harness::bench
