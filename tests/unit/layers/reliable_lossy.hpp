// SPDX-License-Identifier: Apache-2.0
// The medium under reliable in its tests: packets that are whole, or do not come.
#pragma once

#include <cstdint>
#include <string>

#include <harness/tests/support/pair.hpp>

namespace harness::layers {

inline constexpr std::uint64_t ms = 1'000'000;

inline tests::Medium lossy() {
  tests::Medium medium;
  medium.word = property::message | property::checked16;
  medium.max_message = 1400;
  return medium;
}

inline std::string numbered(unsigned i) { return "message " + std::to_string(i); }

}  // namespace harness::layers
