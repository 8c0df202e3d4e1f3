// SPDX-License-Identifier: Apache-2.0
// What fuzz targets with models have in common: numbers that are right, nearly right or anything.
#pragma once

#include <cstdlib>

#include <harness/stack/bytes.hpp>

namespace harness::fuzz {

inline void require(bool held) {
  if (!held) std::abort();
}

/// A byte says which: 0 the right one, 1 to 3 next to it, 4 the eight bytes that follow, else itself less 5.
inline std::uint64_t number(Reader& input, std::uint64_t right) {
  const auto how = input.take<std::uint8_t>();
  switch (how) {
    case 0: return right;
    case 1: return right + 1;
    case 2: return right - 1;
    case 3: return 2 * right;
    case 4: return input.take<std::uint64_t>();
    default: return how - 5u;
  }
}

}  // namespace harness::fuzz
