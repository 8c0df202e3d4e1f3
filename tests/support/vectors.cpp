// SPDX-License-Identifier: Apache-2.0
// See vectors.hpp.
#include <harness/tests/support/vectors.hpp>

#include <cstdlib>
#include <fstream>

namespace harness::tests {

std::optional<nlohmann::json> vectors(const std::string& name) {
  const char* const folder = std::getenv("HARNESS_VECTORS_DIR");
  const std::string where =
      folder != nullptr ? std::string(folder) : std::string(HARNESS_SOURCE_DIR) + "/../shared/vectors";
  for (const std::string& at : {where, std::string(HARNESS_SOURCE_DIR) + "/../../shared/vectors"}) {
    std::ifstream file(at + "/" + name);
    if (file) return nlohmann::json::parse(file);
    if (folder != nullptr) break;
  }
  return {};
}

std::vector<std::byte> unhex(std::string_view digits) {
  const auto value = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
    bytes.push_back(static_cast<std::byte>(value(digits[i]) * 16 + value(digits[i + 1])));
  return bytes;
}

std::string hex(Bytes bytes) {
  constexpr const char* digits = "0123456789abcdef";
  std::string text;
  for (const std::byte byte : bytes)
    (text += digits[static_cast<unsigned>(byte) >> 4]) += digits[static_cast<unsigned>(byte) & 15];
  return text;
}

}  // namespace harness::tests
