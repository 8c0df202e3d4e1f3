// SPDX-License-Identifier: Apache-2.0
// The header of `check_integrity`.
#pragma once

#include <harness/stack/field.hpp>

namespace harness::wire {

struct CheckIntegrity {
  std::uint64_t digest = 0;
  static constexpr auto fields = std::tuple{Field<&CheckIntegrity::digest>{
      "digest", 64, "of what follows and its length, see layers/check/check_integrity.cpp"}};
};

static_assert(bytes_of<CheckIntegrity> == 8);

}  // namespace harness::wire
