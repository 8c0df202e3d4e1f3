// SPDX-License-Identifier: Apache-2.0
// Words of the peer that its card changes: posted, and ended with what they were before.
#include <cstring>

#include <harness/transports/ofi/connection.hpp>
#include <harness/transports/ofi/direct.hpp>
#include <harness/transports/ofi/transport.hpp>

namespace harness::transports::ofi {

namespace {

// What a slot holds.
constexpr std::size_t result_at = 0;
constexpr std::size_t operand_at = 8;
constexpr std::size_t compare_at = 16;

// The peer's card looked at the request, and did not do it: the key is closed, or not for this.
bool is_undone(int error) noexcept {
  return error == FI_EACCES || error == FI_EKEYREJECTED || error == FI_EPERM || error == FI_EINVAL;
}

}  // namespace

Direct::Outcome OfiDirect::atomic(std::uint64_t ticket, AtomicOp op, const RegionHandle& at,
                                  std::uint64_t offset, std::uint64_t operand, std::uint64_t compare,
                                  std::uint64_t&) noexcept {
  Window* const window = open_window(at, offset, word_bytes, Access::atomic);
  if (window == nullptr) return Outcome::no;
  Operation* const slot = take_slot(Operation::Kind::atomic, at.key, ticket);
  if (slot == nullptr) return no_slot();
  slot->bytes = word_bytes;
  const long code = post_atomic(*slot, *window, window->address + offset, op, operand, compare);
  if (const Outcome outcome = posted(*slot, code); outcome != Outcome::begun) return outcome;
  ++window->under_way;
  ++begun_;
  ++atomics_;
  return Outcome::begun;
}

// Without FI_DELIVERY_COMPLETE, which cxi does not take here: what brings the former word was done.
long OfiDirect::post_atomic(Operation& slot, const Window& window, std::uint64_t address, AtomicOp op,
                            std::uint64_t operand, std::uint64_t compare) noexcept {
  std::byte* const memory = slot.memory;
  std::memcpy(memory + operand_at, &operand, word_bytes);
  std::memcpy(memory + compare_at, &compare, word_bytes);
  void* const descriptor = ofi_.direct_slots().descriptor();
  fid_ep* const endpoint = ofi_.fabric().endpoint();
  if (op == AtomicOp::compare_swap)
    return fi_compare_atomic(endpoint, memory + operand_at, 1, descriptor, memory + compare_at, descriptor,
                             memory + result_at, descriptor, link_.peer(), address, window.remote.value(),
                             FI_UINT64, FI_CSWAP, &slot.context);
  return fi_fetch_atomic(endpoint, memory + operand_at, 1, descriptor, memory + result_at, descriptor,
                         link_.peer(), address, window.remote.value(), FI_UINT64,
                         op == AtomicOp::add ? FI_SUM : FI_ATOMIC_WRITE, &slot.context);
}

// What was refused may be done by a message.
void OfiDirect::changed(Operation& slot, int error) {
  if (error == 0) return finish(slot, Errc::ok);
  if (!is_undone(error)) return lose(slot, error);
  finish(slot, Errc::not_found);
}

}  // namespace harness::transports::ofi
