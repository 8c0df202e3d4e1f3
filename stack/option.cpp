// SPDX-License-Identifier: Apache-2.0
// Values of options between text and number. Canonical text uses the largest unit that gives a whole number,
// so equal values have equal texts; reading takes whole numbers only, except for rates.
#include <harness/stack/option.hpp>

#include <charconv>
#include <limits>
#include <optional>

#include <harness/stack/text.hpp>

namespace harness {

namespace {

struct Unit {
  std::string_view name;
  std::int64_t factor;
};
constexpr Unit size_units[] = {{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}};
constexpr Unit duration_units[] = {{"s", 1'000'000}, {"ms", 1000}, {"us", 1}};
constexpr std::int64_t ppm_per_percent = 10'000;

std::span<const Unit> units_of(OptionKind kind) {
  if (kind == OptionKind::size) return size_units;
  if (kind == OptionKind::duration) return duration_units;
  return {};
}

/// Takes a whole number off the front; nothing when there is none or it does not fit in 64 bits.
std::optional<std::int64_t> take_number(std::string_view& text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

std::optional<std::int64_t> scaled(std::string_view text, OptionKind kind) {
  const auto value = take_number(text);
  if (!value) return std::nullopt;
  if (text.empty() && (kind == OptionKind::size || *value == 0)) return value;
  for (const Unit& unit : units_of(kind)) {
    if (text != unit.name) continue;
    if (*value > std::numeric_limits<std::int64_t>::max() / unit.factor || *value < 0) return std::nullopt;
    return *value * unit.factor;
  }
  return std::nullopt;
}

/// `12%`, `0.1%`, at most four decimals: whole parts per million.
std::optional<std::int64_t> rate(std::string_view text) {
  if (!text.ends_with('%') || text.starts_with('-')) return std::nullopt;
  text.remove_suffix(1);
  const auto whole = take_number(text);
  if (!whole || *whole > 100) return std::nullopt;
  std::int64_t value = *whole * ppm_per_percent;
  if (text.empty()) return value;
  if (text.front() != '.' || text.size() < 2 || text.size() > 5) return std::nullopt;
  std::int64_t weight = ppm_per_percent;
  for (char digit : text.substr(1)) {
    if (digit < '0' || digit > '9') return std::nullopt;
    value += (digit - '0') * (weight /= 10);
  }
  return value;
}

std::optional<std::int64_t> index_of(std::string_view text, std::span<const std::string_view> words) {
  for (std::size_t i = 0; i < words.size(); ++i)
    if (words[i] == text) return static_cast<std::int64_t>(i);
  return std::nullopt;
}

constexpr std::string_view flag_words[] = {"no", "yes"};

std::optional<std::int64_t> value_of(const OptionSpec& option, std::string_view text) {
  switch (option.kind) {
    case OptionKind::count: {
      const auto value = take_number(text);
      return text.empty() ? value : std::nullopt;
    }
    case OptionKind::size:
    case OptionKind::duration: return scaled(text, option.kind);
    case OptionKind::rate: return rate(text);
    case OptionKind::flag: return index_of(text, flag_words);
    case OptionKind::word: return index_of(text, option.words);
  }
  return std::nullopt;
}

std::string kind_text(const OptionSpec& option) {
  switch (option.kind) {
    case OptionKind::count: return "a whole number";
    case OptionKind::size: return "a size in bytes, KiB, MiB or GiB";
    case OptionKind::duration: return "a time in us, ms or s";
    case OptionKind::rate: return "a rate in %, with at most four decimals";
    case OptionKind::flag: return "yes or no";
    case OptionKind::word: return text::join({"one of ", text::list(option.words)});
  }
  return "a value";
}

std::string with_unit(std::int64_t value, std::span<const Unit> units, std::string_view smallest) {
  for (const Unit& unit : units)
    if (value % unit.factor == 0 && unit.factor != 1 && value != 0)
      return text::join({text::number(value / unit.factor), unit.name});
  return text::join({text::number(value), smallest});
}

std::string rate_text(std::int64_t ppm) {
  std::string text = text::number(ppm / ppm_per_percent);
  std::int64_t rest = ppm % ppm_per_percent;
  if (rest != 0) text.push_back('.');
  for (std::int64_t weight = ppm_per_percent / 10; rest != 0; weight /= 10) {
    text.push_back(static_cast<char>('0' + rest / weight));
    rest %= weight;
  }
  text.push_back('%');
  return text;
}

}  // namespace

std::string print_value(const OptionSpec& option, std::int64_t value) {
  switch (option.kind) {
    case OptionKind::size: return with_unit(value, size_units, "");
    case OptionKind::duration: return with_unit(value, duration_units, value == 0 ? "s" : "us");
    case OptionKind::rate: return rate_text(value);
    case OptionKind::flag: return std::string(flag_words[value != 0 ? 1 : 0]);
    case OptionKind::word: {
      const auto index = static_cast<std::size_t>(value);
      return index < option.words.size() ? std::string(option.words[index]) : text::number(value);
    }
    case OptionKind::count: break;
  }
  return text::number(value);
}

Result<std::int64_t> parse_value(const OptionSpec& option, std::string_view text) {
  const auto value = value_of(option, text);
  const bool ranged = option.kind != OptionKind::flag && option.kind != OptionKind::word;
  std::string bounds;
  if (ranged)
    bounds =
        text::join({" from ", print_value(option, option.low), " to ", print_value(option, option.high)});
  if (!value || (ranged && (*value < option.low || *value > option.high))) {
    return fail(Errc::invalid, text::join({"option ", option.name, " cannot be ", text::quoted(text)}),
                text::join({"it is ", kind_text(option), bounds, ": ", option.doc}),
                text::join({option.name, "=", print_value(option, option.standard)}));
  }
  return *value;
}

}  // namespace harness
