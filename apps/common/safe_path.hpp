// SPDX-License-Identifier: Apache-2.0
// Paths that a peer names: relative, inside the folder that receives, and never one of our own partial files.
//
// A path is checked as text here and walked without following symbolic links by TreeWriter. A symbolic link
// may be kept only when its target starts with as many `..` as stay inside and has none after a name: then,
// since every link of the tree obeys the same rule, following any chain of them stays inside (a `..` behind a
// link would climb from wherever that link leads). Bounds: path_bytes_max, name_bytes_max.
#pragma once

#include <string_view>
#include <vector>

#include <harness/stack/result.hpp>

namespace harness::apps {

inline constexpr std::size_t path_bytes_max = 4000;
inline constexpr std::size_t path_name_bytes_max = 255;
/// Files being received are called this and a number, beside their final name.
inline constexpr std::string_view partial_prefix = ".harness-partial-";

/// The names of a relative path, or why it is refused (denied): empty, absolute, `.`, `..`, an empty or
/// overlong name, a NUL, a partial file's name. [any-thread]
Result<std::vector<std::string_view>> safe_names(std::string_view path);

/// Whether a symbolic link at `path` (already safe) may point to `target`. Errors: denied. [any-thread]
Result<> safe_link(std::string_view path, std::string_view target);

}  // namespace harness::apps
