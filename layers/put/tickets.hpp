// SPDX-License-Identifier: Apache-2.0
// Numbers of what the transport carries out by itself: given in order, ended in any, all below `floor` ended.
// Bound: `window` under way.
#pragma once

#include <bitset>
#include <cstdint>

namespace harness::layers {

class Tickets {
 public:
  static constexpr std::uint64_t window = 1024;

  [[nodiscard]] std::uint64_t next() const noexcept { return next_; }
  [[nodiscard]] std::uint64_t floor() const noexcept { return floor_; }
  [[nodiscard]] bool all_ended() const noexcept { return floor_ == next_; }
  [[nodiscard]] bool full() const noexcept { return next_ - floor_ == window; }
  /// Requires: not full.
  void take() noexcept { under_way_.set(next_++ % window); }
  /// False when it is not under way.
  bool end(std::uint64_t ticket) noexcept {
    if (ticket < floor_ || ticket >= next_ || !under_way_.test(ticket % window)) return false;
    under_way_.reset(ticket % window);
    while (floor_ != next_ && !under_way_.test(floor_ % window)) ++floor_;
    return true;
  }

 private:
  std::bitset<window> under_way_;
  std::uint64_t next_ = 0;
  std::uint64_t floor_ = 0;
};

}  // namespace harness::layers
