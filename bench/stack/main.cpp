// SPDX-License-Identifier: Apache-2.0
// What the stack itself costs: linked against fused, absent and further hooks, `order / frag` over loop,
// `encrypt` against its ciphers, and deriving a stack. One thread on one core; the floor is a copy of 64 KiB
// within its cache.
#include <fmt/format.h>

#include <harness/bench/stack/parts.hpp>

int main(int argc, char** argv) {
  harness::bench::Program program(argc, argv, "stack",
                                  R"(stack --quick               every figure, briefly
stack --only linked         linked against fused
stack --json stack.json     all figures for a report

What the stack itself costs. Parts: linked, hooks, instructions, loop, sealed, compose.
)");
  harness::bench::pin(0);
  if (program.wants("linked")) harness::bench::linked_against_fused(program);
  if (program.wants("hooks")) harness::bench::absent_and_further_hooks(program);
  if (program.wants("instructions")) harness::bench::instructions(program);
  if (program.wants("loop")) harness::bench::order_frag_over_loop(program);
  if (program.wants("sealed")) harness::bench::encrypt_against_raw(program);
  if (program.wants("compose")) harness::bench::compose_time(program);
  return program.finish();
}
