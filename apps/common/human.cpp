// SPDX-License-Identifier: Apache-2.0
// Numbers as people read them.
#include <harness/apps/common/human.hpp>

#include <array>
#include <span>

#include <fmt/format.h>

namespace harness::apps {

namespace {

// Three significant digits; 999.6 is "1000" of the smaller unit nowhere, because callers pick the unit after
// rounding.
std::string three_digits(double value) {
  if (value < 9.995) return fmt::format("{:.2f}", value);
  if (value < 99.95) return fmt::format("{:.1f}", value);
  return fmt::format("{:.0f}", value);
}

std::string scaled(double value, double step, std::span<const std::string_view> units) {
  std::size_t unit = 0;
  while (unit + 1 < units.size() && value >= step * 0.9995) {
    value /= step;
    ++unit;
  }
  return fmt::format("{} {}", three_digits(value), units[unit]);
}

// Bytes of the UTF-8 sequence at the front, 0 when there is none. Source: RFC 3629 §4.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto tail = [&](std::size_t i) { return i < text.size() && (byte(i) & 0xc0) == 0x80; };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return tail(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    if (!tail(1) || !tail(2)) return 0;
    return (first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f) ? 0 : 3;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    if (!tail(1) || !tail(2) || !tail(3)) return 0;
    return (first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f) ? 0 : 4;
  }
  return 0;
}

// C1 controls (U+0080 … U+009F) move a terminal's cursor as well as the C0 ones do.
bool is_control(std::string_view sequence) {
  const auto first = static_cast<unsigned char>(sequence[0]);
  if (sequence.size() == 1) return first < 0x20 || first == 0x7f;
  return first == 0xc2 && static_cast<unsigned char>(sequence[1]) < 0xa0;
}

}  // namespace

std::string human_bytes(std::uint64_t bytes) {
  static constexpr std::array<std::string_view, 6> units = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  if (bytes < 1000) return fmt::format("{} B", bytes);
  return scaled(static_cast<double>(bytes) / 1024, 1024, std::span(units).subspan(1));
}

std::string human_rate(std::uint64_t bytes, std::uint64_t elapsed_ns) {
  static constexpr std::array<std::string_view, 4> units = {"kB/s", "MB/s", "GB/s", "TB/s"};
  if (elapsed_ns == 0) return "–";
  return scaled(static_cast<double>(bytes) * 1e6 / static_cast<double>(elapsed_ns), 1000, units);
}

std::string human_time(std::uint64_t ns) {
  static constexpr std::array<std::string_view, 4> units = {"ns", "µs", "ms", "s"};
  if (ns < 1000) return fmt::format("{} ns", ns);
  const std::uint64_t seconds = (ns + 500'000'000) / 1'000'000'000;
  if (ns < 99'950'000'000) return scaled(static_cast<double>(ns) / 1000, 1000, std::span(units).subspan(1));
  if (seconds < 3600) return fmt::format("{} min {} s", seconds / 60, seconds % 60);
  return fmt::format("{} h {} min", seconds / 3600, seconds / 60 % 60);
}

std::string human_count(std::uint64_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0 || is_control(text.substr(0, length))) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[0]));
      text.remove_prefix(1);
    } else {
      out += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
  return out;
}

}  // namespace harness::apps
