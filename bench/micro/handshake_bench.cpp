// SPDX-License-Identifier: Apache-2.0
// The price of encrypt's handshake: the responder's half (answer and confirm) and both halves with
// certificates that cost nothing; the responder's half with those of kernel/identity, of a peer that was seen
// before and of one that was not; and a first frame that does not greet rightly, once it is there as bytes.
#include <benchmark/benchmark.h>

#include <harness/bench/support/certified.hpp>
#include <harness/bench/support/known_peer.hpp>
#include <harness/layers/encrypt.hpp>
#include <harness/stack/setup.hpp>

namespace harness::bench {
namespace {

/// The responder's time alone, over and over; `between` is not counted.
template <class Between>
void respond(benchmark::State& state, Authority& here, Authority& there, Between between) {
  if (!layers::encryption::libraries_ready()) return state.SkipWithError("no libraries");
  for (auto _ : state) {
    state.PauseTiming();
    between();
    const auto initiator = layers::Encrypt::handshake(Role::initiator, here);
    const auto first = initiator->hello({});
    state.ResumeTiming();
    const auto end = layers::Encrypt::handshake(Role::responder, there);
    const auto second = end->answer({}, *first, {});
    state.PauseTiming();
    const auto third = initiator->finish(*second, {});
    state.ResumeTiming();
    if (!end->confirm(*third)) state.SkipWithError("refused");
  }
  state.SetItemsProcessed(state.iterations());
}

void responder(benchmark::State& state) {
  KnownPeer a, b;
  respond(state, a, b, [] {});
}
BENCHMARK(responder)->Name("handshake_responder");

void responder_certified(benchmark::State& state) {
  Certified nodes;
  respond(state, *nodes.initiator, *nodes.responder, [] {});
}
BENCHMARK(responder_certified)->Name("handshake_responder_certified");

void responder_first_sight(benchmark::State& state) {
  Certified nodes;
  respond(state, *nodes.initiator, *nodes.responder, [&] {
    if (!nodes.responder->reload()) state.SkipWithError("no files");  // forgets whose certificate it has seen
  });
}
BENCHMARK(responder_first_sight)->Name("handshake_responder_first_sight");

void both(benchmark::State& state) {
  if (!layers::encryption::libraries_ready()) return state.SkipWithError("no libraries");
  KnownPeer a, b;
  LayerType type = layer_type<layers::Encrypt>();
  for (auto _ : state) benchmark::DoNotOptimize(shaken_hands(type, a, b));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(both)->Name("handshake_both");

/// A HELLO as an initiator writes it, and a greeting by who does not know the root.
void refused(benchmark::State& state) {
  Certified nodes;
  setup::Hello hello;
  hello.attempt = 42;
  hello.from = {"a", "lab", "host.example.org", "1000", 7};
  hello.to = "b";
  hello.link = "main";
  hello.offers = {{1, "order / frag / reliable / encrypt @ udp"}, {2, "frag / encrypt @ tcp"}};
  const auto handshake = layers::Encrypt::handshake(Role::initiator, *nodes.initiator);
  hello.proof = *handshake->hello(setup::bound(hello));
  hello.greeting = Code{std::byte{1}};
  Pool pool;
  const Message frame = setup::write(pool, hello);
  std::uint64_t let_in = 0;
  for (auto _ : state) {
    const auto knock = setup::knock(frame.front());
    const auto expected = nodes.responder->greeting(knock->domain, knock->covered);
    let_in += expected && *expected == knock->greeting ? 1u : 0u;
    benchmark::DoNotOptimize(let_in);
  }
  if (let_in != 0) state.SkipWithError("let in");
  state.counters["bytes"] = static_cast<double>(frame.size());
}
BENCHMARK(refused)->Name("handshake_refused");

}  // namespace
}  // namespace harness::bench
