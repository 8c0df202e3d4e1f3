// SPDX-License-Identifier: Apache-2.0
// Counts the system calls that a region of code makes: a child runs it, stopped by ptrace at every call.
//
// The region is marked by two calls of a number that no system call has; what the child does before and after
// (set-up, warm-up) is not counted. Calls of all its threads count. A call that returned EAGAIN is counted
// apart: a busy-polled socket is asked until it has something, and how often depends on the clock.
// Instructions are counted by single steps of the same child: no counter of the processor, which virtual
// machines hide, and no valgrind.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include <harness/stack/result.hpp>

namespace harness::bench {

struct Calls {
  std::uint64_t done = 0;
  std::uint64_t again = 0;  // returned EAGAIN
};

struct Trace {
  std::map<std::string, Calls> by_name;
  [[nodiscard]] std::uint64_t done() const;
  [[nodiscard]] std::uint64_t again() const;
  /// "sendto 1000, recvfrom 1000 (+ 51234 again)".
  [[nodiscard]] std::string text() const;
};

/// In the traced child: everything between these two counts.
void begin_region() noexcept;
void end_region() noexcept;

/// Runs `child` in a forked process and counts. Errors: denied (no ptrace here), io.
Result<Trace> trace(const std::function<void()>& child);

/// The instructions between begin_region and end_region in one thread, by single steps: exact and the same in
/// every run, so costs that must be equal are compared by it. Some 3 µs an instruction. Errors: as trace.
Result<std::uint64_t> count_instructions(const std::function<void()>& child);

}  // namespace harness::bench
