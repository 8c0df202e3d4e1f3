// SPDX-License-Identifier: Apache-2.0
// Small helpers for texts that people read: joining pieces, quoting what a stranger wrote, guessing what was
// meant.
//
// The framework prints without a formatting library; everything here is off the message path.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace harness::text {

/// The pieces one behind the other. [any-thread]
std::string join(std::initializer_list<std::string_view> pieces);
/// The pieces with `separator` between them. [any-thread]
std::string list(std::span<const std::string_view> pieces, std::string_view separator = ", ");
std::string list(std::span<const std::string> pieces, std::string_view separator = ", ");
std::string number(std::int64_t value);

/// `'text'`, made safe to print: at most `bytes_max` bytes of it, everything unprintable as '?'. [any-thread]
std::string quoted(std::string_view text, std::size_t bytes_max = 48);

/// Steps (insert, delete, replace, swap neighbours) from one word to the other, at most `most` + 1: beyond
/// `most` the exact number is not computed. Words longer than 64 bytes count as farther than `most`.
/// [any-thread]
unsigned edit_distance(std::string_view a, std::string_view b, unsigned most) noexcept;

/// The candidate a mistyped `word` most likely means, or an empty view when none is near: at most a third of
/// its letters differ. The first of several equally near ones. [any-thread]
std::string_view closest(std::string_view word, std::span<const std::string_view> candidates) noexcept;

}  // namespace harness::text
