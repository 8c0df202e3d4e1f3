// SPDX-License-Identifier: Apache-2.0
// Counts what a region of this program asks of the heap and of locks, by standing in front of the C library:
// malloc and its relatives (operator new comes through them), pthread mutexes, rwlocks and spin locks.
// A program that calls these functions gets the interposed ones (counted.cpp); others are left alone.
#pragma once

#include <cstdint>

namespace harness::bench {

struct Asked {
  std::uint64_t allocations = 0;
  std::uint64_t frees = 0;
  std::uint64_t locks = 0;
};

/// What all threads asked for since the program began.
Asked asked_so_far() noexcept;

/// What `work` asks for.
template <class Work>
Asked asked_by(Work&& work) {
  const Asked before = asked_so_far();
  work();
  const Asked after = asked_so_far();
  return {after.allocations - before.allocations, after.frees - before.frees, after.locks - before.locks};
}

}  // namespace harness::bench
