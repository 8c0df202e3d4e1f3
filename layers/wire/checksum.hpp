// SPDX-License-Identifier: Apache-2.0
// The header of `checksum`.
#pragma once

#include <harness/stack/field.hpp>

namespace harness::wire {

struct Checksum {
  std::uint32_t crc = 0;
  static constexpr auto fields = std::tuple{
      Field<&Checksum::crc>{"crc", 32, "CRC32C of the length of what follows (32 bits) and of what follows"}};
};

static_assert(bytes_of<Checksum> == 4);

}  // namespace harness::wire
