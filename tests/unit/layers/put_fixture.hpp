// SPDX-License-Identifier: Apache-2.0
// Two ends of `put`: the second exposes a region, the first has its handle.
#pragma once

#include <deque>
#include <optional>

#include <gtest/gtest.h>

#include <harness/layers/frag.hpp>
#include <harness/layers/order.hpp>
#include <harness/layers/put.hpp>
#include <harness/layers/reliable.hpp>
#include <harness/tests/support/pair.hpp>

namespace harness::tests {

using layers::Frag, layers::Order, layers::Put, layers::Reliable;

inline constexpr Properties datagrams = property::message | property::checked32;
inline constexpr Properties by_itself = property::atomics.without(property::put_emulated);

inline std::string bytes_of(std::size_t count, char first = 'a') {
  std::string text(count, '\0');
  for (std::size_t i = 0; i < count; ++i) text[i] = static_cast<char>(first + static_cast<char>(i % 23));
  return text;
}

class PutTest : public ::testing::Test {
 protected:
  void open(std::vector<BoundLayer> layers, Medium medium = {}) {
    pair_.emplace(std::move(layers), medium);
    origin_ = pair_->ends[0].stack->one_sided();
    ASSERT_NE(origin_, nullptr);
    region_ = expose(Access::all);
  }
  // Over a medium that is reliable, and over packets that are lost, doubled and overtake each other.
  void open_ordered() { open({layer<Order>(), layer<Put>(), layer<Frag>()}); }
  void open_lossy(std::uint64_t seed = 1, std::uint64_t ppm = 100'000) {
    open({layer<Order>(), layer<Put>(), layer<Frag>(), layer<Reliable>()}, {.word = datagrams,
                                                                            .max_message = 1400,
                                                                            .drop_ppm = ppm,
                                                                            .duplicate_ppm = ppm / 2,
                                                                            .reorder_ppm = 2 * ppm,
                                                                            .seed = seed});
  }
  RegionHandle expose(Access access) { return *pair_->ends[1].regions->expose(as_writable(memory_), access); }
  static MutableBytes as_writable(std::string& text) {
    return {reinterpret_cast<std::byte*>(text.data()), text.size()};
  }
  // A source that outlives its operation.
  Bytes keep(std::string text) { return as_bytes(sources_.emplace_back(std::move(text))); }
  void settle(std::uint64_t for_ns = 2'000'000'000) { pair_->advance(for_ns); }
  std::uint64_t word(std::size_t offset) const {
    std::uint64_t value = 0;
    std::memcpy(&value, memory_.data() + offset, sizeof value);
    return value;
  }

  alignas(8) std::string memory_ = std::string(64 * 1024, '.');
  std::deque<std::string> sources_;
  std::optional<Pair> pair_;
  OneSided* origin_ = nullptr;
  RegionHandle region_;
};

}  // namespace harness::tests
