// SPDX-License-Identifier: Apache-2.0
// How much reordering a path shows, and so how long to wait before a packet counts as lost.
//
// Until a packet that was thought lost arrives after all, the packet threshold of RFC 9002 §6.1.1 holds:
// three later ones. From then on time alone decides, and the window beyond the round trip grows by a quarter
// of the least round trip each time, as in RACK (RFC 8985 §6.2 step 4), up to one smoothed round trip; after
// 16 recoveries without another such case it starts over.
#pragma once

#include <algorithm>
#include <cstdint>

#include <harness/layers/reliable/rtt.hpp>

namespace harness::layers {

class Reordering {
 public:
  static constexpr std::uint64_t packet_threshold = 3;
  static constexpr unsigned persist_recoveries = 16;

  /// How many later packets must have arrived; beyond any number once the path was seen to reorder.
  [[nodiscard]] std::uint64_t threshold() const noexcept {
    return multiplier_ == 0 ? packet_threshold : ~std::uint64_t{0} / 2;
  }
  /// What RFC 9002's time threshold is widened by.
  [[nodiscard]] std::uint64_t extra_ns(const Rtt& rtt) const noexcept {
    if (multiplier_ == 0 || !rtt.measured()) return 0;
    return std::min(multiplier_ * (rtt.min_ns() / 4), rtt.smoothed_ns());
  }
  /// A packet that was thought lost arrived; counts once a round trip.
  void spurious(std::uint64_t now_ns, const Rtt& rtt) noexcept {
    left_ = persist_recoveries;
    if (multiplier_ != 0 && now_ns - widened_ns_ < rtt.smoothed_ns()) return;
    widened_ns_ = now_ns;
    ++multiplier_;
  }
  /// A recovery began.
  void recovery() noexcept {
    if (left_ != 0 && --left_ == 0) multiplier_ = 0;
  }
  [[nodiscard]] std::uint64_t multiplier() const noexcept { return multiplier_; }

 private:
  std::uint64_t multiplier_ = 0;
  std::uint64_t widened_ns_ = 0;
  unsigned left_ = 0;
};

}  // namespace harness::layers
