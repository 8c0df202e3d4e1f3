// SPDX-License-Identifier: Apache-2.0
// Depth: 1 … 32 trivial layers, linked at run time and fused at compile time, down and up. Beyond 28 layers
// their headers need more than the 128 bytes of headroom, and each message gets a larger header block.
#include <string>

#include <benchmark/benchmark.h>

#include <harness/bench/support/trivial.hpp>

namespace harness::bench {
namespace {

template <int Depth>
void add_rows() {
  using Forms = Stacked<Depth, Depth>;
  const auto add = [](const char* form, void (Forms::*operation)()) {
    const std::string name = std::string("depth_") + form + "/" + std::to_string(Depth);
    benchmark::RegisterBenchmark(name.c_str(), [operation](benchmark::State& state) {
      Forms forms;
      for (auto _ : state) (forms.*operation)();
    });
  };
  add("down_linked", &Forms::send_linked);
  add("down_fused", &Forms::send_fused);
  add("up_linked", &Forms::receive_linked);
  add("up_fused", &Forms::receive_fused);
}

[[maybe_unused]] const bool registered = [] {
  add_rows<1>();
  add_rows<2>();
  add_rows<4>();
  add_rows<8>();
  add_rows<16>();
  add_rows<28>();
  add_rows<32>();
  return true;
}();

}  // namespace
}  // namespace harness::bench
