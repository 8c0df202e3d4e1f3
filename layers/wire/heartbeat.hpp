// SPDX-License-Identifier: Apache-2.0
// The header of `heartbeat`: a message from above, or a sign of life.
#pragma once

#include <harness/stack/field.hpp>

namespace harness::wire {

enum class HeartbeatKind : std::uint8_t { message = 0, beat = 1 };

struct Heartbeat {
  HeartbeatKind kind = HeartbeatKind::message;
  static constexpr auto fields = std::tuple{
      Field<&Heartbeat::kind>{"kind", 8, "0: a message follows; 1: a sign of life, nothing follows"}};
};

static_assert(bytes_of<Heartbeat> == 1);

}  // namespace harness::wire
