// SPDX-License-Identifier: Apache-2.0
// The slow side of the pools: growth in chunks, large slabs, pieces.
#include <harness/stack/pool.hpp>

#include <cstdlib>
#include <new>

namespace harness {

namespace {
constexpr std::uint64_t chunk_bytes_min = 16 * 1024;  // small, so that an idle link costs little
constexpr std::size_t pieces_per_chunk = 64;
void* heap(std::size_t bytes) noexcept { return std::aligned_alloc(64, (bytes + 63) / 64 * 64); }
}  // namespace

void Quota::wake() noexcept {
  if (abandoned_) {
    if (used_bytes_ == 0) delete this;
    return;
  }
  for (Watch* const watch : {&limit_watch_, &credit_watch_}) {
    if (used_bytes_ >= watch->below_bytes) continue;
    const Watch due = *watch;
    set(*watch, 0, nullptr, nullptr);
    due.notify(due.self);
  }
}

Pool::~Pool() {
  drop_spares();
  while (chunks_ != nullptr) {
    Chunk* next = chunks_->next;
    std::free(chunks_);
    chunks_ = next;
  }
}

void* Pool::take_chunk(std::uint64_t bytes) noexcept {
  const std::uint64_t total = bytes + 64;  // the chunk header keeps the slabs aligned
  if (!make_way(total)) return nullptr;
  void* raw = heap(total);
  if (raw == nullptr) return nullptr;
  chunks_ = new (raw) Chunk{chunks_, total};
  held_bytes_ += total;
  ++grown_count_;
  return static_cast<std::byte*>(raw) + 64;
}

bool Pool::grow(std::uint32_t size_class) noexcept {
  const std::uint64_t each = class_bytes[size_class];
  // Half of what there is already, so that growth is rare under load and an idle pool stays small.
  std::uint64_t count = made_[size_class] / 2;
  if (count * each < chunk_bytes_min) count = (chunk_bytes_min + each - 1) / each;
  if (count * each > (std::uint64_t{4} << 20)) count = (std::uint64_t{4} << 20) / each;
  auto* raw = static_cast<std::byte*>(take_chunk(count * each));
  if (raw == nullptr && count > 1) raw = static_cast<std::byte*>(take_chunk((count = 1) * each));
  if (raw == nullptr) return false;
  for (std::uint64_t i = 0; i < count; ++i) {
    Slab* slab = new (raw + i * each) Slab;
    slab->pool = this;
    slab->capacity = capacity_of(size_class);
    slab->size_class = size_class;
    free_[size_class].push_front(*slab);
  }
  made_[size_class] += count;
  return true;
}

Slab* Pool::allocate_slow(std::uint32_t size_class, std::uint32_t capacity, Quota* quota) noexcept {
  if (size_class != large) return grow(size_class) ? allocate(capacity, quota) : nullptr;
  Slab* slab = take_spare(capacity);
  if (slab == nullptr) {
    const std::uint64_t total = sizeof(Slab) + std::uint64_t{capacity};
    slab = make_way(total) ? allocate_detached(capacity) : nullptr;
    if (slab == nullptr) return nullptr;
    slab->pool = this;
    held_bytes_ += total;
    ++grown_count_;
  }
  slab->quota = quota;
  if (quota != nullptr) quota->charge(slab->charge_bytes());
  ++other_alive_;
  return slab;
}

// One that is large enough, and not twice as large. The one given back last comes first: caches hold it.
Slab* Pool::take_spare(std::uint32_t capacity) noexcept {
  for (auto before = spares_.before_begin(), at = spares_.begin(); at != spares_.end(); before = at++) {
    Slab& slab = *at;
    if (slab.capacity < capacity || slab.capacity / 2 > capacity) continue;
    spares_.erase_after(before);
    spare_bytes_ -= slab.total_bytes();
    slab.references = 1;
    slab.wanted = capacity;
    return &slab;
  }
  return nullptr;
}

// Within the limit? What is only kept gives way.
bool Pool::make_way(std::uint64_t bytes) noexcept {
  if (held_bytes_ + bytes > limit_bytes_) drop_spares();
  return held_bytes_ + bytes <= limit_bytes_;
}

void Pool::drop_spares() noexcept {
  while (!spares_.empty()) {
    Slab& slab = spares_.front();
    spares_.pop_front();
    held_bytes_ -= slab.total_bytes();
    std::free(&slab);
  }
  spare_bytes_ = 0;
}

Slab* Pool::allocate_detached(std::uint32_t capacity) noexcept {
  void* raw = heap(sizeof(Slab) + std::size_t{capacity});
  if (raw == nullptr) return nullptr;
  Slab* slab = new (raw) Slab;
  slab->capacity = slab->wanted = capacity;
  slab->size_class = large;
  return slab;
}

Slab* Pool::adopt(void* where, std::uint32_t capacity, void* owner, Slab::GiveBack give_back) noexcept {
  Slab* slab = new (where) Slab;
  slab->pool = this;
  slab->capacity = slab->wanted = capacity;
  slab->size_class = foreign;
  slab->owner = owner;
  slab->give_back = give_back;
  ++other_alive_;
  return slab;
}

void Pool::recycle_other(Slab* slab) noexcept {
  Quota* const quota = slab->quota;
  const std::uint64_t charged = slab->charge_bytes();
  if (slab->pool != nullptr) --slab->pool->other_alive_;
  if (slab->size_class == foreign) {
    slab->give_back(slab);
  } else if (slab->pool == nullptr || !slab->pool->keep_spare(*slab)) {
    if (slab->pool != nullptr) slab->pool->held_bytes_ -= slab->total_bytes();
    std::free(slab);
  }
  if (quota != nullptr) quota->release(charged);
}

bool Pool::keep_spare(Slab& slab) noexcept {
  if (spare_bytes_ + slab.total_bytes() > limit_bytes_ / spare_share) return false;
  spare_bytes_ += slab.total_bytes();
  spares_.push_front(slab);
  return true;
}

bool Pool::grow_pieces() noexcept {
  auto* raw = static_cast<std::byte*>(take_chunk(pieces_per_chunk * sizeof(Piece)));
  if (raw == nullptr) return false;
  for (std::size_t i = 0; i < pieces_per_chunk; ++i)
    release_piece(new (raw + i * sizeof(Piece)) Piece{{}, this, nullptr, nullptr, 0, nullptr});
  return true;
}

std::uint64_t Pool::alive_count() const noexcept {
  std::uint64_t alive = other_alive_;
  for (std::size_t i = 0; i < free_.size(); ++i) alive += made_[i] - free_[i].size();
  return alive;
}

}  // namespace harness
