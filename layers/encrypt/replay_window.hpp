// SPDX-License-Identifier: Apache-2.0
// Which of the last 8192 record numbers have been seen: a ring of bits.
//
// A number is looked at before its record is opened and set only after its tag was right, so that a forgery
// moves nothing. The window ends at the highest number set; below it everything counts as seen.
// Rejected: RFC 6479's trick of a ring one word longer than the window (it makes the window 8128 wide, or the
// ring not a power of two); clearing the bits between is one step for records in order.
// Bounds: 1 KiB; a step forward clears at most 128 words.
// Sources: RFC 6479; RFC 4303 §3.4.3.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

namespace harness::layers::encryption {

class ReplayWindow {
 public:
  static constexpr std::uint64_t width = 8192;

  /// True when `number` was set, or is older than the window reaches.
  [[nodiscard]] bool seen(std::uint64_t number) const noexcept {
    if (number >= end_) return false;
    if (end_ - number > width) return true;
    return (words_[number / 64 % words_.size()] >> number % 64 & 1) != 0;
  }

  /// Requires: !seen(number).
  void set(std::uint64_t number) noexcept {
    if (number >= end_) move_to(number + 1);
    words_[number / 64 % words_.size()] |= std::uint64_t{1} << number % 64;
  }

  /// One more than the highest number set.
  [[nodiscard]] std::uint64_t end() const noexcept { return end_; }

 private:
  void move_to(std::uint64_t end) noexcept {
    if (end - end_ >= width) {
      words_ = {};
    } else {
      for (std::uint64_t at = end_; at < end;) {
        const std::uint64_t count = std::min(64 - at % 64, end - at);
        const std::uint64_t bits = count == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1;
        words_[at / 64 % words_.size()] &= ~(bits << at % 64);
        at += count;
      }
    }
    end_ = end;
  }

  std::array<std::uint64_t, width / 64> words_{};
  std::uint64_t end_ = 0;
};

}  // namespace harness::layers::encryption
