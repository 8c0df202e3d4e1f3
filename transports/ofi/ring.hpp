// SPDX-License-Identifier: Apache-2.0
// Room in a piece of memory, taken as in a ring and given back in any order.
//
// Blocks lie one behind the other and are never split; room comes back from the oldest on, so one that stays
// out for long keeps what was taken after it. A lap ends early where three times as much as is out has room
// before it, so that a large ring that is never full stays in the cache.
// Rejected: a list of free blocks, which falls apart in frames of many sizes. Bound: `blocks_max` blocks.
#pragma once

#include <array>
#include <cstdint>

namespace harness::transports::ofi {

class Ring {
 public:
  static constexpr unsigned blocks_max = 64;
  static constexpr int none = -1;

  explicit Ring(std::uint64_t bytes) noexcept : bytes_(bytes) {}

  /// A block of `bytes`, rounded up to whole cache lines; `none` when there is no room.
  int take(std::uint64_t bytes) noexcept {
    bytes = (bytes + 63) / 64 * 64;
    if (next_ - oldest_ == blocks_max) return none;
    std::uint64_t begin = head_;
    const std::uint64_t free_before = tail_ / bytes_ == begin / bytes_ ? tail_ % bytes_ : 0;
    const bool ends_early = free_before >= 3 * (head_ - tail_) + bytes;
    if (ends_early || begin % bytes_ + bytes > bytes_) begin += bytes_ - begin % bytes_;  // the rest is left
    if (begin + bytes - tail_ > bytes_) return none;
    const auto block = static_cast<unsigned>(next_++ % blocks_max);
    blocks_[block] = {begin, begin + bytes, true};
    head_ = begin + bytes;
    return static_cast<int>(block);
  }
  [[nodiscard]] std::uint64_t offset(unsigned block) const noexcept { return blocks_[block].begin % bytes_; }
  /// The block that begins there; none when no taken one does.
  [[nodiscard]] int at(std::uint64_t offset) const noexcept {
    for (std::uint64_t i = oldest_; i != next_; ++i)
      if (const auto block = static_cast<unsigned>(i % blocks_max);
          blocks_[block].is_out && blocks_[block].begin % bytes_ == offset)
        return static_cast<int>(block);
    return none;
  }
  void give(unsigned block) noexcept {
    blocks_[block].is_out = false;
    while (oldest_ != next_ && !blocks_[oldest_ % blocks_max].is_out)
      tail_ = blocks_[oldest_++ % blocks_max].end;
  }

 private:
  struct Block {
    std::uint64_t begin = 0, end = 0;  // bytes since the first
    bool is_out = false;
  };
  std::uint64_t bytes_;
  std::array<Block, blocks_max> blocks_{};
  std::uint64_t head_ = 0, tail_ = 0;
  std::uint64_t next_ = 0, oldest_ = 0;  // blocks
};

}  // namespace harness::transports::ofi
