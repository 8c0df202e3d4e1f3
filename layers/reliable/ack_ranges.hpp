// SPDX-License-Identifier: Apache-2.0
// Which packets have arrived, as ranges of numbers, newest first: what an acknowledgement says.
//
// Numbers are never used twice, so the hole of a lost packet stays for ever. A range below the newest one
// therefore leaves after it has been told `told_max` times: a sender that heard none of them sends something
// again that was received, which costs a packet and nothing else (RFC 9000 §13.2.3 and §13.2.4 allow it).
// Bounds: the newest range and 32 more; the oldest leaves first.
#pragma once

#include <array>
#include <cstdint>

namespace harness::layers {

class AckRanges {
 public:
  static constexpr unsigned further_max = 32;
  static constexpr unsigned told_max = 6;
  struct Range {
    std::uint64_t first;
    std::uint64_t last;
    std::uint32_t told;
  };

  [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
  [[nodiscard]] unsigned count() const noexcept { return count_; }
  [[nodiscard]] const Range& operator[](unsigned index) const noexcept { return ranges_[index]; }
  /// 0 while nothing has arrived: packet numbers begin at 1.
  [[nodiscard]] std::uint64_t largest() const noexcept { return count_ != 0 ? ranges_[0].last : 0; }
  /// The number after the largest. Requires: not empty.
  void take_next() noexcept { ++ranges_[0].last; }
  /// Notes a packet; false when it was here already, or is too old to tell.
  bool add(std::uint64_t number) noexcept;
  /// All ranges were put into an acknowledgement.
  void note_told() noexcept;

 private:
  void insert(unsigned at, std::uint64_t number) noexcept;
  void erase(unsigned at) noexcept;

  unsigned count_ = 0;
  std::array<Range, 1 + further_max> ranges_;
};

}  // namespace harness::layers
