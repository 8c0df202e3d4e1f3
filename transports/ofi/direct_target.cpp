// SPDX-License-Identifier: Apache-2.0
// The regions of this side that the peer may reach over the fabric.
#include <atomic>
#include <cstring>

#include <harness/transports/ofi/connection.hpp>
#include <harness/transports/ofi/direct.hpp>
#include <harness/transports/ofi/transport.hpp>

namespace harness::transports::ofi {

using wire::OfiNote, wire::OfiShare, wire::OfiShareKeys, wire::OfiSharePlace;

OfiDirect::~OfiDirect() { go(); }

// Told of arrival either by the order of reads behind writes, or by a provider that may be believed; of loss
// either by the provider, or by evidence that arrives with the bytes.
bool OfiDirect::possible(const Fabric& fabric) noexcept {
  const fi_tx_attr& sends = *fabric.info().tx_attr;
  return fabric.has(FI_RMA) && (ordered_bytes(fabric) != 0 || fabric.policy().trusts_delivery) &&
         (!needs_evidence(fabric) || sends.rma_iov_limit >= 2);
}

std::atomic_ref<std::uint64_t> OfiDirect::word(std::size_t number) const noexcept {
  return std::atomic_ref<std::uint64_t>(
      *reinterpret_cast<std::uint64_t*>(page_->data() + number * word_bytes));
}

bool OfiDirect::open_page() {
  constexpr std::uint64_t bytes = evidence_at + DirectSlots::slots * word_bytes;
  const auto use = needs_evidence(ofi_.fabric()) ? Region::Use::used_by_peers : Region::Use::read_by_peers;
  if (page_ == nullptr) page_ = Region::make(ofi_.fabric(), bytes, use);
  return page_ != nullptr;
}

// Words of the domain `cpu` are changed by messages, and so are all where no card does it.
Access OfiDirect::reached_for(const Exposed& region) const noexcept {
  const bool aligned = reinterpret_cast<std::uintptr_t>(region.bytes.data()) % word_bytes == 0;
  const bool by_card = region.atomics == AtomicDomain::nic && aligned && ofi_.fabric().changes_words();
  if (by_card || !allows(region.access, Access::atomic)) return region.access;
  return static_cast<Access>(static_cast<unsigned>(region.access) & ~static_cast<unsigned>(Access::atomic));
}

void OfiDirect::share(const Exposed& region) noexcept {
  if (region.in == nullptr || ended_ || shared_count_ == regions_max || !open_page()) return;
  const MutableBytes whole = region.in->bytes();
  if (region.bytes.data() < whole.data() ||
      region.bytes.data() + region.bytes.size() > whole.data() + whole.size())
    return;
  const Access access = reached_for(region);
  if (access == Access::none) return;
  std::size_t number = 0;
  while (number < shared_.size() && shared_[number]->state != Shared::State::free) ++number;
  if (number == shared_.size()) shared_.push_back(std::make_unique<Shared>());
  Shared& shared = *shared_[number];
  const auto offset = static_cast<std::size_t>(region.bytes.data() - whole.data());
  shared.region = Region::over(ofi_.fabric(), region.in->file(), offset, region.bytes.size(), access);
  if (shared.region == nullptr) return tell_refusal(region.bytes.size());
  shared.key = region.key;
  shared.access = access;
  shared.bytes = region.bytes;
  shared.in = region.in;
  shared.owner = this;
  shared.in->add(shared);
  ++shared_count_;
  word(number).store(shared.key);
  shared.state = Shared::State::to_tell;
  to_tell_ = !tell(shared, number) || to_tell_;
  if (to_tell_) ofi_.blocked(link_);
}

// No memory may be locked, or the provider refuses: messages do it.
void OfiDirect::tell_refusal(std::size_t bytes) noexcept {
  if (refused_++ == 0)
    ofi_.engine().log(LogLevel::warning, "ofi: a region of " + std::to_string(bytes) +
                                             " bytes could not be registered and is reached by messages; "
                                             "raise the limit of locked memory: ulimit -l unlimited");
}

bool OfiDirect::tell(Shared& shared, std::size_t number) noexcept {
  std::array<std::byte, wire::bytes_of<OfiShare> + wire::bytes_of<OfiSharePlace> +
                            wire::bytes_of<OfiShareKeys> + 2 * Region::key_bytes_max>
      tail;
  const Bytes key = shared.region->key();
  const Bytes page_key = page_->key();
  std::byte* at = tail.data();
  wire::encode(OfiShare{shared.key, shared.region->size()}, at);
  at += wire::bytes_of<OfiShare>;
  wire::encode(OfiSharePlace{shared.region->remote(shared.region->data()), page_->remote(page_->data())}, at);
  at += wire::bytes_of<OfiSharePlace>;
  wire::encode(OfiShareKeys{static_cast<std::uint8_t>(shared.access), static_cast<std::uint8_t>(key.size()),
                            static_cast<std::uint8_t>(page_key.size())},
               at);
  at += wire::bytes_of<OfiShareKeys>;
  at = std::copy(key.begin(), key.end(), at);
  at = std::copy(page_key.begin(), page_key.end(), at);
  if (!link_.note(OfiNote::Kind::share, number, {tail.data(), at})) return false;
  shared.state = Shared::State::told;
  return true;
}

void OfiDirect::withdraw(std::uint64_t key) noexcept {
  for (std::size_t number = 0; number < shared_.size(); ++number) {
    Shared& shared = *shared_[number];
    if (shared.key != key || shared.state == Shared::State::free) continue;
    if (shared.state == Shared::State::to_tell) return forget(shared);
    if (shared.state != Shared::State::told) return;
    return take_back(shared, number);
  }
}

void OfiDirect::take_back(Shared& shared, std::size_t number) noexcept {
  cut_off(shared, number);
  shared.state = Shared::State::to_withdraw;
  if (link_.note(OfiNote::Kind::withdraw, number)) {
    shared.state = Shared::State::withdrawn;
  } else {
    to_tell_ = true;
    ofi_.blocked(link_);
  }
}

// From here on nothing of the region is reached.
void OfiDirect::cut_off(Shared& shared, std::size_t number) noexcept {
  word(number).store(0);
  shared.unlink();
  if (ofi_.fabric().policy().is_card || !shared.region->orphan()) shared.region->retire();
  shared.in.reset();
  shared.lent.reset();
}

bool OfiDirect::on_withdrawn(std::uint64_t number) noexcept {
  if (ended_) return true;
  if (number >= shared_.size() || shared_[number]->state != Shared::State::withdrawn) return false;
  forget(*shared_[number]);
  return true;
}

void OfiDirect::forget(Shared& shared) noexcept {
  shared.unlink();
  shared.region.reset();
  shared.in.reset();
  shared.lent.reset();
  shared.is_refused = false;
  shared.key = 0;
  shared.state = Shared::State::free;
  --shared_count_;
}

void OfiDirect::leave() noexcept {
  sink_ = {};
  full_since_ = false;
  for (const auto& shared : shared_)
    if (shared->state == Shared::State::told || shared->state == Shared::State::to_tell)
      withdraw(shared->key);
}

bool OfiDirect::push_out() noexcept {
  if (ended_) {
    tell_lost();
    return true;
  }
  if (std::exchange(to_tell_, false))
    for (std::size_t number = 0; number < shared_.size(); ++number) {
      Shared& shared = *shared_[number];
      if (shared.state == Shared::State::to_tell) to_tell_ = !tell(shared, number) || to_tell_;
      if (shared.state != Shared::State::to_withdraw) continue;
      if (link_.note(OfiNote::Kind::withdraw, number))
        shared.state = Shared::State::withdrawn;
      else
        to_tell_ = true;
    }
  if (std::exchange(to_check_, false))
    for (std::size_t number = 0; number < windows_.size(); ++number)
      if (Window* window = windows_[number].get(); window != nullptr) {
        to_check_ = !start_check(*window) || to_check_;
        to_check_ = !close_window(*window, number) || to_check_;
      }
  if (sink_.self != nullptr && full_since_) {
    full_since_ = false;
    sink_.room(sink_.self);
  }
  return !to_tell_ && !to_check_ && !full_since_;
}

// Who may still write gets pages of nobody's. They and the page, its words of regions all 0, stay where they
// are and registered until the transport goes: a refused access would cost a software provider the
// connection, which other links use, too.
void OfiDirect::end() noexcept {
  if (std::exchange(ended_, true)) return;
  for (std::size_t number = 0; number < shared_.size(); ++number) {
    Shared& shared = *shared_[number];
    if (shared.state == Shared::State::free) continue;
    if (shared.state != Shared::State::withdrawn && shared.state != Shared::State::to_withdraw)
      cut_off(shared, number);
    ofi_.park(std::move(shared.region));
    shared.state = Shared::State::free;
  }
  if (page_ != nullptr) ofi_.park(std::move(page_));
  for (const auto& window : windows_)
    if (window != nullptr)
      for (Operation* list : {window->completed, window->in_check}) give_all(list);
  give_all(std::exchange(checked_, nullptr));
  ofi_.direct_slots().each(link_, [this](Operation& operation) {
    if (operation.kind != Operation::Kind::check) lost_.push_back(operation.ticket);
    ofi_.direct_slots().orphan(operation);
    left_any_ = true;
  });
  begun_ = 0;
}

void OfiDirect::give_all(Operation* list) noexcept {
  while (list != nullptr) {
    Operation& slot = *list;
    list = slot.next;
    if (slot.in_flight) continue;  // the provider still has it
    lost_.push_back(slot.ticket);
    ofi_.direct_slots().give(slot);
  }
}

void OfiDirect::tell_lost() {
  for (const std::uint64_t ticket : std::exchange(lost_, {}))
    if (sink_.self != nullptr) sink_.ended(sink_.self, ticket, Errc::peer_lost, {});
}

void OfiDirect::go() noexcept {
  end();
  tell_lost();
  const DirectSink sink = std::exchange(sink_, {});
  if (sink.self != nullptr) sink.gone(sink.self, *this);
}

void OfiDirect::describe(Describer& describer) const {
  describer.value("regions_shared", shared_count_);
  describer.value("regions_refused", refused_);
  describer.value("direct_puts", puts_);
  describer.value("direct_lent", lent_);
  describer.value("direct_gets", gets_);
  describer.value("direct_atomics", atomics_);
  describer.value("direct_checks", checks_);
  describer.value("direct_bytes_out", bytes_out_);
  describer.value("direct_bytes_in", bytes_in_);
  describer.value("direct_full", full_);
  describer.value("direct_not_found", not_found_);
}

}  // namespace harness::transports::ofi
