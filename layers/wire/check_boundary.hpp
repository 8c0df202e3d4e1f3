// SPDX-License-Identifier: Apache-2.0
// The header of `check_boundary`: how long the message behind it was.
#pragma once

#include <harness/stack/field.hpp>

namespace harness::wire {

struct CheckBoundary {
  std::uint32_t bytes = 0;
  static constexpr auto fields =
      std::tuple{Field<&CheckBoundary::bytes>{"bytes", 32, "bytes that followed when it was sent"}};
};

static_assert(bytes_of<CheckBoundary> == 4);

}  // namespace harness::wire
