// SPDX-License-Identifier: Apache-2.0
// Options of layers and transports: typed, bounded and documented in one constexpr table.
//
// Every option is a 64-bit integer inside: a count, a size in bytes, a time in microseconds, a rate in parts
// per million, yes/no, or the index of a word. The table gives name, kind, bounds, default and one sentence;
// the spec parser, `--help`, the docs table and the layer's constructor all read the same table.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <harness/stack/result.hpp>

namespace harness {

enum class OptionKind : std::uint8_t {
  count,     // 42
  size,      // 64KiB, 1500 (bytes)
  duration,  // 200us, 5ms, 1s (stored in microseconds)
  rate,      // 2%, 0.1% (stored in parts per million)
  flag,      // yes / no
  word,      // one of `words`, stored as its index
};

struct OptionSpec {
  std::string_view name;
  OptionKind kind;
  std::int64_t low;
  std::int64_t high;
  std::int64_t standard;  // the default
  std::string_view doc;   // one sentence
  std::span<const std::string_view> words = {};
};

/// Reads one value as written in a spec: whole numbers with a unit, rates with up to four decimals. Error
/// invalid: what the option is, its bounds and its default. [any-thread]
Result<std::int64_t> parse_value(const OptionSpec& option, std::string_view text);
/// The canonical text of a value: the largest unit that gives a whole number; reading it gives the same
/// value. [any-thread]
std::string print_value(const OptionSpec& option, std::int64_t value);

/// Values of one layer's or transport's options, in the order of its table; made by `resolve`
/// (stack/spec.hpp).
class OptionValues {
 public:
  OptionValues() = default;
  explicit OptionValues(std::span<const OptionSpec> table) {
    values_.reserve(table.size());
    for (const OptionSpec& option : table) values_.push_back(option.standard);
  }
  /// Requires: index < the table's size.
  [[nodiscard]] std::int64_t operator[](std::size_t index) const noexcept { return values_[index]; }
  void set(std::size_t index, std::int64_t value) noexcept { values_[index] = value; }
  [[nodiscard]] std::size_t size() const noexcept { return values_.size(); }
  friend bool operator==(const OptionValues&, const OptionValues&) = default;

 private:
  std::vector<std::int64_t> values_;
};

}  // namespace harness
