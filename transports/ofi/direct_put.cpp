// SPDX-License-Identifier: Apache-2.0
// Puts: by a message or not, from where the bytes lie or from a slot, injected or with a completion.
#include <algorithm>
#include <array>
#include <cstring>
#include <span>

#include <harness/transports/ofi/connection.hpp>
#include <harness/transports/ofi/direct.hpp>
#include <harness/transports/ofi/transport.hpp>

namespace harness::transports::ofi {

// For a software provider to write anything the peer's engine must turn as it does for a message, which needs
// no check behind it.
std::uint64_t OfiDirect::put_bytes_min(bool apart) const noexcept {
  if (apart) return std::min(ofi_.message_bytes(), signalled_bytes_min);
  return ofi_.fabric().policy().is_card ? 0 : std::min(ofi_.message_bytes(), software_bytes_min);
}

std::uint64_t OfiDirect::put_bytes_max(Bytes source) noexcept {
  if (lender_of(source) == nullptr) return piece_bytes_max();
  return std::min<std::uint64_t>(DirectSlots::lent_bytes, told_bytes());
}

std::uint64_t OfiDirect::told_bytes() const noexcept {
  const Fabric& fabric = ofi_.fabric();
  return fabric.policy().trusts_delivery ? ~std::uint64_t{0} : ordered_bytes(fabric);
}

Direct::Outcome OfiDirect::put(std::uint64_t ticket, const RegionHandle& to, std::uint64_t offset,
                               Bytes source, const Signal&) noexcept {
  Window* const window = open_window(to, offset, source.size(), Access::write);
  if (window == nullptr) return Outcome::no;
  const Shared* const lender = lender_of(source);
  if (lender == nullptr && source.size() > DirectSlots::slot_bytes) return Outcome::no;
  if (lender != nullptr && !ofi_.direct_slots().may_lend(source.size())) return full();
  Operation* const slot = take_slot(Operation::Kind::put, to.key, ticket);
  if (slot == nullptr) return no_slot();
  slot->bytes = static_cast<std::uint32_t>(source.size());
  bool is_over = source.empty();
  const long code = is_over ? 0 : post_put(*slot, *window, window->address + offset, source, lender, is_over);
  if (const Outcome outcome = posted(*slot, code); outcome != Outcome::begun) return outcome;
  ++window->under_way;
  ++begun_;
  ++puts_;
  lent_ += lender != nullptr ? 1 : 0;
  bytes_out_ += source.size();
  slot->in_flight = !is_over && checks_at_once(source.size());
  if (is_over || slot->in_flight) landed(*slot, *window);
  return lender != nullptr ? Outcome::lent : Outcome::begun;
}

// The region of this side that all of a large source lies in, if the provider may read it there.
OfiDirect::Shared* OfiDirect::lender_of(Bytes source) noexcept {
  if (source.size() < lent_bytes_min) return nullptr;
  for (const auto& shared : shared_) {
    if (shared->in == nullptr || source.data() < shared->bytes.data() ||
        source.data() + source.size() > shared->bytes.data() + shared->bytes.size())
      continue;
    if (may_lend(*shared)) return shared.get();
  }
  return nullptr;
}

// What is registered for peers may go while we still put from it, so this is a registration of its own.
bool OfiDirect::may_lend(Shared& shared) noexcept {
  const Fabric& fabric = ofi_.fabric();
  if (needs_evidence(fabric) && fabric.info().tx_attr->iov_limit < 2) return false;
  if (!fabric.wants(FI_MR_LOCAL) || shared.lent != nullptr) return true;
  if (shared.is_refused || !ofi_.direct_slots().open(ofi_.fabric()))
    return false;  // no put goes without those
  const auto offset = static_cast<std::size_t>(shared.bytes.data() - shared.in->bytes().data());
  shared.lent =
      Region::over(ofi_.fabric(), shared.in->file(), offset, shared.bytes.size(), Region::Use::writes);
  shared.is_refused = shared.lent == nullptr;
  return !shared.is_refused;
}

// Its check may be posted right behind it: the provider keeps the order, whatever has completed. Not over a
// card, where a write that is refused since its region was withdrawn could take the check with it.
bool OfiDirect::checks_at_once(std::size_t bytes) const noexcept {
  return !ofi_.fabric().policy().is_card && bytes <= ordered_bytes(ofi_.fabric());
}

// Small ones are injected where the order alone tells of their arrival: the provider has them then. Not where
// a connection may die: the loss would go unheard, and below ofi_rxm 1.17 it ends the process.
long OfiDirect::post_put(Operation& slot, const Window& window, std::uint64_t address, Bytes source,
                         const Shared* lender, bool& is_over) noexcept {
  const Fabric& fabric = ofi_.fabric();
  const bool certain =
      source.size() <= ordered_bytes(fabric) && fabric.policy().lost_write == LostWrite::none;
  if (certain && source.size() <= fabric.info().tx_attr->inject_size) {
    is_over = true;
    return fi_inject_write(fabric.endpoint(), source.data(), source.size(), link_.peer(), address,
                           window.remote.value());
  }
  return write(slot, window, address, source, lender);
}

// From where the bytes lie, or from the slot; its evidence stands in the slot, behind them.
long OfiDirect::write(Operation& slot, const Window& window, std::uint64_t address, Bytes source,
                      const Shared* lender) noexcept {
  const Fabric& fabric = ofi_.fabric();
  DirectSlots& slots = ofi_.direct_slots();
  std::byte* behind = slot.memory;
  std::array<Piece, 2> here{{{source.data(), source.size(), nullptr}, {}}};
  if (lender == nullptr) {
    std::memcpy(slot.memory, source.data(), source.size());
    here[0] = {slot.memory, source.size(), slots.descriptor()};
    behind += source.size();
  } else if (lender->lent == nullptr) {
    slots.lend(slot, lender->in);
  } else {
    here[0].at = lender->lent->data() + (source.data() - lender->bytes.data());
    here[0].descriptor = lender->lent->descriptor();
    slots.lend(slot, lender->lent, lender->lent.get());
  }
  if (needs_evidence(fabric)) {
    slot.evidence = ++last_evidence_;
    store(behind, slot.evidence);
    here[1] = {behind, word_bytes, slots.descriptor()};
  }
  const bool joined = lender == nullptr && slot.evidence != 0;  // one piece: the word lies behind the bytes
  if (joined) here[0].bytes += word_bytes;
  const std::array<fi_rma_iov, 2> there{
      {{address, source.size(), window.remote.value()}, evidence_of(slots.number(slot), 1)}};
  const std::size_t places = slot.evidence != 0 ? 2 : 1;
  const bool ordered = source.size() <= ordered_bytes(fabric);
  return post(fi_writemsg, slot, std::span(here).first(joined ? 1 : places), std::span(there).first(places),
              ordered ? 0 : FI_DELIVERY_COMPLETE);
}

}  // namespace harness::transports::ofi
