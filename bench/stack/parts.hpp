// SPDX-License-Identifier: Apache-2.0
// The parts of bench/stack; each shows its figures with their targets.
#pragma once

#include <harness/bench/support/machine.hpp>
#include <harness/bench/support/program.hpp>

namespace harness::bench {

/// 5 active hooks one way in stacks of 8 and 16 layers: the linked form by the fused one.
void linked_against_fused(Program& program);
/// What a layer without a hook, and one with one more, adds to a linked stack.
void absent_and_further_hooks(Program& program);
/// Instructions a message: exact, so what must be equal is compared by them.
void instructions(Program& program);
/// Link::send to on_message through `order / frag @ loop`, 64 bytes.
void order_frag_over_loop(Program& program);
/// What layer `encrypt` adds to each engine: time at 64 bytes, speed from 1 KiB.
void encrypt_against_raw(Program& program);
/// Deriving a stack over all transports of the catalogue, for the needs that take longest.
void compose_time(Program& program);

// Short, and many of them: on a busy machine most slices are then undisturbed, and neighbours in time saw the
// same machine.
inline constexpr std::uint64_t slice_ns = 300'000;
inline constexpr unsigned rounds = 151;

/// Runs `operation` for about `budget_ns` in batches; returns ns an operation.
template <class Operation>
double time_each(Operation&& operation, unsigned batch = 500, std::uint64_t budget_ns = slice_ns) {
  std::uint64_t done = 0;
  const std::uint64_t begin = now_ns();
  std::uint64_t now = begin;
  do {
    for (unsigned i = 0; i < batch; ++i) operation();
    done += batch;
    now = now_ns();
  } while (now - begin < budget_ns);
  return static_cast<double>(now - begin) / static_cast<double>(done);
}

inline Floor copy_floor() {
  return {"memcpy 64 KiB", "ns", [] { return copy_floor_ns(); }};
}

}  // namespace harness::bench
