// SPDX-License-Identifier: Apache-2.0
// Inserting, joining and forgetting ranges.
#include <harness/layers/reliable/ack_ranges.hpp>

#include <algorithm>

namespace harness::layers {

bool AckRanges::add(std::uint64_t number) noexcept {
  unsigned at = 0;
  while (at < count_ && number + 1 < ranges_[at].first) ++at;
  if (at == count_ || number > ranges_[at].last + 1) {
    if (at == ranges_.size()) return false;
    insert(at, number);
    return true;
  }
  Range& range = ranges_[at];
  if (number >= range.first && number <= range.last) return false;
  range.told = 0;
  if (number == range.last + 1) {
    range.last = number;  // the range above ends at number + 2 or later, or `at` would be that one
    return true;
  }
  range.first = number;
  if (at + 1 < count_ && ranges_[at + 1].last + 1 == number) {
    range.first = ranges_[at + 1].first;
    erase(at + 1);
  }
  return true;
}

void AckRanges::insert(unsigned at, std::uint64_t number) noexcept {
  if (count_ == ranges_.size()) --count_;
  std::copy_backward(ranges_.begin() + at, ranges_.begin() + count_, ranges_.begin() + count_ + 1);
  ranges_[at] = {number, number, 0};
  ++count_;
}

void AckRanges::erase(unsigned at) noexcept {
  std::copy(ranges_.begin() + at + 1, ranges_.begin() + count_, ranges_.begin() + at);
  --count_;
}

void AckRanges::note_told() noexcept {
  for (unsigned at = 1; at < count_; ++at) ++ranges_[at].told;
  while (count_ > 1 && ranges_[count_ - 1].told >= told_max) --count_;
}

}  // namespace harness::layers
