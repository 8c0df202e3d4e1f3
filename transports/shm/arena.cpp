// SPDX-License-Identifier: Apache-2.0
// See arena.hpp.
#include <harness/transports/shm/arena.hpp>

#include <algorithm>
#include <bit>

namespace harness::transports::shm {

Buddy::Buddy(unsigned top_order) : top_(top_order) {
  for (unsigned order = 0; order <= top_; ++order)
    free_[order].resize(((std::size_t{1} << (top_ - order)) + 63) / 64);
  free_[top_][0] = 1;
}

std::optional<std::uint64_t> Buddy::take(unsigned order) noexcept {
  for (unsigned from = order; from <= top_; ++from) {
    auto& words = free_[from];
    const auto word = std::find_if(words.begin(), words.end(), [](std::uint64_t bits) { return bits != 0; });
    if (word == words.end()) continue;
    const auto bit = static_cast<unsigned>(std::countr_zero(*word));
    *word &= *word - 1;
    std::uint64_t block = static_cast<std::uint64_t>(word - words.begin()) * 64 + bit;
    for (; from > order; --from) {  // the upper half of each cut is free
      block *= 2;
      free_[from - 1][(block + 1) / 64] |= std::uint64_t{1} << (block + 1) % 64;
    }
    return block << order;
  }
  return std::nullopt;
}

bool Buddy::take_bit(unsigned order, std::uint64_t block) noexcept {
  std::uint64_t& word = free_[order][block / 64];
  const std::uint64_t bit = std::uint64_t{1} << block % 64;
  const bool was_free = (word & bit) != 0;
  word &= ~bit;
  return was_free;
}

void Buddy::give(std::uint64_t leaf, unsigned order) noexcept {
  std::uint64_t block = leaf >> order;
  for (; order < top_ && take_bit(order, block ^ 1); ++order) block /= 2;
  free_[order][block / 64] |= std::uint64_t{1} << block % 64;
}

Arena::Arena(Memory memory, std::uint64_t bytes)
    : memory_(std::move(memory)), bytes_(bytes),
      buddy_(static_cast<unsigned>(std::countr_zero(bytes / leaf_bytes))), backed_(bytes / leaf_bytes) {}

Arena::Owner Arena::make(std::uint64_t bytes, Descriptor& file) noexcept {
  Memory memory = Memory::make({0, bytes, bytes}, file);
  return Owner(memory ? new Arena(std::move(memory), bytes) : nullptr);
}

Slab* Arena::allocate(Pool& pool, std::uint64_t capacity) noexcept {
  const std::uint64_t bytes = std::bit_ceil(std::max(sizeof(Slab) + capacity, leaf_bytes));
  if (bytes > bytes_) return nullptr;
  const auto order = static_cast<unsigned>(std::countr_zero(bytes / leaf_bytes));
  const auto leaf = buddy_.take(order);
  if (!leaf) return nullptr;
  if (!back(*leaf, sizeof(Slab) + capacity)) {
    buddy_.give(*leaf, order);
    return nullptr;
  }
  ++alive_;
  return pool.adopt(memory_.file() + *leaf * leaf_bytes, static_cast<std::uint32_t>(bytes - sizeof(Slab)),
                    this, &give_back);
}

// Leaves that have had memory once keep it. Blocks are taken from the front, so mostly nothing is looked up.
bool Arena::back(std::uint64_t leaf, std::uint64_t bytes) noexcept {
  const std::uint64_t end = leaf + (bytes + leaf_bytes - 1) / leaf_bytes;
  if (end <= solid_) return true;
  const auto first = backed_.begin() + static_cast<std::ptrdiff_t>(leaf);
  const auto last = backed_.begin() + static_cast<std::ptrdiff_t>(end);
  if (std::find(first, last, false) == last) return true;
  if (!memory_.back(leaf * leaf_bytes, bytes)) return false;
  std::fill(first, last, true);
  while (solid_ < backed_.size() && backed_[solid_]) ++solid_;
  return true;
}

void Arena::give_back(Slab* slab) noexcept {
  auto* arena = static_cast<Arena*>(slab->owner);
  const std::uint64_t leaf = arena->offset_of(reinterpret_cast<const std::byte*>(slab)) / leaf_bytes;
  const std::uint64_t bytes = slab->total_bytes();
  arena->buddy_.give(leaf, static_cast<unsigned>(std::countr_zero(bytes / leaf_bytes)));
  if (--arena->alive_ == 0 && arena->closed_) delete arena;
}

void Arena::close() noexcept {
  closed_ = true;
  if (alive_ == 0) delete this;
}

}  // namespace harness::transports::shm
