// SPDX-License-Identifier: Apache-2.0
// Counts what operator new gives out. A program that uses this has its own operator new, which asks malloc:
// sanitizers still see every block. Pools grow by chunks of their own: see Pool::grown_count.
#pragma once

#include <cstdint>

namespace harness::tests {

/// Calls of operator new so far, all threads together. [any-thread]
std::uint64_t allocation_count() noexcept;

}  // namespace harness::tests
