// SPDX-License-Identifier: Apache-2.0
// A run of pings over one link: round trips, one after the other or at an interval, as a histogram.
//
// With interval 0 the next ping leaves when the pong is there: the latency of the stack. With an interval
// pings leave by the clock, also while answers are missing, so a link that stalls shows its stall (no
// coordinated omission).
// Bounds: outstanding_max pings without answer, then the interval skips one and counts it as lost.
#pragma once

#include <functional>
#include <map>

#include <harness/apps/common/histogram.hpp>
#include <harness/apps/common/outbox.hpp>
#include <harness/apps/common/service_wire.hpp>

namespace harness::apps {

/// Monotonic time in ns, read when called: finer than the engine's time of a turn.
using Clock = std::function<std::uint64_t()>;

struct PingReport {
  Histogram rtt_ns;
  std::uint32_t sent = 0;
  std::uint32_t lost = 0;  // no answer within the timeout
  Error error{Errc::ok, {}, {}, {}};
};

class PingRun final : private Producer {
 public:
  static constexpr std::size_t outstanding_max = 1000;
  struct Options {
    std::uint16_t stream = 0;
    std::uint32_t count = 5;  // 0: until stopped
    std::uint64_t interval_ns = 0;
    std::uint32_t bytes = 0;  // beside the header
    std::uint64_t timeout_ns = 5'000'000'000;
    std::uint64_t duration_ns = ~std::uint64_t{0};  // after which no more are sent
  };
  using Each = std::function<void(std::uint32_t sequence, std::uint64_t rtt_ns)>;
  using Done = std::function<void(const PingReport&)>;

  /// Starts. `each` (may be empty) hears of every answer, `done` once of the end; the run may be destroyed in
  /// it.
  PingRun(Outbox& outbox, Clock clock, Options options, Each each, Done done);

  void on_pong(const wire::Echo& pong);
  /// Ends now, with what there is.
  void stop();
  void lost(Error error);
  [[nodiscard]] std::uint16_t stream() const noexcept { return options_.stream; }
  [[nodiscard]] const PingReport& report() const noexcept { return report_; }

 private:
  bool produce() override;
  void on_timer();
  void arm();
  [[nodiscard]] bool sent_all() const noexcept {
    return (options_.count != 0 && report_.sent >= options_.count) ||
           outbox_.engine().now_ns() - started_ns_ >= options_.duration_ns;
  }
  void finish();

  Outbox& outbox_;
  Clock clock_;
  Options options_;
  Each each_;
  Done done_;
  Timer timer_;
  std::map<std::uint32_t, std::uint64_t> outstanding_;  // sequence: when it was sent, engine time
  std::uint64_t started_ns_;
  std::uint64_t next_due_ns_;
  bool due_ = true;
  bool finished_ = false;
  PingReport report_;
};

}  // namespace harness::apps
