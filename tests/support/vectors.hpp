// SPDX-License-Identifier: Apache-2.0
// Public test vectors, which are not part of the project: found through HARNESS_VECTORS_DIR, by default
// ../shared/vectors beside the source tree. A test without them says so and is skipped.
//
//   const auto vectors = tests::vectors("wycheproof/wycheproof_hkdf_sha256.json");
//   if (!vectors) GTEST_SKIP() << tests::no_vectors;
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include <harness/stack/bytes.hpp>

namespace harness::tests {

inline constexpr const char* no_vectors =
    "the public vectors are absent: put them beside the tree in ../shared/vectors, or name their folder by "
    "HARNESS_VECTORS_DIR";

/// The JSON file of that name below the folder of vectors; nothing when it is not there.
std::optional<nlohmann::json> vectors(const std::string& name);

/// Bytes written as hexadecimal digits.
std::vector<std::byte> unhex(std::string_view digits);
std::string hex(Bytes bytes);

/// The first 32 bytes of such a text, as a key or nonce.
template <class Array>
Array unhex_to(std::string_view digits) {
  Array array{};
  const std::vector<std::byte> bytes = unhex(digits);
  std::copy_n(bytes.begin(), std::min(bytes.size(), array.size()), array.begin());
  return array;
}

}  // namespace harness::tests
