// SPDX-License-Identifier: Apache-2.0
// Round-trip time of a path, as RFC 9002 §5 estimates it, and the timeouts that follow from it.
//
// A value without clock: the caller says what it measured and when. Timers here fire on 4 µs ticks, so the
// granularity of RFC 9002 §6.1.2 is 50 µs instead of its 1 ms; the least round trip is the least of the last
// 10 to 20 s rather than of the whole life, so that a route that became longer is believed (RFC 8985 §5.2
// allows a window).
#pragma once

#include <algorithm>
#include <cstdint>

namespace harness::layers {

class Rtt {
 public:
  static constexpr std::uint64_t initial_ns = 25'000'000;
  static constexpr std::uint64_t granularity_ns = 50'000;
  static constexpr std::uint64_t ack_delay_max_ns = 500'000;  // of a peer that acknowledges once a turn
  static constexpr std::uint64_t min_window_ns = 10'000'000'000;

  /// One measurement: `rtt_ns` from sending to the acknowledgement, which the peer held for `ack_delay_ns`.
  void sample(std::uint64_t rtt_ns, std::uint64_t ack_delay_ns, std::uint64_t now_ns) noexcept {
    latest_ns_ = std::max<std::uint64_t>(rtt_ns, 1);
    note_min(latest_ns_, now_ns);
    if (smoothed_ns_ == 0) {
      smoothed_ns_ = latest_ns_;
      variation_ns_ = latest_ns_ / 2;
      return;
    }
    // The peer's word is taken only as far as it does not go below what was ever seen (§5.3).
    const std::uint64_t delay_ns = std::min(ack_delay_ns, ack_delay_max_ns);
    const std::uint64_t adjusted_ns = latest_ns_ >= min_ns() + delay_ns ? latest_ns_ - delay_ns : latest_ns_;
    const std::uint64_t off_ns =
        smoothed_ns_ > adjusted_ns ? smoothed_ns_ - adjusted_ns : adjusted_ns - smoothed_ns_;
    variation_ns_ = (3 * variation_ns_ + off_ns) / 4;
    smoothed_ns_ = (7 * smoothed_ns_ + adjusted_ns) / 8;
  }

  [[nodiscard]] bool measured() const noexcept { return smoothed_ns_ != 0; }
  [[nodiscard]] std::uint64_t smoothed_ns() const noexcept { return measured() ? smoothed_ns_ : initial_ns; }
  [[nodiscard]] std::uint64_t variation_ns() const noexcept {
    return measured() ? variation_ns_ : initial_ns / 2;
  }
  [[nodiscard]] std::uint64_t latest_ns() const noexcept { return latest_ns_; }
  [[nodiscard]] std::uint64_t min_ns() const noexcept { return std::min(min_ns_, min_before_ns_); }

  /// How long after sending a packet counts as lost when a later one arrived: 9/8 of a round trip (§6.1.2)
  /// and `extra_ns` for a path that reorders.
  [[nodiscard]] std::uint64_t loss_delay_ns(std::uint64_t extra_ns) const noexcept {
    const std::uint64_t rtt_ns = std::max(smoothed_ns(), latest_ns_);
    return std::max(rtt_ns + rtt_ns / 8 + extra_ns, granularity_ns);
  }
  /// After how long without an acknowledgement a probe is sent (§6.2.1).
  [[nodiscard]] std::uint64_t probe_timeout_ns() const noexcept {
    return smoothed_ns() + std::max(4 * variation_ns(), granularity_ns) + ack_delay_max_ns;
  }
  /// How long everything must be lost to call it persistent (§7.6.1).
  [[nodiscard]] std::uint64_t persistent_ns() const noexcept { return 3 * probe_timeout_ns(); }

 private:
  void note_min(std::uint64_t rtt_ns, std::uint64_t now_ns) noexcept {
    if (now_ns - min_since_ns_ >= min_window_ns) {
      min_before_ns_ = now_ns - min_since_ns_ >= 2 * min_window_ns ? never : min_ns_;
      min_ns_ = never;
      min_since_ns_ = now_ns;
    }
    min_ns_ = std::min(min_ns_, rtt_ns);
  }

  static constexpr std::uint64_t never = ~std::uint64_t{0};
  std::uint64_t latest_ns_ = 0;
  std::uint64_t smoothed_ns_ = 0;
  std::uint64_t variation_ns_ = 0;
  std::uint64_t min_ns_ = never;         // of this window
  std::uint64_t min_before_ns_ = never;  // of the one before
  std::uint64_t min_since_ns_ = 0;
};

}  // namespace harness::layers
