// SPDX-License-Identifier: Apache-2.0
// One layer at a time: send and deliver one 64-byte message through a stack of that layer alone, whose bottom
// hands each frame to the other end at once. The row `none` is the price of the stack without any layer.
#include <benchmark/benchmark.h>

#include <harness/bench/support/mirror.hpp>
#include <harness/layers/all.hpp>

namespace harness {
namespace {

using bench::Mirror;

// `turns`: a poll turn every 16 messages, for a layer that is acknowledged.
void send_and_deliver(benchmark::State& state, const StackSpec& spec, bool turns = false,
                      std::uint32_t bytes = 64) {
  Mirror mirror(spec);
  Stack& stack = *mirror.ends[0].stack;
  std::uint64_t sent = 0;
  for (auto _ : state) {
    Message message = Message::make(mirror.engine.pool(), bytes);
    benchmark::DoNotOptimize(stack.send(std::move(message)));
    if (turns && ++sent % 16 == 0) mirror.engine.poll();
  }
  state.counters["header_bytes"] = stack.header_bytes();
}

// The same for one layer by size, and for the stack without any: encrypt_1024 less none_1024 is what seal and
// open cost, to be held against aead_seal_* and aead_open_* of that size.
void by_size(const char* name, const StackSpec& spec) {
  for (const std::uint32_t bytes : {64u, 1024u, 4096u, 16384u, 60000u})
    benchmark::RegisterBenchmark((name + std::to_string(bytes)).c_str(), [=](benchmark::State& state) {
      send_and_deliver(state, spec, false, bytes);
    });
}

// The rows are the names of the layers: resume, mux, compress, order, frag, reliable, heartbeat, checksum,
// encrypt.
[[maybe_unused]] const bool registered = [] {
  static Catalogue catalogue;
  layers::add_all(catalogue);
  benchmark::RegisterBenchmark("none", [](benchmark::State& state) { send_and_deliver(state, {}); });
  for (const LayerType& type : catalogue.layers())
    benchmark::RegisterBenchmark(
        std::string(type.descriptor->name).c_str(), [&type](benchmark::State& state) {
          StackSpec spec;
          spec.layers.push_back({&type, OptionValues(type.descriptor->options)});
          send_and_deliver(state, spec, type.descriptor->pump && type.descriptor->contract.emits_control);
        });
  by_size("none_", {});
  const LayerType* encrypt = catalogue.layer("encrypt");
  StackSpec sealed;
  sealed.layers.push_back({encrypt, OptionValues(encrypt->descriptor->options)});
  by_size("encrypt_", sealed);
  return true;
}();

}  // namespace
}  // namespace harness
