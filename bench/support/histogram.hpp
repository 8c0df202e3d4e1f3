// SPDX-License-Identifier: Apache-2.0
// A latency histogram in fixed memory: 64 steps an octave, so a value is known to 1.6 %, from 1 to 2^40 ns.
//
// Recording is a shift and an increment and never allocates, so it may stand in the measured loop.
// Source: the bucket layout of HdrHistogram (Tene). Rejected: keeping samples (memory grows while measuring).
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace harness::bench {

class Histogram {
 public:
  static constexpr unsigned step_bits = 6;
  static constexpr unsigned octaves = 40;

  void record(std::uint64_t value) noexcept {
    ++counts_[index_of(value)];
    ++total_;
    largest_ = std::max(largest_, value);
  }
  void add(const Histogram& other) noexcept {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
    total_ += other.total_;
    largest_ = std::max(largest_, other.largest_);
  }
  void clear() noexcept { *this = {}; }

  /// The value that `fraction` (0 … 1) of all records do not exceed; 0 when there are none.
  [[nodiscard]] double percentile(double fraction) const noexcept {
    if (total_ == 0) return 0;
    const auto wanted = static_cast<std::uint64_t>(fraction * static_cast<double>(total_ - 1));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i)
      if ((seen += counts_[i]) > wanted) return middle_of(i);
    return static_cast<double>(largest_);
  }
  [[nodiscard]] std::uint64_t total() const noexcept { return total_; }
  [[nodiscard]] std::uint64_t largest() const noexcept { return largest_; }

 private:
  static constexpr std::uint64_t steps = 1u << step_bits;

  // Values below `steps` have a bucket each; above, an octave is cut into `steps` equal parts.
  static std::size_t index_of(std::uint64_t value) noexcept {
    if (value < steps) return static_cast<std::size_t>(value);
    const unsigned octave = static_cast<unsigned>(std::bit_width(value)) - step_bits - 1;
    if (octave >= octaves - 1) return octaves * steps - 1;
    return (octave + 1) * steps + static_cast<std::size_t>((value >> octave) - steps);
  }
  static double middle_of(std::size_t index) noexcept {
    if (index < steps) return static_cast<double>(index);
    const auto octave = static_cast<unsigned>(index / steps - 1);
    const std::uint64_t low = (steps + index % steps) << octave;
    return static_cast<double>(low) + static_cast<double>((std::uint64_t{1} << octave) - 1) / 2;
  }

  std::array<std::uint64_t, octaves * steps> counts_{};
  std::uint64_t total_ = 0;
  std::uint64_t largest_ = 0;
};

}  // namespace harness::bench
