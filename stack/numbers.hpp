// SPDX-License-Identifier: Apache-2.0
// Which numbers of a sliding window have been seen: a floor, below which all were, and a bit for each of the
// `window` numbers from it.
//
// The receiver drops messages that it already has by it, the sender knows by it how far its oldest
// unacknowledged message lies back. In order, a number costs one compare and one add; the bits live in a pool
// slab only while there is a gap, so an idle link has none. Bounds: 32768 numbers, 4 KiB.
#pragma once

#include <array>
#include <cstdint>

#include <harness/stack/pooled.hpp>

namespace harness {

class Numbers {
 public:
  static constexpr std::uint64_t window = 32768;
  enum class Answer : std::uint8_t { fresh, known, beyond, no_memory };

  Numbers() = default;
  Numbers(const Numbers&) = delete;
  Numbers& operator=(const Numbers&) = delete;
  ~Numbers() { clear(); }

  [[nodiscard]] std::uint64_t floor() const noexcept { return floor_; }
  [[nodiscard]] bool has_gap() const noexcept { return bits_ != nullptr; }
  /// The next number in order. Requires: no gap.
  void take_floor() noexcept { ++floor_; }
  [[nodiscard]] bool contains(std::uint64_t number) const noexcept {
    return number < floor_ || (bits_ != nullptr && number - floor_ < window && bit(number));
  }
  /// Notes `number`; only `fresh` changes anything. `quota` may be null. [stack-thread]
  Answer insert(std::uint64_t number, Pool& pool, Quota* quota) noexcept;
  /// Takes over what `other` has seen.
  void take(Numbers& other) noexcept {
    clear();
    floor_ = other.floor_;
    count_ = std::exchange(other.count_, 0);
    bits_ = std::exchange(other.bits_, nullptr);
  }
  void clear() noexcept {
    free_pooled(std::exchange(bits_, nullptr));
    count_ = 0;
  }

 private:
  struct Bits {
    std::array<std::uint64_t, window / 64> words{};
  };
  [[nodiscard]] bool bit(std::uint64_t number) const noexcept {
    return (bits_->words[number % window / 64] >> (number % 64) & 1) != 0;
  }
  void flip(std::uint64_t number) noexcept {
    bits_->words[number % window / 64] ^= std::uint64_t{1} << (number % 64);
  }

  std::uint64_t floor_ = 0;
  std::uint32_t count_ = 0;  // bits set
  Bits* bits_ = nullptr;     // while there is a gap
};

inline Numbers::Answer Numbers::insert(std::uint64_t number, Pool& pool, Quota* quota) noexcept {
  if (contains(number)) return Answer::known;
  if (number - floor_ >= window) return Answer::beyond;
  if (bits_ == nullptr) {
    if (number == floor_) return ++floor_, Answer::fresh;
    bits_ = new_pooled<Bits>(pool, quota);
    if (bits_ == nullptr) return Answer::no_memory;
  }
  flip(number);
  ++count_;
  for (; count_ != 0 && bit(floor_); ++floor_, --count_) flip(floor_);
  if (count_ == 0) clear();
  return Answer::fresh;
}

}  // namespace harness
