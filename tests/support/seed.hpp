// SPDX-License-Identifier: Apache-2.0
// The seed of a random test: taken from HARNESS_SEED when set, so that a failure is replayed, otherwise the
// default the test names (a run that nobody asked to vary must be the same everywhere). The seed is printed
// by GoogleTest with every failure inside the scope of the returned trace.
#pragma once

#include <cstdint>

namespace harness::tests {

// Returns HARNESS_SEED (decimal, or hexadecimal after 0x) when the variable is set, `otherwise` when not.
// A value that is no number ends the program with an error: a replay must never silently run another seed.
std::uint64_t seed(std::uint64_t otherwise);

// How many of `all` random cases a run looks at: every one, or, under a sanitizer, which takes several times
// as long for each, a quarter. It looks for damage that any case does, not for the rare ones.
std::uint64_t rounds(std::uint64_t all);

}  // namespace harness::tests
