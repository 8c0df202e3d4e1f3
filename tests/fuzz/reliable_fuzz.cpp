// SPDX-License-Identifier: Apache-2.0
// Any packets for an end of reliable that has packets of its own under way. The input is a sequence of
// {length, bytes}; a length of 0 lets a millisecond pass. Memory stays within the quota, a message is
// delivered once at most, and what is kept goes with the link.
#include <cstdint>
#include <cstdlib>
#include <set>

#include <harness/layers/reliable.hpp>
#include <harness/tests/support/pair.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace harness;
  using tests::Pair;
  tests::Medium medium;
  medium.word = property::message | property::checked16;
  medium.max_message = 1400;
  medium.quota_bytes = 256 << 10;
  Pair pair({tests::layer<layers::Reliable>()}, medium);
  for (int i = 0; i < 8; ++i) {
    pair.ends[0].send("a message that is under way");
    pair.ends[1].send("another");
  }
  Bytes input(reinterpret_cast<const std::byte*>(data), size);
  while (!input.empty()) {
    const std::size_t bytes = std::min<std::size_t>(std::to_integer<std::size_t>(input[0]), input.size() - 1);
    if (bytes == 0) {
      pair.advance(1'000'000);
    } else {
      pair.inject(0, input.subspan(1, bytes));
    }
    input = input.subspan(1 + bytes);
    if (pair.ends[0].quota->used_bytes() > 512 << 10) std::abort();
  }
  pair.ends[0].stack->event({EventKind::peer_lost, Errc::closed});
  if (pair.ends[0].quota->used_bytes() != 0) std::abort();
  return 0;
}
