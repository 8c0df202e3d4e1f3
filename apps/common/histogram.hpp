// SPDX-License-Identifier: Apache-2.0
// A latency histogram in constant memory: 32 steps per power of two, so a percentile is at most 3 % too
// large.
//
// Rejected: keeping every sample (unbounded), a fixed list of bounds (wrong for one of loop and tcp). The
// idea is that of HdrHistogram (Tene).
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace harness::apps {

class Histogram {
 public:
  void add(std::uint64_t value) noexcept {
    ++counts_[slot(value)];
    ++count_;
    sum_ += value;
    if (value > max_) max_ = value;
    if (value < min_) min_ = value;
  }
  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  [[nodiscard]] std::uint64_t min() const noexcept { return count_ == 0 ? 0 : min_; }
  [[nodiscard]] std::uint64_t max() const noexcept { return max_; }
  [[nodiscard]] std::uint64_t mean() const noexcept { return count_ == 0 ? 0 : sum_ / count_; }

  /// The smallest value that `part` (0 … 1) of the samples do not exceed, rounded up by at most 3 %; 0
  /// without samples.
  [[nodiscard]] std::uint64_t percentile(double part) const noexcept {
    if (count_ == 0) return 0;
    auto wanted = static_cast<std::uint64_t>(part * static_cast<double>(count_) + 0.999999);
    if (wanted == 0) wanted = 1;
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen >= wanted) return upper(i) < max_ ? upper(i) : max_;
    }
    return max_;
  }

 private:
  static constexpr unsigned step_bits = 5;
  static constexpr std::uint64_t steps = 1u << step_bits;

  static constexpr std::size_t slot(std::uint64_t value) noexcept {
    if (value < steps) return value;
    const auto power = static_cast<unsigned>(std::bit_width(value)) - 1 - step_bits;
    return static_cast<std::size_t>((std::uint64_t{power} + 1) * steps + ((value >> power) - steps));
  }
  static constexpr std::uint64_t upper(std::size_t slot) noexcept {
    if (slot < steps) return slot;
    const std::uint64_t power = slot / steps - 1;
    return ((slot % steps + steps + 1) << power) - 1;
  }

  std::array<std::uint64_t, (64 - step_bits + 1) * steps> counts_{};
  std::uint64_t count_ = 0;
  std::uint64_t sum_ = 0;
  std::uint64_t min_ = ~std::uint64_t{0};
  std::uint64_t max_ = 0;
};

}  // namespace harness::apps
