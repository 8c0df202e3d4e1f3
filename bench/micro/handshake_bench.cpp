// SPDX-License-Identifier: Apache-2.0
// The price of encrypt's handshake: the responder's half (answer and confirm), the initiator's, and a first
// blob that is refused. Certificates cost nothing here; kernel/identity's signature check comes on top.
#include <benchmark/benchmark.h>

#include <harness/bench/support/known_peer.hpp>
#include <harness/layers/encrypt.hpp>

namespace harness::bench {
namespace {

void responder(benchmark::State& state) {
  if (!layers::encryption::libraries_ready()) return state.SkipWithError("no libraries");
  KnownPeer a, b;
  for (auto _ : state) {
    state.PauseTiming();
    const auto initiator = layers::Encrypt::handshake(Role::initiator, a);
    const auto first = initiator->hello({});
    state.ResumeTiming();
    const auto end = layers::Encrypt::handshake(Role::responder, b);
    const auto second = end->answer({}, *first, {});
    state.PauseTiming();
    const auto third = initiator->finish(*second, {});
    state.ResumeTiming();
    if (!end->confirm(*third)) state.SkipWithError("refused");
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(responder)->Name("handshake_responder");

void both(benchmark::State& state) {
  if (!layers::encryption::libraries_ready()) return state.SkipWithError("no libraries");
  KnownPeer a, b;
  LayerType type = layer_type<layers::Encrypt>();
  for (auto _ : state) benchmark::DoNotOptimize(shaken_hands(type, a, b));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(both)->Name("handshake_both");

}  // namespace
}  // namespace harness::bench
