// SPDX-License-Identifier: Apache-2.0
// Headers as one constexpr field table: codec, documentation table and Wireshark dissector come from it.
//
// A header is a plain struct with `static constexpr auto fields = std::tuple{Field<&H::x>{"x", bits, "doc"},
// …}`. Fields lie one behind the other, least significant bit first, little endian; the whole header is a
// number of bytes. encode/decode unfold at compile time to loads, shifts and stores. A layer with several
// forms of header gives each a `tag`: the value of its first field.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <tuple>
#include <type_traits>

#include <harness/stack/bytes.hpp>

namespace harness {

/// One field without its type: what documentation and dissectors need.
struct FieldInfo {
  std::string_view name;
  std::uint8_t bits;
  std::string_view doc;
};

/// One form of a header: its name, fields and, when a layer has several forms, the value of the first field
/// (else -1).
struct HeaderInfo {
  std::string_view name;
  std::span<const FieldInfo> fields;
  int tag = -1;
};

/// A field of struct H bound to its member.
template <auto Member>
struct Field {
  std::string_view name;
  std::uint8_t bits;
  std::string_view doc;
};

namespace wire {

template <class H>
constexpr std::size_t header_bits() {
  return std::apply([](const auto&... field) { return (std::size_t{0} + ... + field.bits); }, H::fields);
}

/// Bytes of header H on the wire.
template <class H>
inline constexpr std::size_t bytes_of = (header_bits<H>() + 7) / 8;

/// The number a header is read and written through: no 128-bit arithmetic where 64 bits do.
template <class H>
using WordOf = std::conditional_t<(bytes_of<H> <= 8), std::uint64_t, Uint128>;

/// The table of H for HeaderInfo.
template <class H>
inline constexpr auto info_of = std::apply(
    [](const auto&... field) {
      return std::array<FieldInfo, sizeof...(field)>{FieldInfo{field.name, field.bits, field.doc}...};
    },
    H::fields);

/// Writes `header` to `to`, which has room for bytes_of<H>. Bits of a value above its field's width are cut
/// off.
template <class H>
constexpr void encode(const H& header, std::byte* to) noexcept {
  WordOf<H> word = 0;
  static_assert(header_bits<H>() <= 128, "split headers of more than 16 bytes");
  unsigned at = 0;
  std::apply(
      [&]<auto... Member>(const Field<Member>&... field) {
        ((word |= static_cast<WordOf<H>>(
                      static_cast<std::uint64_t>(header.*Member) &
                      (field.bits >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << field.bits) - 1))
                  << at,
          at += field.bits),
         ...);
      },
      H::fields);
  std::memcpy(to, &word, bytes_of<H>);
}

/// Reads H from `from`, which has bytes_of<H> bytes. Every bit pattern decodes; meaning is the caller's to
/// check.
template <class H>
constexpr H decode(const std::byte* from) noexcept {
  WordOf<H> word = 0;
  std::memcpy(&word, from, bytes_of<H>);
  H header{};
  unsigned at = 0;
  std::apply(
      [&]<auto... Member>(const Field<Member>&... field) {
        ((header.*Member = static_cast<std::remove_reference_t<decltype(header.*Member)>>(
              static_cast<std::uint64_t>(word >> at) &
              (field.bits >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << field.bits) - 1)),
          at += field.bits),
         ...);
      },
      H::fields);
  return header;
}

}  // namespace wire
}  // namespace harness
