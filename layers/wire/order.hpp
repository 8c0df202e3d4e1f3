// SPDX-License-Identifier: Apache-2.0
// The header of `order`: which sequence, and the place in it.
#pragma once

#include <harness/stack/field.hpp>

namespace harness::wire {

struct Order {
  std::uint16_t channel = 0;
  std::uint64_t sequence = 0;
  static constexpr auto fields = std::tuple{
      Field<&Order::channel>{"channel", 16, "the sequence the message belongs to, below 32"},
      Field<&Order::sequence>{"sequence", 48, "1, 2, 3 … in the channel; 0: outside every sequence"}};
};

static_assert(bytes_of<Order> == 8);

}  // namespace harness::wire
