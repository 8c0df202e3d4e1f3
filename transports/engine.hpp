// SPDX-License-Identifier: Apache-2.0
// The engine on Linux: epoll, eventfd, timerfd and one thread that polls.
//
// One epoll descriptor holds everything an engine waits for: what its transports watch, a timerfd for the
// next timer and an eventfd for posts. It is level-triggered towards an outer event loop: `arm()` sets the
// timer, and the descriptor stays readable until a turn has handled what is due. Inside, transports watch
// their sockets edge-triggered, keep what they know and ask the system again only after it said "no more".
//
// A transport that tries its few busy sockets itself, or moves messages within the process, says so by
// `keep_hot()`: while it does, epoll is asked only every 50 µs, so that a busy-polled exchange costs the same
// system calls as raw sockets. `run_until` spins, then sleeps. The spin follows what it earns: doubled up to
// `spin_ns_max` when a sleep was so short that spinning would have caught it, halved when it was long; an
// idle engine sleeps until something happens.
// The clock is read once a turn, or, by a processor with a counter that costs a third of it, once in half a
// microsecond: a busy-polled turn is over in less. Timers tick in 4 us.
// Rejected: busy polling as default (two engines on one core starve each other), io_uring (blocked by
// container runtimes' default filters; research says a few percent), a pipe instead of eventfd. Bounds: 128
// epoll events a turn; posted work is what posters hand in; `offload_max` jobs.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include <harness/stack/engine.hpp>
#include <harness/stack/layer.hpp>
#include <harness/stack/result.hpp>

namespace harness::transports {

class Workers;

/// Hears of a watched descriptor. Lives until unwatch.
class Watcher {
 public:
  enum What : unsigned { readable = 1, writable = 2, peer_ended = 4, failed = 8 };
  /// `what` holds What bits; peer_ended and failed come unasked. [stack-thread, inside poll]
  virtual void ready(unsigned what) = 0;

 protected:
  ~Watcher() = default;
};

struct OsEngineOptions {
  std::uint64_t seed = 0;  // of Env::random; 0: drawn from the system
  std::uint64_t pool_limit_bytes = std::uint64_t{1} << 30;
  std::uint64_t spin_ns_max = 50'000;  // longest spin of run_until before it sleeps; 0: sleeps at once
  unsigned workers = 2;                // threads for offload, started with the first job
  std::function<void(LogLevel, std::string_view)> log = {};  // empty: lines to standard error, from info on
};

class OsEngine final : public Engine {
 public:
  using Options = OsEngineOptions;
  static constexpr std::uint64_t hot_epoll_ns = 50'000;
  static constexpr std::uint64_t turn_ns_max = 50'000;  // a turn that took longer counts as late
  static constexpr unsigned events_max = 128;

  /// Errors: io (no descriptor to be had).
  static Result<std::unique_ptr<OsEngine>> make(Options options = {});
  /// Waits for running offload jobs; drops those not begun, and posted work. Transports must be gone.
  ~OsEngine() override;

  unsigned poll(unsigned budget = 256) override;
  bool post(std::function<void()> work) override;
  [[nodiscard]] int descriptor() const noexcept override { return epoll_; }
  std::uint64_t arm() override;
  bool offload(std::function<void()> job, std::function<void()> done) override;
  void log(LogLevel level, std::string_view line) override;

  // ---- running ----

  /// Runs turns, sleeping in between, until `done()` (true), the timeout or stop (then what `done()` says).
  /// It is asked after every turn that did something. UINT64_MAX: no timeout. [stack-thread]
  bool run_until(const std::function<bool()>& done, std::uint64_t timeout_ns = ~std::uint64_t{0});
  /// Runs until stop.
  void run();
  /// Ends run and run_until; post is refused from now on. [any-thread]
  void stop() noexcept;

  // ---- for transports and admin sockets [stack-thread] ----

  /// Tells `watcher` when `descriptor` is ready for `interest` (What bits). edge: once per change, else every
  /// turn while it lasts. Errors: io.
  Result<> watch(int descriptor, unsigned interest, Watcher& watcher, bool edge = false);
  /// Changes the interest. Errors: io.
  Result<> rewatch(int descriptor, unsigned interest, Watcher& watcher, bool edge = false);
  /// Forgets the descriptor; `watcher` hears nothing more, also not of this turn. Call it before closing.
  void unwatch(int descriptor, Watcher& watcher) noexcept;
  /// Said in flush by a transport that found work for its next poll: the engine does not sleep before it.
  void again() noexcept { again_ = true; }

  // ---- looking ----

  struct Counters {
    std::uint64_t turns = 0;
    std::uint64_t sleeps = 0;
    std::uint64_t epoll_calls = 0;
    std::uint64_t posted = 0;
    std::uint64_t late_turns = 0;   // later than turn_ns_max
    std::uint64_t late_ns_max = 0;  // the latest
  };
  [[nodiscard]] const Counters& counters() const noexcept { return counters_; }
  void describe(Describer& describer) const;

 private:
  void enqueue(std::function<void()> work);
  explicit OsEngine(Options options, std::uint64_t seed);
  Result<> open();
  void begin_turn() noexcept;
  void read_clock(std::uint64_t count) noexcept;
  unsigned run_posted();
  unsigned ask_epoll(int timeout_ms);
  void flush();
  void set_timer(std::uint64_t due_ns) noexcept;
  void rest();
  void wake() noexcept;
  Result<> control(int operation, int descriptor, unsigned interest, Watcher& watcher, bool edge);

  // An inner descriptor that only wakes; reading it makes it quiet again.
  struct Waker final : Watcher {
    int fd = -1;
    unsigned rings = 0;
    void ready(unsigned what) override;
  };

  Options options_;
  Counters counters_;
  int epoll_ = -1;
  Waker timer_;
  Waker event_;
  std::uint64_t timer_due_ns_ = ~std::uint64_t{0};  // what the timerfd is set to
  unsigned timer_set_at_rings_ = 0;
  std::uint64_t asked_epoll_ns_ = 0;
  std::uint64_t counted_ = 0;  // the processor's counter when the clock was read
  std::uint64_t spin_ns_ = 0;
  bool again_ = false;
  bool armed_ = false;  // arm() let the caller wait: the next turn may come late without being late
  unsigned ready_count_ = 0;
  unsigned ready_next_ = 0;
  std::array<Watcher*, events_max> ready_{};  // of this turn, so that unwatch can take one back

  std::atomic<bool> sleeping_{false};
  std::atomic<bool> has_posted_{false};
  std::atomic<bool> stopped_{false};
  std::mutex posted_mutex_;  // on the path of post alone
  std::vector<std::function<void()>> posted_;
  std::vector<std::function<void()>> running_;
  unsigned jobs_ = 0;
  std::unique_ptr<Workers> workers_;
};

/// The error of a transport that was asked of another kind of engine.
inline tl::unexpected<Error> needs_system_engine(const std::string& transport) {
  return fail(Errc::unsupported, "no transport " + transport + " on this engine",
              "it needs the operating system's, and this is a simulated or foreign one",
              "make it for an OsEngine");
}

}  // namespace harness::transports
