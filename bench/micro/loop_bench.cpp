// SPDX-License-Identifier: Apache-2.0
// A whole link over loop, Node and Link included: make, send, poll, deliver, destroy.
#include <benchmark/benchmark.h>

#include <harness/bench/support/loop_pair.hpp>

namespace harness::bench {
namespace {

void exchange(benchmark::State& state, const char* stack) {
  LoopPair pair(stack);
  const auto a_turn = static_cast<unsigned>(state.range(0));
  for (auto _ : state) pair.exchange(a_turn);
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK_CAPTURE(exchange, bare_loop, "@ loop")->Arg(1)->Arg(16);
BENCHMARK_CAPTURE(exchange, order_frag_loop, "order / frag @ loop")->Arg(1)->Arg(16);

}  // namespace
}  // namespace harness::bench
