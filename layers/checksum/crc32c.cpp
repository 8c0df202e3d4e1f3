// SPDX-License-Identifier: Apache-2.0
// Tables at compile time, the instruction behind a target attribute.
#include <harness/layers/checksum/crc32c.hpp>

#include <array>

namespace harness::layers::crc32c {

namespace {

using Table = std::array<std::uint32_t, 256>;

constexpr std::uint32_t polynomial = 0x82f63b78;  // 0x1edc6f41, bits reversed

// tables[k][b]: the crc of byte b with k zero bytes behind it.
constexpr std::array<Table, 8> make_tables() {
  std::array<Table, 8> tables{};
  for (std::uint32_t b = 0; b < 256; ++b) {
    std::uint32_t crc = b;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? polynomial : 0);
    tables[0][b] = crc;
  }
  for (std::size_t k = 1; k < 8; ++k)
    for (std::size_t b = 0; b < 256; ++b)
      tables[k][b] = (tables[k - 1][b] >> 8) ^ tables[0][tables[k - 1][b] & 0xff];
  return tables;
}
constexpr std::array<Table, 8> tables = make_tables();

// The linear map "append `bytes` zero bytes", by the four bytes of the crc.
using Shift = std::array<Table, 4>;
constexpr Shift make_shift(std::size_t bytes) {
  std::array<std::uint32_t, 32> image{};
  for (std::size_t bit = 0; bit < 32; ++bit) {
    std::uint32_t crc = std::uint32_t{1} << bit;
    for (std::size_t i = 0; i < bytes; ++i) crc = (crc >> 8) ^ tables[0][crc & 0xff];
    image[bit] = crc;
  }
  Shift shift{};
  for (std::size_t part = 0; part < 4; ++part)
    for (std::size_t value = 0; value < 256; ++value)
      for (std::size_t bit = 0; bit < 8; ++bit)
        if ((value >> bit & 1) != 0) shift[part][value] ^= image[part * 8 + bit];
  return shift;
}
constexpr std::size_t short_lane_bytes = 128;
constexpr std::size_t long_lane_bytes = 1024;
constexpr Shift short_shift = make_shift(short_lane_bytes);
constexpr Shift long_shift = make_shift(long_lane_bytes);

constexpr std::uint32_t apply(const Shift& shift, std::uint32_t crc) {
  return shift[0][crc & 0xff] ^ shift[1][crc >> 8 & 0xff] ^ shift[2][crc >> 16 & 0xff] ^ shift[3][crc >> 24];
}

}  // namespace

std::uint32_t by_table(std::uint32_t crc, Bytes bytes) noexcept {
  crc = ~crc;
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; left -= 8, at += 8) {
    const std::uint64_t word = load<std::uint64_t>(at) ^ crc;
    crc = 0;
    for (std::size_t k = 0; k < 8; ++k) crc ^= tables[7 - k][word >> (8 * k) & 0xff];
  }
  for (; left != 0; --left, ++at)
    crc = (crc >> 8) ^ tables[0][(crc ^ static_cast<std::uint32_t>(*at)) & 0xff];
  return ~crc;
}

// tidy: allow ifdef: an instruction exists on one architecture, and the table serves every other
#if defined(__x86_64__)

namespace {

// Three lanes of `lane` bytes each, as long as there are three.
template <std::size_t lane>
__attribute__((target("sse4.2"))) std::uint64_t three_lanes(std::uint64_t crc, const Shift& shift,
                                                            const std::byte*& at, std::size_t& left) {
  for (; left >= 3 * lane; left -= 3 * lane, at += 3 * lane) {
    std::uint64_t second = 0;
    std::uint64_t third = 0;
    for (std::size_t i = 0; i < lane; i += 8) {
      crc = __builtin_ia32_crc32di(crc, load<std::uint64_t>(at + i));
      second = __builtin_ia32_crc32di(second, load<std::uint64_t>(at + lane + i));
      third = __builtin_ia32_crc32di(third, load<std::uint64_t>(at + 2 * lane + i));
    }
    crc = apply(shift, static_cast<std::uint32_t>(crc)) ^ second;
    crc = apply(shift, static_cast<std::uint32_t>(crc)) ^ third;
  }
  return crc;
}

}  // namespace

__attribute__((target("sse4.2"))) std::uint32_t by_instruction(std::uint32_t start, Bytes bytes) noexcept {
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint64_t crc = ~start;
  crc = three_lanes<long_lane_bytes>(crc, long_shift, at, left);
  crc = three_lanes<short_lane_bytes>(crc, short_shift, at, left);
  for (; left >= 8; left -= 8, at += 8) crc = __builtin_ia32_crc32di(crc, load<std::uint64_t>(at));
  auto word = static_cast<std::uint32_t>(crc);
  for (; left != 0; --left, ++at) word = __builtin_ia32_crc32qi(word, static_cast<unsigned char>(*at));
  return ~word;
}

bool has_instruction() noexcept { return __builtin_cpu_supports("sse4.2") != 0; }

// tidy: allow ifdef: see above
#else

std::uint32_t by_instruction(std::uint32_t crc, Bytes bytes) noexcept { return by_table(crc, bytes); }
bool has_instruction() noexcept { return false; }

#endif

std::uint32_t extend(std::uint32_t crc, Bytes bytes) noexcept {
  return has_instruction() ? by_instruction(crc, bytes) : by_table(crc, bytes);
}

}  // namespace harness::layers::crc32c
