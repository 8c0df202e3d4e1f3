// SPDX-License-Identifier: Apache-2.0
// The header that several checkers share: which message of which channel.
#pragma once

#include <harness/stack/field.hpp>

namespace harness::wire {

struct Numbered {
  std::uint8_t channel = 0;
  std::uint64_t sequence = 0;
  static constexpr auto fields =
      std::tuple{Field<&Numbered::channel>{"channel", 8, "the channel the message was sent on, below 32"},
                 Field<&Numbered::sequence>{"sequence", 56,
                                            "1, 2, 3 … in the channel; 0: control, outside every sequence"}};
};

static_assert(bytes_of<Numbered> == 8);

}  // namespace harness::wire
