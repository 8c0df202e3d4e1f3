// SPDX-License-Identifier: Apache-2.0
// Numbers as people read them. JSON gets the plain integers instead.
//
// Sizes are binary (KiB), rates decimal (MB/s): memory is bought in the one, links in the other. Three
// significant digits.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace harness::apps {

/// "0 B", "999 B", "1.00 KiB", "16.0 MiB". [any-thread]
std::string human_bytes(std::uint64_t bytes);
/// Bytes a second: "1.23 GB/s"; "–" when no time passed. [any-thread]
std::string human_rate(std::uint64_t bytes, std::uint64_t elapsed_ns);
/// "850 ns", "12.3 µs", "1.50 s", "2 min 5 s". [any-thread]
std::string human_time(std::uint64_t ns);
/// "1 file", "2 files": the number with the word that fits it. [any-thread]
std::string human_count(std::uint64_t count, std::string_view one, std::string_view many);
/// A text from outside for a terminal: control bytes, and what is not UTF-8, as \xNN. [any-thread]
std::string printable(std::string_view text);

}  // namespace harness::apps
