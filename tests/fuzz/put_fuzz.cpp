// SPDX-License-Identifier: Apache-2.0
// Any pieces and answers into `put` at both ends of an operation: no byte outside a region or a caller's
// buffer is touched (the address sanitizer sees it), a read-only region and a revoked one stay as they are,
// and memory is bounded. A record is a byte that says what is made right, a length byte, and a frame. Made
// right: the key (bits 0 and 1: of the region, the read-only one, the revoked one, none) and the number
// (bit 2). Bit 3 begins an operation, so that there is something to answer. All of it twice: with frames in
// slabs, and with bodies received where the layer says they belong.
#include <algorithm>
#include <cstdlib>
#include <deque>

#include <harness/layers/put.hpp>
#include <harness/tests/support/pair.hpp>

namespace {

using namespace harness;
using layers::Put;

constexpr std::size_t key_at = Put::op_bytes;
constexpr std::size_t number_at = 4;  // behind form, what, kind, ask and the immediate

void require(bool held) {
  if (!held) std::abort();
}

struct Memory {
  std::vector<std::byte> bytes;
  RegionHandle handle;
};

Memory expose(Regions& regions, std::size_t bytes, Access access) {
  Memory memory{std::vector<std::byte>(bytes), {}};
  memory.handle = *regions.expose(memory.bytes, access);
  return memory;
}

void begin(OneSided& side, std::deque<Operation>& operations, std::vector<std::byte>& buffer, unsigned what) {
  const RegionHandle peer{.key = 4097, .bytes = 4096, .access = Access::all};
  Operation& one = operations.emplace_back();
  if (what % 3 == 0) (void)side.get(one, peer, 0, buffer);
  if (what % 3 == 1) (void)side.put(one, peer, 0, buffer, {.done = Done::delivered});
  if (what % 3 == 2) (void)side.atomic(one, AtomicOp::add, peer, 8, 1);
}

void run(const std::uint8_t* data, std::size_t size, bool places) {
  std::deque<Operation> operations;
  std::vector<std::byte> buffer(100);
  tests::Pair pair({tests::layer<Put>()},
                   {.max_message = 8192, .quota_bytes = 256 << 10, .place_bytes_min = places ? 1u : 0u});
  Regions& regions = *pair.ends[1].regions;
  Memory open = expose(regions, 333, Access::all);
  Memory readable = expose(regions, 64, Access::read);
  Memory revoked = expose(regions, 64, Access::all);
  (void)regions.revoke(revoked.handle);
  const std::array<std::uint64_t, 3> keys{open.handle.key, readable.handle.key, revoked.handle.key};
  OneSided& side = *pair.ends[1].stack->one_sided();

  std::uint64_t number = 0;
  for (std::size_t at = 0; at + 2 <= size;) {
    const std::uint8_t right = data[at];
    const std::size_t bytes = std::min<std::size_t>(data[at + 1], size - at - 2);
    const auto* const from = reinterpret_cast<const std::byte*>(data) + at + 2;
    std::vector<std::byte> frame(from, from + bytes);
    if ((right & 3) != 3 && bytes >= key_at + 8) std::memcpy(frame.data() + key_at, &keys[right & 3], 8);
    if ((right & 4) != 0 && bytes >= number_at + 6 && frame[0] == std::byte{1}) {
      std::memcpy(frame.data() + number_at, &number, 6);
      ++number;
    }
    if ((right & 8) != 0) begin(side, operations, buffer, right >> 4);
    pair.inject(1, frame);
    pair.run(4);
    at += 2 + bytes;
  }
  const auto is_zero = [](std::byte byte) { return byte == std::byte{0}; };
  require(std::all_of(readable.bytes.begin(), readable.bytes.end(), is_zero));
  require(std::all_of(revoked.bytes.begin(), revoked.bytes.end(), is_zero));
  require(pair.ends[1].quota->used_bytes() <= 512u << 10);
  require(pair.engine.pool().held_bytes() <= 32u << 20);
  pair.ends[1].stack->event({EventKind::peer_lost, Errc::closed});
  for (const Operation& one : operations) require(!one.busy());
  require(pair.ends[1].quota->used_bytes() == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  run(data, size, false);
  run(data, size, true);
  return 0;
}
