// SPDX-License-Identifier: Apache-2.0
// See seed.hpp.
#include <harness/tests/support/seed.hpp>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace harness::tests {

std::uint64_t seed(std::uint64_t otherwise) {
  const char* set = std::getenv("HARNESS_SEED");
  if (set == nullptr || *set == '\0') return otherwise;
  std::string_view text = set;
  const bool hex = text.starts_with("0x");
  if (hex) text.remove_prefix(2);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, hex ? 16 : 10);
  if (error == std::errc{} && end == text.data() + text.size()) return value;
  std::fprintf(stderr,
               "error: HARNESS_SEED is '%s'\nbecause: a seed is a number from 0 to 2^64-1, decimal or 0x…\n"
               "try: HARNESS_SEED=42 ctest --preset dev\n",
               set);
  std::exit(2);
}

std::uint64_t rounds(std::uint64_t all) {
  const std::string_view sanitizer = HARNESS_SANITIZER;
  return sanitizer.empty() ? all : all / 4;
}

}  // namespace harness::tests
