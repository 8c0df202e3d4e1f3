// SPDX-License-Identifier: Apache-2.0
// Seeded pseudo-random numbers (xoshiro256**, seeded by splitmix64): the same on every machine, so that a
// seed replays.
//
// Not for keys. Source: Blackman & Vigna, Scrambled linear pseudorandom number generators, 2018.
#pragma once

#include <bit>
#include <cstdint>

#include <harness/stack/bytes.hpp>

namespace harness {

class Random {
 public:
  explicit Random(std::uint64_t seed) noexcept {
    for (std::uint64_t& word : state_) word = split(seed);
  }

  std::uint64_t next() noexcept {
    const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  /// Uniform in [0, bound); 0 when bound is 0.
  std::uint64_t below(std::uint64_t bound) noexcept {
    return static_cast<std::uint64_t>((static_cast<Uint128>(next()) * bound) >> 64);
  }
  /// Uniform in [low, high].
  std::uint64_t between(std::uint64_t low, std::uint64_t high) noexcept {
    return low + below(high - low + 1);
  }
  /// True with a probability of `parts` per million.
  bool chance_ppm(std::uint64_t parts) noexcept { return parts != 0 && below(1'000'000) < parts; }

 private:
  static std::uint64_t split(std::uint64_t& seed) noexcept {
    std::uint64_t mixed = (seed += 0x9e3779b97f4a7c15u);
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
  }
  std::uint64_t state_[4];
};

}  // namespace harness
