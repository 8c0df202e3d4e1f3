// SPDX-License-Identifier: Apache-2.0
// Large frames that a link has offered to its peer: where their bytes lie until the peer has read them.
//
// Each link has an arena of its own, registered for reading by peers when the first large frame is sent: a
// key opens a whole arena, and one peer's key must not open what goes to another. Frames lie in it one behind
// the other, as in a ring, and are given back in any order; room comes back from the oldest on. A link that
// never sends a large frame has no arena. Bounds: wire::OfiOffer::slots frames, the arena's bytes.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include <harness/stack/message.hpp>
#include <harness/transports/ofi/memory.hpp>
#include <harness/transports/wire/ofi.hpp>

namespace harness::transports::ofi {

class Offers {
 public:
  static constexpr unsigned slots = wire::OfiOffer::slots;
  static constexpr int none = -1;

  explicit Offers(std::unique_ptr<Region> arena) noexcept : arena_(std::move(arena)) {}

  /// Copies a frame in; its slot, or `none` when there is no room. [stack-thread]
  int place(const Message& frame) noexcept {
    const std::uint64_t bytes = (std::uint64_t{frame.size()} + 63) / 64 * 64;
    if (next_ - oldest_ == slots) return none;
    std::uint64_t begin = head_;
    const std::uint64_t size = arena_->size();
    if (begin % size + bytes > size)
      begin += size - begin % size;  // never split: the rest of the lap is left
    if (begin + bytes - tail_ > size) return none;
    const auto slot = static_cast<unsigned>(next_ % slots);
    out_[slot] = {begin, begin + bytes, frame.size(), true};
    frame.copy_to(arena_->data() + begin % size);
    head_ = begin + bytes;
    ++next_;
    return static_cast<int>(slot);
  }
  [[nodiscard]] wire::OfiOffer offer(int slot) const noexcept {
    const Placed& placed = out_[static_cast<unsigned>(slot)];
    return {arena_->remote(arena_->data() + placed.begin % arena_->size()), placed.bytes,
            static_cast<std::uint8_t>(slot), static_cast<std::uint8_t>(arena_->key().size())};
  }
  [[nodiscard]] Bytes key() const noexcept { return arena_->key(); }
  /// The peer has read it; false when it was not out.
  bool taken(unsigned slot) noexcept {
    if (slot >= slots || !out_[slot].is_out) return false;
    out_[slot].is_out = false;
    while (oldest_ != next_ && !out_[oldest_ % slots].is_out) tail_ = out_[oldest_++ % slots].end;
    return true;
  }
  [[nodiscard]] bool empty() const noexcept { return oldest_ == next_; }

 private:
  struct Placed {
    std::uint64_t begin = 0, end = 0;  // bytes since the link began
    std::uint32_t bytes = 0;
    bool is_out = false;
  };
  std::unique_ptr<Region> arena_;
  std::array<Placed, slots> out_{};
  std::uint64_t head_ = 0, tail_ = 0;
  std::uint64_t next_ = 0, oldest_ = 0;  // frames
};

}  // namespace harness::transports::ofi
