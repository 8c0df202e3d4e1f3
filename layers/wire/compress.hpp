// SPDX-License-Identifier: Apache-2.0
// The headers of `compress`: a message as it was, and a compressed one.
#pragma once

#include <harness/stack/field.hpp>

namespace harness::wire {

enum class CompressMethod : std::uint8_t { stored = 0, lz4 = 1, zstd = 2 };

struct CompressStored {
  CompressMethod method = CompressMethod::stored;
  static constexpr auto fields =
      std::tuple{Field<&CompressStored::method>{"method", 8, "0: the message follows as it was"}};
};

struct CompressPacked {
  CompressMethod method = CompressMethod::lz4;
  std::uint32_t original_bytes = 0;
  static constexpr auto fields =
      std::tuple{Field<&CompressPacked::method>{"method", 8, "1: an LZ4 block follows; 2: a Zstandard frame"},
                 Field<&CompressPacked::original_bytes>{"original_bytes", 32,
                                                        "bytes of the message before it was compressed"}};
};

static_assert(bytes_of<CompressStored> == 1 && bytes_of<CompressPacked> == 5);

}  // namespace harness::wire
