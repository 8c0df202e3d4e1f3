// SPDX-License-Identifier: Apache-2.0
// See offers.hpp.
#include <harness/transports/ofi/offers.hpp>

#include <bit>
#include <new>
#include <utility>

namespace harness::transports::ofi {

Offers::Owner Offers::make(Fabric& fabric, std::size_t half_bytes) {
  auto arena = Region::make(fabric, 2 * half_bytes, Region::Use::read_by_peers);
  return arena != nullptr ? Owner(new (std::nothrow) Offers(std::move(arena), half_bytes)) : nullptr;
}

// ---- messages made here ----

Message Offers::message(Pool& pool, std::uint32_t bytes) noexcept {
  const std::uint32_t capacity = Message::headroom_bytes + bytes;
  const int block = made_.take(sizeof(Slab) + std::uint64_t{capacity});
  if (block == Ring::none) return {};
  std::byte* const at = second_half() + made_.offset(static_cast<unsigned>(block));
  ++holders_;
  return Message::over(pool.adopt(at, capacity, this, &give_back), bytes);
}

void Offers::give_back(Slab* slab) noexcept {
  auto& offers = *static_cast<Offers*>(slab->owner);
  const auto offset = reinterpret_cast<std::byte*>(slab) - offers.second_half();
  const int block = offers.made_.at(static_cast<std::uint64_t>(offset));
  offers.made_.give(static_cast<unsigned>(block));
  offers.release();
}

// What is still out was read, or never will be: the link has ended.
void Offers::retire() noexcept {
  arena_->retire();
  for (; free_ != all_free; taken(static_cast<unsigned>(std::countr_one(free_)))) {
  }
  release();
}

void Offers::release() noexcept {
  if (--holders_ == 0) delete this;
}

// ---- offers ----

int Offers::place(const Message& frame) noexcept {
  if (free_ == 0) return none;
  const int slot = std::countr_zero(free_);
  Placed placed;
  placed.bytes = frame.size();
  Slab* const home = frame.home();
  if (home != nullptr && home->size_class == Pool::foreign && home->owner == this) {
    placed.at = frame.run().data();
    placed.slab = home;
    Pool::retain(home);
    made_out_ += placed.bytes;
  } else if (!copy(frame, placed)) {
    return none;
  }
  out_[static_cast<unsigned>(slot)] = placed;
  free_ &= ~(std::uint64_t{1} << slot);
  return slot;
}

bool Offers::copy(const Message& frame, Placed& to) noexcept {
  to.block = copies_.take(frame.size());
  if (to.block == Ring::none) return false;
  std::byte* const at = arena_->data() + copies_.offset(static_cast<unsigned>(to.block));
  frame.copy_to(at);
  to.at = at;
  return true;
}

wire::OfiOffer Offers::offer(int slot) const noexcept {
  const Placed& placed = out_[static_cast<unsigned>(slot)];
  return {arena_->remote(placed.at), placed.bytes, static_cast<std::uint8_t>(slot),
          static_cast<std::uint8_t>(arena_->key().size())};
}

bool Offers::taken(unsigned slot) noexcept {
  if (slot >= slots || (free_ >> slot & 1) != 0) return false;
  free_ |= std::uint64_t{1} << slot;
  Placed& placed = out_[slot];
  if (Slab* const slab = std::exchange(placed.slab, nullptr); slab != nullptr) {
    made_out_ -= placed.bytes;
    Pool::release(slab);  // it may free a message of the application's, never this
  } else {
    copies_.give(static_cast<unsigned>(placed.block));
  }
  return true;
}

}  // namespace harness::transports::ofi
