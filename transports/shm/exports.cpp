// SPDX-License-Identifier: Apache-2.0
// See exports.hpp.
#include <harness/transports/shm/exports.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ctime>

#include <fcntl.h>
#include <sched.h>

#include <harness/transports/shm/barrier.hpp>
#include <harness/transports/shm/connection.hpp>
#include <harness/transports/shm/ring.hpp>

namespace harness::transports::shm {

namespace {

// The engine's clock stands still during a turn.
std::uint64_t now_ns() noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

bool is_full() noexcept { return errno == EAGAIN || errno == ENOBUFS || errno == EINTR; }

// The same file, for reading alone; empty where there is no /proc.
Descriptor for_reading(int file) noexcept {
  std::array<char, 32> path{};
  std::snprintf(path.data(), path.size(), "/proc/self/fd/%d", file);
  return Descriptor(open(path.data(), O_RDONLY | O_CLOEXEC));
}

}  // namespace

Exports::Exports(Connection& connection) noexcept : connection_(connection), barriers_(can_make_barriers()) {
  for (Shared& shared : memories_) shared.owner = this;
}

unsigned Exports::count() const noexcept {
  return static_cast<unsigned>(
      std::count_if(regions_.begin(), regions_.end(), [](const Region& one) { return one.key != 0; }));
}

// ---- sharing ----

bool Exports::lies_in(const Exposed& region) noexcept {
  const MutableBytes all = region.in->bytes();
  const auto first = reinterpret_cast<std::uintptr_t>(all.data());
  const auto at = reinterpret_cast<std::uintptr_t>(region.bytes.data());
  return at >= first && at - first <= all.size() && region.bytes.size() <= all.size() - (at - first);
}

Exports::Shared* Exports::share(const std::shared_ptr<RegionMemory>& memory, bool writable) noexcept {
  using State = Shared::State;
  const auto has = std::find_if(memories_.begin(), memories_.end(), [&](const Shared& one) {
    return one.memory == memory && one.writable == writable;
  });
  if (has != memories_.end()) return &*has;
  const auto free = std::find_if(memories_.begin(), memories_.end(),
                                 [](const Shared& one) { return one.state == State::free; });
  if (free == memories_.end()) return nullptr;
  free->memory = memory;
  free->writable = writable;
  free->state = State::waits;
  memory->add(*free);
  return &*free;
}

void Exports::add(const Exposed& region) noexcept {
  Region& place = regions_[region.key % regions_max];
  if (region.in == nullptr || region.access == Access::none || place.key != 0 || !lies_in(region)) return;
  const bool writable = allows(region.access, Access::write) || allows(region.access, Access::atomic);
  Shared* const shared = share(region.in, writable);
  if (shared == nullptr) return;
  ++shared->regions;
  const auto offset = static_cast<std::uint64_t>(region.bytes.data() - region.in->bytes().data());
  place = {region.key, offset, region.bytes.size(), region.access, slot_of(*shared), false};
  owes_ = true;
}

bool Exports::tell(const Descriptor& socket) noexcept {
  using State = Shared::State;
  if (!owes_ || mine_ == nullptr || !socket) return true;
  for (Shared& shared : memories_)
    if (shared.state == State::ends && !tell_end(socket, shared)) return false;
  for (Shared& shared : memories_)
    if (shared.state == State::waits && !tell_memory(socket, shared)) return false;
  for (Region& region : regions_)
    if (region.key != 0 && !region.told && !tell_region(socket, region)) return false;
  owes_ = false;
  return true;
}

bool Exports::tell_end(const Descriptor& socket, Shared& shared) noexcept {
  const wire::ShmMemory end{.kind = wire::ShmPacket::Kind::drop, .slot = slot_of(shared)};
  if (!send_packet(socket, end) && is_full()) return false;
  shared.state = Shared::State::free;
  return true;
}

// What the system does not let through (too many descriptors on their way, no /proc) goes by messages.
bool Exports::tell_memory(const Descriptor& socket, Shared& shared) noexcept {
  const Descriptor reading = shared.writable ? Descriptor() : for_reading(shared.memory->file());
  const int file = shared.writable ? shared.memory->file() : reading.get();
  const unsigned flags =
      (shared.writable ? wire::ShmMemory::writable : 0u) | (barriers_ ? wire::ShmMemory::barriers : 0u);
  const wire::ShmMemory packet{.slot = slot_of(shared),
                               .flags = static_cast<std::uint16_t>(flags),
                               .bytes = shared.memory->bytes().size()};
  if (file >= 0 && send_packet(socket, packet, file)) {
    shared.state = Shared::State::told;
  } else if (file >= 0 && is_full()) {
    return false;
  } else {
    forget_all(shared);
  }
  return true;
}

// Its key stands in the table before the peer can read it there.
bool Exports::tell_region(const Descriptor& socket, Region& region) noexcept {
  const wire::ShmRegion packet{
      .slot = region.slot, .access = static_cast<std::uint16_t>(region.access), .key = region.key};
  store_shared(mine_->live[region.key % regions_max], region.key);
  region.told = send_region(socket, packet, {region.offset, region.bytes});
  if (region.told) return true;
  store_shared(mine_->live[region.key % regions_max], std::uint64_t{0});
  if (is_full()) return false;
  forget(region);
  return true;
}

// ---- taking back ----

void Exports::take_off(const Region& region) noexcept {
  if (region.told) store_shared(mine_->live[region.key % regions_max], std::uint64_t{0});
}

// With its last region a memory goes, too.
void Exports::forget(Region& region) noexcept {
  Shared& shared = memories_[region.slot];
  region = {};
  if (--shared.regions != 0) return;
  shared.unlink();
  shared.memory.reset();
  const bool told = shared.state == Shared::State::told;
  shared.state = told ? Shared::State::ends : Shared::State::free;
  owes_ = owes_ || told;
}

void Exports::forget_all(const Shared& shared) noexcept {
  const std::uint8_t slot = slot_of(shared);
  for (Region& region : regions_)
    if (region.key != 0 && region.slot == slot) forget(region);
}

// Every region of a memory; gives the places that the peer has been told of.
Exports::Places Exports::take_off(const Shared& shared) noexcept {
  Places told;
  for (const Region& region : regions_) {
    if (region.key == 0 || region.slot != slot_of(shared)) continue;
    take_off(region);
    told.set(region.key % regions_max, region.told);
  }
  return told;
}

bool Exports::withdraw(std::uint64_t key) noexcept {
  Region& region = regions_[key % regions_max];
  if (key == 0 || region.key != key) return true;
  take_off(region);
  const bool left = !region.told || has_left(Places().set(key % regions_max));
  const std::shared_ptr<RegionMemory> memory = memories_[region.slot].memory;
  ++counts_.withdrawn;
  forget(region);
  return left || orphan(memory);
}

bool Exports::withdraw_all() noexcept {
  std::array<Places, memories_max> told;
  for (unsigned slot = 0; slot < memories_max; ++slot) told[slot] = take_off(memories_[slot]);
  bool safe = true;
  for (unsigned slot = 0; slot < memories_max; ++slot) {
    const std::shared_ptr<RegionMemory> memory = memories_[slot].memory;
    if (told[slot].none() || memory == nullptr) continue;  // none, or exchanged by another slot of it
    const bool left = has_left(told[slot]);
    counts_.withdrawn += told[slot].count();
    forget_all(memories_[slot]);
    safe = (left || orphan(memory)) && safe;
  }
  for (Region& region : regions_)
    if (region.key != 0) forget(region);
  return safe;
}

// Another peer of this memory does not answer. Ours may be writing, too, and what it knows to be delivered
// must be copied to the fresh pages; what it had begun in a region that was revoked is void anyway.
void Exports::pages_go(Shared& shared) noexcept {
  const Places told = take_off(shared);
  const std::uint64_t flight = theirs_ != nullptr ? load_shared(theirs_->flight) : 0;
  const bool is_void = (flight & 1) != 0 && flight == mine_->abandoned;
  const bool left = told.none() || has_left(told) || is_void;
  forget_all(shared);
  connection_.tell_shares();
  if (!left) connection_.end_stuck();
}

bool Exports::orphan(const std::shared_ptr<RegionMemory>& memory) noexcept {
  ++counts_.orphaned;
  return memory->renew();
}

// Whether the peer has left those places, if it was in one when this began. False: it does not answer, as it
// did not before, and is told so; or its barrier cannot be had. The last barrier is for what it has stored
// until now.
bool Exports::has_left(const Places& places) noexcept {
  if (!make_order()) return false;
  const std::uint64_t flight = load_shared(theirs_->flight);
  const bool inside = places.test((flight >> 1) % regions_max) || places.test((flight >> 9) % regions_max);
  if ((flight & 1) == 0 || !inside) return true;
  if (flight == mine_->abandoned) return false;
  const std::uint64_t until_ns = now_ns() + answer_ns;
  for (unsigned look = 1; load_shared(theirs_->flight) == flight; ++look) {
    if (look % 64 != 0) continue;
    if (connection_.peer_is_gone()) return true;
    if (now_ns() < until_ns) {
      sched_yield();
      continue;
    }
    store_shared(mine_->abandoned, flight);
    static_cast<void>(make_order());
    return false;
  }
  return true;
}

bool Exports::make_order() const noexcept {
  if (barriers_) return make_barrier();
  fence();
  return true;
}

}  // namespace harness::transports::shm
