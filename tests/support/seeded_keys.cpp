// SPDX-License-Identifier: Apache-2.0
// See seeded_keys.hpp. libsodium takes a table of functions without a place for state: hence the one Random.
#include <harness/tests/support/seeded_keys.hpp>

#include <algorithm>
#include <cstring>

#include <sodium/randombytes.h>
#include <sodium/randombytes_sysrandom.h>

#include <harness/stack/random.hpp>

namespace harness::tests {

namespace {

Random& source() {
  static Random random(1);
  return random;
}

void fill(void* to, std::size_t bytes) {
  for (std::size_t at = 0; at < bytes; at += sizeof(std::uint64_t)) {
    const std::uint64_t drawn = source().next();
    std::memcpy(static_cast<char*>(to) + at, &drawn, std::min(sizeof drawn, bytes - at));
  }
}

randombytes_implementation seeded{[] { return "seeded"; },
                                  [] { return static_cast<std::uint32_t>(source().next()); },
                                  [] {},
                                  nullptr,
                                  &fill,
                                  [] { return 0; }};

}  // namespace

SeededKeys::SeededKeys(std::uint64_t seed) {
  source() = Random(seed);
  randombytes_set_implementation(&seeded);
}

SeededKeys::~SeededKeys() { randombytes_set_implementation(&randombytes_sysrandom_implementation); }

}  // namespace harness::tests
