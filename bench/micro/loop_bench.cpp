// SPDX-License-Identifier: Apache-2.0
// A whole link over loop, Node and Link included: make, send, poll, deliver, destroy; and puts that travel as
// messages, both ends in this thread.
#include <array>
#include <vector>

#include <benchmark/benchmark.h>

#include <harness/bench/support/loop_pair.hpp>
#include <harness/stack/one_sided.hpp>

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

// Puts of so many bytes, so many a turn, until all are delivered.
void put_loop(benchmark::State& state) {
  LoopPair pair("order / put / frag @ loop");
  std::vector<std::byte> memory(4096), source(static_cast<std::size_t>(state.range(0)), std::byte{7});
  const auto region = pair.far().regions().expose(memory, Access::write).value();
  OneSided& far = *pair.near().one_sided();
  std::array<Operation, 16> puts;
  Operation flush;
  const auto a_turn = static_cast<std::size_t>(state.range(1));
  for (auto _ : state) {
    for (std::size_t i = 0; i < a_turn; ++i) far.put(puts[i], region, 0, source);
    far.flush(flush);
    while (flush.busy()) pair.poll();
  }
  if (flush.code() != Errc::ok || memory[0] != source[0]) state.SkipWithError("a put was refused");
  state.SetItemsProcessed(state.iterations() * state.range(1));
}
BENCHMARK(put_loop)->ArgNames({"bytes", "a turn"})->ArgsProduct({{8, 1024}, {1, 16}});

}  // namespace
}  // namespace harness::bench
