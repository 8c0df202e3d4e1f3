// SPDX-License-Identifier: Apache-2.0
// Base32 by a bit buffer, most significant bit first.
#include <harness/kernel/identity/line.hpp>

#include <array>
#include <optional>

#include <fmt/format.h>

#include <harness/kernel/identity/hash.hpp>
#include <harness/stack/text.hpp>

namespace harness::identity {

namespace {

constexpr std::string_view letters = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr std::size_t check_bytes = 4;

constexpr std::array<std::uint8_t, 256> values = [] {
  std::array<std::uint8_t, 256> table{};
  table.fill(255);
  for (std::size_t i = 0; i < letters.size(); ++i) {
    const char letter = letters[i];
    table[static_cast<unsigned char>(letter)] = static_cast<std::uint8_t>(i);
    if (letter >= 'a') table[static_cast<unsigned char>(letter - 'a' + 'A')] = static_cast<std::uint8_t>(i);
  }
  table['i'] = table['I'] = table['l'] = table['L'] = 1;
  table['o'] = table['O'] = 0;
  return table;
}();

// Nothing when a letter is none of ours, or when another text would have the same bytes.
std::optional<std::vector<std::byte>> from_base32(std::string_view text) {
  std::vector<std::byte> bytes;
  bytes.reserve(text.size() * 5 / 8);
  std::uint32_t buffer = 0;
  unsigned bits = 0;
  for (const char letter : text) {
    const std::uint8_t value = values[static_cast<unsigned char>(letter)];
    if (value == 255) return std::nullopt;
    buffer = buffer << 5 | value;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push_back(static_cast<std::byte>(buffer >> bits));
    buffer &= (1u << bits) - 1;
  }
  if (bits >= 5 || buffer != 0) return std::nullopt;
  return bytes;
}

std::string_view trimmed(std::string_view text) noexcept {
  constexpr std::string_view blanks = " \t\r\n";
  const std::size_t from = text.find_first_not_of(blanks);
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(blanks) - from + 1);
}

auto check_of(std::string_view prefix, Bytes bytes) {
  return first_of<check_bytes>(sha256({as_bytes(prefix), bytes}));
}

}  // namespace

std::string base32(Bytes bytes) {
  std::string text;
  text.reserve((bytes.size() * 8 + 4) / 5);
  std::uint32_t buffer = 0;
  unsigned bits = 0;
  for (const std::byte byte : bytes) {
    buffer = buffer << 8 | std::to_integer<std::uint32_t>(byte);
    for (bits += 8; bits >= 5; bits -= 5) text += letters[buffer >> (bits - 5) & 31];
    buffer &= (1u << bits) - 1;
  }
  if (bits != 0) text += letters[buffer << (5 - bits) & 31];
  return text;
}

bool is_line(std::string_view text, std::string_view prefix) noexcept {
  return trimmed(text).starts_with(prefix);
}

std::string write_line(std::string_view prefix, Bytes bytes) {
  std::vector<std::byte> all(bytes.begin(), bytes.end());
  const auto check = check_of(prefix, bytes);
  all.insert(all.end(), check.begin(), check.end());
  return std::string(prefix) + base32(all);
}

Result<std::vector<std::byte>> read_line(std::string_view text, std::string_view prefix,
                                         std::string_view name, std::size_t bytes_max) {
  text = trimmed(text);
  if (!text.starts_with(prefix))
    return fail(Errc::invalid, fmt::format("this is not {}", name),
                fmt::format("it begins with {}, not with {}", text::quoted(text, 24), prefix),
                "copy the whole line");
  text.remove_prefix(prefix.size());
  if (text.size() > ((bytes_max + check_bytes) * 8 + 4) / 5)
    return fail(Errc::invalid, fmt::format("this is not {}", name),
                fmt::format("it has {} letters, more than any of its kind", text.size()),
                "copy that line alone");
  auto bytes = from_base32(text);
  const std::size_t size = bytes ? bytes->size() : 0;
  if (size >= check_bytes) {
    const Bytes body = Bytes(*bytes).first(size - check_bytes);
    if (equal(check_of(prefix, body), Bytes(*bytes).subspan(body.size()))) {
      bytes->resize(body.size());
      return std::move(*bytes);
    }
  }
  return fail(Errc::corrupt, fmt::format("{} was mistyped or cut", name),
              "the letters at its end do not fit those before", "copy the whole line again");
}

}  // namespace harness::identity
