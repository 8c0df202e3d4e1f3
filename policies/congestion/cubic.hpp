// SPDX-License-Identifier: Apache-2.0
// cubic: the window grows as a cubic function of the time since the last loss (RFC 9438).
//
//   W(t) = C (t - K)^3 + W_max,  K = cbrt((W_max - W_epoch) / C)         §4.2
//
// In packets and seconds, as the RFC writes it; C = 0.4, beta = 0.7. Where a Reno flow would be faster the
// window follows that (§4.3), below the old maximum it lets others in sooner (fast convergence, §4.7). Slow
// start doubles the window each round trip until the first loss (RFC 9002 §7.3.1). One loss a round trip
// counts (RFC 9002 §7.3.2). Acknowledgements that come while the application, not the window, was the limit
// grow nothing, and the time of such a pause is no time of the epoch (RFC 9438 §5.8). Neither does a window
// of ample_bytes, about what the kernel's TCP keeps under way, once it has made a queue of three round
// trips: within a host nothing is lost until megabytes wait, and what waits leaves the caches (1 MiB from
// and to them costs 0.6 of the processor's time that it costs otherwise).
// Left out: HyStart++ (RFC 9406): a window measured in µs round trips overshoots for too short to matter;
// undoing a spurious reduction (§4.9): the reordering window keeps those rare.
// Bounds: two packets ≤ window ≤ the given maximum. Arithmetic is +, -, *, / of doubles alone, so every host
// computes the same.
#pragma once

#include <harness/policies/congestion/signals.hpp>

namespace harness::congestion {

class Cubic {
 public:
  static constexpr double c = 0.4;
  static constexpr double beta = 0.7;
  static constexpr double ample_bytes = 3 << 20;

  Cubic(std::uint64_t window_bytes_max, std::uint32_t packet_bytes) noexcept;

  void on_sent(const Sending& sent) noexcept;
  void on_ack(const Acked& acked) noexcept;
  void on_loss(const Lost& lost) noexcept;
  void on_ecn(const Lost& marked) noexcept { on_loss(marked); }
  void on_persistent(std::uint64_t now_ns) noexcept;
  /// A changed packet size keeps the window in bytes, except that it is the least and the initial one anew.
  Window window(std::uint64_t smoothed_rtt_ns, std::uint32_t packet_bytes) noexcept;

  [[nodiscard]] bool slow_start() const noexcept { return window_bytes_ < threshold_bytes_; }
  [[nodiscard]] double packets() const noexcept { return window_bytes_ / packet_bytes_; }

 private:
  [[nodiscard]] bool ample(const Acked& acked) const noexcept;
  void start_epoch(std::uint64_t now_ns) noexcept;
  void avoid_congestion(const Acked& acked, double acked_packets) noexcept;
  void clamp() noexcept;

  double packet_bytes_;
  double window_bytes_;
  double window_bytes_max_;
  double threshold_bytes_;
  double most_packets_ = 0;          // W_max
  double prior_packets_ = 0;         // the window at the last loss (§4.1: cwnd_prior)
  double reno_packets_ = 0;          // W_est
  double k_s_ = 0;                   // K
  std::uint64_t epoch_ns_ = 0;       // 0: begins with the next acknowledgement
  std::uint64_t idle_since_ns_ = 0;  // the last acknowledgement that found the application to be the limit
  std::uint64_t recovery_ns_ = 0;    // losses of what was sent up to then have been answered
  bool touched_ = false;             // something was acknowledged or lost: the initial window is history
};

}  // namespace harness::congestion
