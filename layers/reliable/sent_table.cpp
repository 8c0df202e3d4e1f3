// SPDX-License-Identifier: Apache-2.0
// Growing and emptying the ring, and moving packets between its lists.
#include <harness/layers/reliable/sent_table.hpp>

#include <algorithm>
#include <memory>

namespace harness::layers {

namespace {

Slab* slab_of(Sent* ring) noexcept {
  return reinterpret_cast<Slab*>(reinterpret_cast<std::byte*>(ring) - sizeof(Slab));
}

}  // namespace

bool SentTable::make_room(Pool& pool) noexcept {
  // Number 0 means "none" in the lists, so the one number in 2^32 whose low bits are 0 is left out.
  if (room() != 0 && static_cast<std::uint32_t>(next_) == 0) skip();
  if (room() != 0) return true;
  if (capacity_ == packets_max) {
    retire(~std::uint64_t{0});
    return room() != 0;
  }
  const std::uint32_t wider = std::max(packets_min, 2 * capacity_);
  Slab* slab = pool.allocate(wider * sizeof(Sent));
  if (slab == nullptr) return false;
  auto* ring = reinterpret_cast<Sent*>(slab->bytes());
  std::uninitialized_default_construct_n(ring, wider);
  for (std::uint64_t number = first_; number != next_; ++number)
    ring[number & (wider - 1)] = std::move(at(static_cast<std::uint32_t>(number)));
  give_back();
  ring_ = ring;
  capacity_ = wider;
  return make_room(pool);
}

void SentTable::take_out(std::uint32_t number) noexcept {
  Sent& sent = at(number);
  if (sent.state == Sent::State::flying) return unlink(flying_, sent);
  if (sent.state != Sent::State::lost) return;
  if (sent.data) return unlink(lost_, sent);
  unlink(ghosts_, sent);
  --ghost_count_;
}

void SentTable::mark_lost(std::uint32_t number) noexcept {
  take_out(number);
  at(number).state = Sent::State::lost;
  if (at(number).data) return push(lost_, number);
  haunt(number);
}

// The oldest ghost makes place: whether it arrives after all will not be known.
void SentTable::haunt(std::uint32_t number) noexcept {
  push(ghosts_, number);
  if (++ghost_count_ > ghosts_max) mark_done(ghosts_.front);
}

Retained SentTable::take_data(std::uint32_t number) noexcept {
  Sent& sent = at(number);
  if (sent.state != Sent::State::lost) return std::move(sent.data);
  take_out(number);
  Retained data = std::move(sent.data);
  haunt(number);
  return data;
}

void SentTable::mark_done(std::uint32_t number) noexcept {
  take_out(number);
  at(number).state = Sent::State::done;
}

void SentTable::retire(std::uint64_t forget_ns) noexcept {
  while (!ghosts_.empty() && at(ghosts_.front).sent_ns <= forget_ns) mark_done(ghosts_.front);
  for (; first_ != next_; ++first_) {
    const Sent::State state = at(static_cast<std::uint32_t>(first_)).state;
    if (state == Sent::State::flying || state == Sent::State::lost) return;
  }
}

void SentTable::give_back() noexcept {
  if (ring_ == nullptr) return;
  std::destroy_n(ring_, capacity_);
  Pool::release(slab_of(ring_));
  ring_ = nullptr;
}

void SentTable::clear() noexcept {
  give_back();
  capacity_ = 0;
  flying_ = lost_ = ghosts_ = {};
  ghost_count_ = 0;
  first_ = next_;
}

void SentTable::take(SentTable& other) noexcept {
  clear();
  ring_ = std::exchange(other.ring_, nullptr);
  capacity_ = std::exchange(other.capacity_, 0);
  flying_ = std::exchange(other.flying_, {});
  lost_ = std::exchange(other.lost_, {});
  ghosts_ = std::exchange(other.ghosts_, {});
  ghost_count_ = std::exchange(other.ghost_count_, 0);
  first_ = other.first_;
  next_ = other.next_;
  other.first_ = other.next_;
}

}  // namespace harness::layers
