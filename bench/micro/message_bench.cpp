// SPDX-License-Identifier: Apache-2.0
// Messages, pools and headers: what every message pays before any layer sees it.
#include <vector>

#include <benchmark/benchmark.h>

#include <harness/stack/message.hpp>

namespace harness {
namespace {

void message_make_destroy(benchmark::State& state) {
  Pool pool;
  const auto bytes = static_cast<std::uint32_t>(state.range(0));
  for (auto _ : state) {
    Message message = Message::make(pool, bytes);
    benchmark::DoNotOptimize(message);
  }
}
BENCHMARK(message_make_destroy)->Arg(64)->Arg(1024)->Arg(64 << 10)->Arg(1 << 20);

void message_move(benchmark::State& state) {
  Pool pool;
  Message a = Message::make(pool, 64);
  for (auto _ : state) {
    Message b = std::move(a);
    benchmark::DoNotOptimize(b);
    a = std::move(b);
  }
}
BENCHMARK(message_move);

// Two headers of 4 bytes on and off again, make and destroy included.
void message_push_pull(benchmark::State& state) {
  Pool pool;
  for (auto _ : state) {
    Message message = Message::make(pool, 64);
    for (std::uint32_t i = 0; i < 2; ++i) store<std::uint32_t>(message.push(4), i);
    message.as_received(pool);
    for (std::uint32_t i = 0; i < 2; ++i) benchmark::DoNotOptimize(message.pull(4));
  }
}
BENCHMARK(message_push_pull);

void message_slice(benchmark::State& state) {
  Pool pool;
  const Message whole = Message::make(pool, 1 << 16);
  for (auto _ : state) {
    Message part = whole.slice(pool, 4096, 4096);
    benchmark::DoNotOptimize(part);
  }
}
BENCHMARK(message_slice);

void message_share(benchmark::State& state) {
  Pool pool;
  const Message whole = Message::make(pool, 64);
  for (auto _ : state) {
    Message other = whole.share(pool);
    benchmark::DoNotOptimize(other);
  }
}
BENCHMARK(message_share);

// Many alive at once, given back in the order they came: the free list walks through memory.
void pool_in_turn(benchmark::State& state) {
  Pool pool;
  std::vector<Slab*> alive(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    for (Slab*& slab : alive) slab = pool.allocate(64);
    for (Slab* slab : alive) Pool::release(slab);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(pool_in_turn)->Arg(16)->Arg(1024)->Arg(65536);

void pool_with_quota(benchmark::State& state) {
  Pool pool;
  const Quota::Owner quota = Quota::make(1 << 20);
  for (auto _ : state) Pool::release(pool.allocate(64, quota.get()));
}
BENCHMARK(pool_with_quota);

}  // namespace
}  // namespace harness
