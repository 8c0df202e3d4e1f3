// SPDX-License-Identifier: Apache-2.0
// Puts and gets on regions of the peer, and the checks behind them.
#include <algorithm>
#include <array>
#include <cstring>
#include <span>

#include <harness/transports/ofi/connection.hpp>
#include <harness/transports/ofi/direct.hpp>
#include <harness/transports/ofi/transport.hpp>

namespace harness::transports::ofi {

using wire::OfiNote, wire::OfiShare, wire::OfiShareKeys, wire::OfiSharePlace;

namespace {

// The target's side said no; anything else is the path's fault.
bool is_refusal(int error) noexcept {
  return error == FI_EACCES || error == FI_EKEYREJECTED || error == FI_EPERM || error == FI_EINVAL ||
         error == FI_EREMOTEIO;
}

}  // namespace

// ---- what the peer shares ----

bool OfiDirect::on_share(std::uint64_t number, Bytes tail) {
  constexpr std::size_t fixed =
      wire::bytes_of<OfiShare> + wire::bytes_of<OfiSharePlace> + wire::bytes_of<OfiShareKeys>;
  if (number >= regions_max || windows_[number] != nullptr || tail.size() < fixed) return false;
  const auto share = wire::decode<OfiShare>(tail.data());
  const auto place = wire::decode<OfiSharePlace>(tail.data() + wire::bytes_of<OfiShare>);
  const auto keys = wire::decode<OfiShareKeys>(tail.data() + fixed - wire::bytes_of<OfiShareKeys>);
  const Bytes rest = tail.subspan(fixed);
  if (share.key == 0 || share.bytes == 0 || keys.access > static_cast<std::uint8_t>(Access::all) ||
      rest.size() != std::size_t{keys.key_bytes} + keys.page_key_bytes)
    return false;
  if (ended_) return true;
  auto window = std::make_unique<Window>();
  window->key = share.key;
  window->bytes = share.bytes;
  window->address = place.address;
  window->access = static_cast<Access>(keys.access);
  if (!window->remote.set(ofi_.fabric(), rest.first(keys.key_bytes)) ||
      !page_key_.set(ofi_.fabric(), rest.subspan(keys.key_bytes)))
    return false;
  page_address_ = place.page;
  if (by_slot_.empty()) by_slot_.resize(Regions::regions_max);
  by_slot_[share.key & slot_mask] = static_cast<std::uint16_t>(number + 1);
  windows_[number] = std::move(window);
  return true;
}

bool OfiDirect::on_withdraw(std::uint64_t number) noexcept {
  if (ended_) return true;
  if (number >= regions_max || windows_[number] == nullptr || windows_[number]->closing) return false;
  windows_[number]->closing = true;
  if (!close_window(*windows_[number], number)) check_later();
  return true;
}

// Tells the peer when nothing is under way; false: it is to be told, and could not be.
bool OfiDirect::close_window(Window& window, std::size_t number) noexcept {
  if (!window.closing || window.under_way != 0) return true;
  if (!link_.note(OfiNote::Kind::withdrawn, number)) return false;
  windows_[number].reset();
  return true;
}

OfiDirect::Window* OfiDirect::find_window(std::uint64_t key) const noexcept {
  if (by_slot_.empty() || ended_) return nullptr;
  const std::uint16_t number = by_slot_[key & slot_mask];
  Window* const window = number != 0 ? windows_[number - 1u].get() : nullptr;
  return window != nullptr && window->key == key && !window->closing ? window : nullptr;
}

OfiDirect::Window* OfiDirect::open_window(const RegionHandle& handle, std::uint64_t offset, std::size_t bytes,
                                          Access need) noexcept {
  Window* const window = find_window(handle.key);
  if (window == nullptr || !allows(window->access, need) || offset > window->bytes ||
      bytes > window->bytes - offset || !ofi_.direct_slots().open(ofi_.fabric()) ||
      ofi_.direct_slots().lost(Operation::Kind::check))
    return nullptr;
  return window;
}

// ---- operations ----

// Between the operation's memory and these places of the peer's, one behind the other.
long OfiDirect::post(decltype(fi_writemsg)& call, Operation& operation, std::span<const fi_rma_iov> there,
                     std::uint64_t flags) const noexcept {
  Piece here{operation.memory, 0, ofi_.direct_slots().descriptor()};
  for (const fi_rma_iov& place : there) here.bytes += place.len;
  return post(call, operation, {&here, 1}, there, flags);
}

long OfiDirect::post(decltype(fi_writemsg)& call, Operation& operation, std::span<const Piece> here,
                     std::span<const fi_rma_iov> there, std::uint64_t flags) const noexcept {
  std::array<iovec, 2> pieces{};
  std::array<void*, 2> descriptors{};
  for (std::size_t i = 0; i < here.size(); ++i) {
    pieces[i] = {const_cast<std::byte*>(here[i].at), here[i].bytes};
    descriptors[i] = here[i].descriptor;
  }
  fi_msg_rma message{};
  message.msg_iov = pieces.data();
  message.desc = descriptors.data();
  message.iov_count = here.size();
  message.addr = link_.peer();
  message.rma_iov = there.data();
  message.rma_iov_count = there.size();
  message.context = &operation.context;
  return call(ofi_.fabric().endpoint(), &message, FI_COMPLETION | flags);
}

Direct::Outcome OfiDirect::get(std::uint64_t ticket, const RegionHandle& from, std::uint64_t offset,
                               MutableBytes into) noexcept {
  Window* const window = open_window(from, offset, into.size(), Access::read);
  if (window == nullptr) return Outcome::no;
  Operation* const slot = take_slot(Operation::Kind::get, from.key, ticket);
  if (slot == nullptr) return no_slot();
  slot->bytes = static_cast<std::uint32_t>(into.size());
  slot->has_word = !into.empty() && reads_word_behind(ofi_.fabric());
  const std::array<fi_rma_iov, 2> there{
      {{window->address + offset, into.size(), window->remote.value()}, word_of(slot->window)}};
  const long code = post(fi_readmsg, *slot, std::span(there).first(slot->has_word ? 2 : 1), 0);
  if (const Outcome outcome = posted(*slot, code); outcome != Outcome::begun) return outcome;
  ++window->under_way;
  ++begun_;
  ++gets_;
  return Outcome::begun;
}

Operation* OfiDirect::take_slot(Operation::Kind kind, std::uint64_t key, std::uint64_t ticket) noexcept {
  Operation* const slot = ofi_.direct_slots().take(kind);
  if (slot == nullptr) return nullptr;
  slot->link = &link_;
  slot->window = static_cast<std::uint16_t>(by_slot_[key & slot_mask] - 1u);
  slot->ticket = ticket;
  slot->evidence = 0;
  slot->has_word = slot->in_flight = slot->is_checked = false;
  slot->error = 0;
  return slot;
}

Direct::Outcome OfiDirect::posted(Operation& slot, long code) noexcept {
  if (code == 0 || code == -FI_EAGAIN) link_.wake_peer();
  if (code == 0) return Outcome::begun;
  ofi_.direct_slots().give(slot);
  if (code == -FI_EAGAIN) return full();
  return Outcome::no;  // not this way: the link itself tells when the peer is gone
}

// Those of peers that are gone may never come back.
Direct::Outcome OfiDirect::no_slot() noexcept {
  return ofi_.direct_slots().lost(Operation::Kind::put) ? Outcome::no : full();
}

Direct::Outcome OfiDirect::full() noexcept {
  ++full_;
  full_since_ = true;
  ofi_.blocked(link_);
  return Outcome::full;
}

// ---- completions and checks ----

void OfiDirect::completed(Operation& operation, int error) {
  Window& window = *windows_[operation.window];
  if (operation.kind == Operation::Kind::check) return checked(operation, error);
  if (operation.kind == Operation::Kind::atomic) return changed(operation, error);
  if (operation.in_flight) return left(operation, error);
  if (error == 0 && operation.has_word) return finish(operation, word_behind(operation, window));
  if (error == 0) return landed(operation, window);
  if (!is_refusal(error)) return lose(operation, error);
  finish(operation, Errc::not_found);
}

void OfiDirect::lose(Operation& slot, int error) {
  --begun_;
  lost_.push_back(slot.ticket);
  ofi_.direct_slots().give(slot);
  link_.failed(error);
}

void OfiDirect::check_later() noexcept {
  to_check_ = true;
  ofi_.blocked(link_);
}

// It waits for the next check of its region.
void OfiDirect::landed(Operation& slot, Window& window) noexcept {
  if (!slot.in_flight) slot.seen = Operation::not_under_way;
  slot.next = window.completed;
  window.completed = &slot;
  if (start_check(window)) return;
  check_later();
}

// A put whose check was posted behind it has completed.
void OfiDirect::left(Operation& slot, int error) {
  slot.in_flight = false;
  slot.seen = Operation::not_under_way;
  slot.error = error;
  if (error != 0 && !is_refusal(error)) return slot.is_checked ? lose(slot, error) : link_.failed(error);
  if (slot.is_checked) finish(slot, error == 0 ? slot.outcome : Errc::not_found);
}

// The check has come. The slot is the provider's until the put has completed, too.
void OfiDirect::settle(Operation& slot, Errc code) {
  slot.is_checked = true;
  slot.outcome = code;
  if (!slot.in_flight) finish(slot, slot.error == 0 ? code : Errc::not_found);
}

// Of the evidence all that lies between the first and the last slot of the list, and behind it the region's
// word: where it is read in this order it was true when the bytes had arrived.
long OfiDirect::post_check(Operation& check, const Operation* list) const noexcept {
  unsigned first = DirectSlots::slots;
  unsigned end = 0;
  if (!needs_evidence(ofi_.fabric())) list = nullptr;
  for (; list != nullptr; list = list->next) {
    if (list->evidence == 0) continue;
    first = std::min(first, ofi_.direct_slots().number(*list));
    end = std::max(end, ofi_.direct_slots().number(*list) + 1);
  }
  check.bytes = first;
  check.evidence = first < end ? end - first : 0;
  const std::array<fi_rma_iov, 2> there{{evidence_of(first, end - first), word_of(check.window)}};
  return post(fi_readmsg, check, std::span(there).last(check.evidence != 0 ? 2 : 1), 0);
}

// The word of a region in the peer's page.
fi_rma_iov OfiDirect::word_of(std::uint16_t window) const noexcept {
  return {page_address_ + window * word_bytes, word_bytes, page_key_.value()};
}

// It was read after the bytes were, so they were the region's.
Errc OfiDirect::word_behind(const Operation& get, const Window& window) noexcept {
  return load<std::uint64_t>(get.memory + get.bytes) == window.key ? Errc::ok : Errc::not_found;
}

// Words of the peer's page: the numbers of the puts in these slots.
fi_rma_iov OfiDirect::evidence_of(unsigned first, unsigned count) const noexcept {
  return {page_address_ + evidence_at + first * word_bytes, count * word_bytes, page_key_.value()};
}

bool OfiDirect::have_arrived(const Window& window, const Operation& check) const noexcept {
  if (!needs_evidence(ofi_.fabric())) return true;
  for (const Operation* slot = window.in_check; slot != nullptr; slot = slot->next) {
    const unsigned place = ofi_.direct_slots().number(*slot) - check.bytes;
    if (slot->evidence != 0 && slot->error == 0 &&
        load<std::uint64_t>(check.memory + place * word_bytes) != slot->evidence)
      return false;
  }
  return true;
}

bool OfiDirect::start_check(Window& window) noexcept {
  if (window.in_check != nullptr || window.completed == nullptr) return true;
  Operation* const check = ofi_.direct_slots().take(Operation::Kind::check);
  if (check == nullptr) return false;  // others come back, or no operation is begun any more
  const std::uint16_t number = window.completed->window;
  check->link = &link_;
  check->window = number;
  const long code = post_check(*check, window.completed);
  if (code != 0) {
    ofi_.direct_slots().give(*check);
    if (code != -FI_EAGAIN) link_.failed(static_cast<int>(-code));
    return code != -FI_EAGAIN;
  }
  window.in_check = std::exchange(window.completed, nullptr);
  ++checks_;
  return true;
}

void OfiDirect::checked(Operation& check, int error) {
  Window& window = *windows_[check.window];
  const auto found = load<std::uint64_t>(check.memory + check.evidence * word_bytes);
  const bool arrived = error != 0 || have_arrived(window, check);
  ofi_.direct_slots().give(check);
  if (error != 0) return link_.failed(error);
  if (!arrived) return link_.lost_put();
  const std::uint16_t number = check.window;
  checked_ = std::exchange(window.in_check, nullptr);
  end_list(checked_, found == window.key ? Errc::ok : Errc::not_found);
  if (ended_ || windows_[number] == nullptr || start_check(*windows_[number])) return;
  check_later();
}

// What is told may begin the next, or end the link: then the rest of the list has ended, too.
void OfiDirect::end_list(Operation*& list, Errc code) {
  while (list != nullptr) {
    Operation& slot = *list;
    list = slot.next;
    settle(slot, code);
  }
}

void OfiDirect::finish(Operation& slot, Errc code) {
  const std::uint16_t number = slot.window;
  Window& window = *windows_[number];
  --window.under_way;
  --begun_;
  if (code == Errc::not_found) ++not_found_;
  const bool reads = slot.kind != Operation::Kind::put && code == Errc::ok;
  bytes_in_ += reads ? slot.bytes : 0;
  const std::uint64_t ticket = slot.ticket;
  const Bytes result = reads ? Bytes{slot.memory, slot.bytes} : Bytes{};
  slot.link = nullptr;                         // what is told may end the link …
  if (!reads) ofi_.direct_slots().give(slot);  // … or begin the next put
  if (sink_.self != nullptr) sink_.ended(sink_.self, ticket, code, result);
  if (reads) ofi_.direct_slots().give(slot);
  if (ended_ || close_window(window, number)) return;
  check_later();
}

}  // namespace harness::transports::ofi
