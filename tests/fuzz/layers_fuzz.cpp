// SPDX-License-Identifier: Apache-2.0
// Any bytes from below into a stack of one layer: nothing crashes, no memory is given away on a stranger's
// word, and what is kept goes when the link does. HARNESS_FUZZ_LAYER names the layer; without it the first
// byte picks one. The second byte says whether what is below is reliable; then come frames, a length byte
// before each.
#include <cstdlib>

#include <harness/layers/all.hpp>
#include <harness/tests/support/pair.hpp>

namespace {

using namespace harness;

const Catalogue& everything() {
  static const Catalogue all = [] {
    Catalogue catalogue;
    layers::add_all(catalogue);
    return catalogue;
  }();
  return all;
}

const LayerType& picked(std::uint8_t first) {
  static const char* const wanted = std::getenv("HARNESS_FUZZ_LAYER");
  const auto& layers = everything().layers();
  if (wanted == nullptr) return layers[first % layers.size()];
  const LayerType* named = everything().layer(wanted);
  return named != nullptr ? *named : (std::abort(), layers[0]);
}

void require(bool held) {
  if (!held) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const LayerType& type = picked(data[0]);
  Properties word = type.descriptor->contract.requires_below | property::message;
  if ((data[1] & 1) != 0) word = word | property::reliable | property::no_duplicates;
  if ((data[1] & 2) != 0) word = word | property::fifo;
  tests::Pair pair({{&type, OptionValues(type.descriptor->options)}},
                   {.word = word, .quota_bytes = 256 << 10});
  const Bytes all{reinterpret_cast<const std::byte*>(data), size};
  for (std::size_t at = 2; at < size;) {
    const std::size_t bytes = std::min<std::size_t>(data[at], size - at - 1);
    pair.inject(1, all.subspan(at + 1, bytes));
    at += 1 + bytes;
    if ((data[1] & 4) != 0) pair.engine.pass(1'000'000);
  }
  require(pair.ends[1].quota->used_bytes() <= 512u << 10);
  require(pair.engine.pool().held_bytes() <= 32u << 20);
  pair.ends[1].stack->event({EventKind::peer_lost, Errc::closed});
  require(pair.ends[1].quota->used_bytes() == 0);
  return 0;
}
