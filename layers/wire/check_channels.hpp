// SPDX-License-Identifier: Apache-2.0
// The header of `check_channels`: the channel that was asked for.
#pragma once

#include <harness/stack/field.hpp>

namespace harness::wire {

struct CheckChannels {
  std::uint8_t channel = 0;
  bool control = false;
  static constexpr auto fields = std::tuple{
      Field<&CheckChannels::channel>{"channel", 7, "the channel the message was sent on, below 32"},
      Field<&CheckChannels::control>{"control", 1, "1: of a layer above, which no pause holds up"}};
};

static_assert(bytes_of<CheckChannels> == 1);

}  // namespace harness::wire
