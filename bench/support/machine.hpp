// SPDX-License-Identifier: Apache-2.0
// The machine as a benchmark sees it: its clock, its cores, what it is, and its floor on one core.
#pragma once

#include <cstdint>
#include <limits>
#include <string>

namespace harness::bench {

/// Monotonic ns; about 25 ns a call.
std::uint64_t now_ns() noexcept;
/// Binds the calling thread to a core; false where there is no such core or the system refuses.
bool pin(unsigned core) noexcept;
/// Lets the calling thread run on every core again.
void unpin() noexcept;
unsigned core_count() noexcept;

/// Time to copy 64 KiB within the cache, in ns: how fast this core is now. One-core work is judged by it.
double copy_floor_ns() noexcept;

/// Adds eight numbers `times` times to eight registers, none waiting for another; touches no memory.
void add_in_registers(std::uint64_t times) noexcept;

/// What the core gives, whatever the caches hold: how fast it adds in registers. A virtual processor whose
/// core another guest uses at times shows nothing else of it. One thread.
class Registers {
 public:
  /// Time of one add, in ns; measures for about 1 ms.
  double add_ns() noexcept;
  /// The shortest so far, of an eighth of a measurement.
  [[nodiscard]] double best_ns() const noexcept { return best_ns_; }

 private:
  double best_ns_ = std::numeric_limits<double>::infinity();
};

struct Machine {
  std::string cpu;
  unsigned cores = 0;
  std::string kernel;
  std::string build;  // compiler, optimised or not
  std::string commit;
  std::string date;  // UTC
  double load = 0;   // of the last minute, when asked
};
Machine this_machine();

/// Keeps a value from being optimised away, and the compiler from moving memory accesses across.
template <class T>
inline void keep(T&& value) noexcept {
  asm volatile("" : : "r,m"(value) : "memory");
}

}  // namespace harness::bench
