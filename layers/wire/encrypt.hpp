// SPDX-License-Identifier: Apache-2.0
// The header of `encrypt`: which key and which record, in clear, and the tag over both and all that follows.
//
// The tag stands before the text, not behind it, so that a message is sealed where it lies: it has room
// before it, never behind it. The first 8 bytes are what the AEAD covers beside the text, and its nonce's
// number.
#pragma once

#include <harness/stack/field.hpp>

namespace harness::wire {

inline constexpr unsigned encrypt_epoch_bits = 8;

struct Encrypt {
  std::uint8_t epoch = 0;
  std::uint64_t number = 0;
  static constexpr auto fields = std::tuple{
      Field<&Encrypt::epoch>{"epoch", encrypt_epoch_bits,
                             "how often the key of this direction was renewed, its low 8 bits"},
      Field<&Encrypt::number>{"number", 56, "records of this direction before, through all epochs"}};
};

inline constexpr std::uint32_t encrypt_tag_bytes = 16;
inline constexpr std::uint32_t encrypt_bytes = bytes_of<Encrypt> + encrypt_tag_bytes;

/// The whole header for tables; the tag is bytes, not a number, and goes through no codec.
inline constexpr std::array encrypt_fields{
    info_of<Encrypt>[0], info_of<Encrypt>[1], FieldInfo{"tag_0", 64, "the AEAD's tag, its first 8 bytes"},
    FieldInfo{"tag_8", 64, "its last 8 bytes; behind them all is encrypted"}};

static_assert(bytes_of<Encrypt> == 8 && encrypt_bytes == 24);

}  // namespace harness::wire
