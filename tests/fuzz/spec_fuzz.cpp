// SPDX-License-Identifier: Apache-2.0
// Any bytes as a stack text: read or refused in three parts, and what was read prints and reads back as
// itself.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include <harness/stack/spec.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace harness;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto spec = parse_spec(text);
  if (!spec) {
    const Error& error = spec.error();
    if (error.what.empty() || error.because.empty() || error.advice.empty() || error.text().size() > 1024)
      std::abort();
    return 0;
  }
  const auto again = parse_spec(print(*spec));
  if (print(*spec).size() <= spec_text_bytes_max && (!again || *again != *spec)) std::abort();
  return 0;
}
