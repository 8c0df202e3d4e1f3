// SPDX-License-Identifier: Apache-2.0
// While one lives, every key that libsodium draws comes from a seed: a run is then the same to the byte.
#pragma once

#include <cstdint>

namespace harness::tests {

class SeededKeys {
 public:
  explicit SeededKeys(std::uint64_t seed);
  ~SeededKeys();
  SeededKeys(const SeededKeys&) = delete;
  SeededKeys& operator=(const SeededKeys&) = delete;
};

}  // namespace harness::tests
