// SPDX-License-Identifier: Apache-2.0
// Large frames that a link has offered to its peer: where their bytes lie until the peer has read them.
//
// Each link has an arena of its own, registered for reading by peers when the first large frame is made or
// sent: a key opens a whole arena, and one peer's key must not open what goes to another. A link that never
// sends a large frame has no arena. It has two halves. In the one lie copies of frames that came in other
// memory. In the other lie messages that the application was given to write (Endpoint::make): these are
// offered as they are, without a copy, and stay until the peer has read them and nobody else refers to them.
// Halves, because an application may keep a message for as long as it likes: that must not stop the copies.
// A message may outlive its link: then the arena stays mapped, and is the provider's no more.
// Bounds: wire::OfiOffer::slots offers; the arena's bytes; a made message that finds no room comes from the
// pool and is copied.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <memory>

#include <harness/stack/message.hpp>
#include <harness/transports/ofi/memory.hpp>
#include <harness/transports/ofi/ring.hpp>
#include <harness/transports/wire/ofi.hpp>

namespace harness::transports::ofi {

class Offers {
 public:
  static constexpr unsigned slots = wire::OfiOffer::slots;
  static constexpr int none = -1;
  static constexpr std::uint64_t out_bytes_max = 512 * 1024;  // of several made messages

  struct Retire {
    void operator()(Offers* offers) const noexcept { offers->retire(); }
  };
  /// The link's; the last message made here may free it later.
  using Owner = std::unique_ptr<Offers, Retire>;

  /// Registers two halves of `half_bytes` each; null when there is no memory or it cannot be registered.
  static Owner make(Fabric& fabric, std::size_t half_bytes);
  Offers(const Offers&) = delete;
  Offers& operator=(const Offers&) = delete;

  /// A writable message of `bytes` in the arena; empty when there is no room. [stack-thread]
  Message message(Pool& pool, std::uint32_t bytes) noexcept;
  /// Puts a frame where the peer may read it, which costs a copy unless it was made here; its slot, or `none`
  /// when there is no room. [stack-thread]
  int place(const Message& frame) noexcept;
  [[nodiscard]] wire::OfiOffer offer(int slot) const noexcept;
  [[nodiscard]] Bytes key() const noexcept { return arena_->key(); }
  /// Whether the frame in this slot was not copied.
  [[nodiscard]] bool is_made_here(int slot) const noexcept {
    return out_[static_cast<unsigned>(slot)].slab != nullptr;
  }
  /// The peer has read it; false when it was not out.
  bool taken(unsigned slot) noexcept;
  [[nodiscard]] bool empty() const noexcept { return free_ == all_free; }
  /// Of all frames that are out.
  [[nodiscard]] std::uint64_t out_bytes() const noexcept {
    std::uint64_t bytes = 0;
    for (std::uint64_t out = ~free_; out != 0; out &= out - 1)
      bytes += out_[static_cast<unsigned>(std::countr_zero(out))].bytes;
    return bytes;
  }
  /// So much of what was made here is out that who sends had better wait: what it makes next would find no
  /// room and be copied, or lie in memory that no cache holds any more.
  [[nodiscard]] bool is_full() const noexcept {
    const bool several = std::popcount(free_) < static_cast<int>(slots) - 1;
    return made_out_ > half_bytes_ / 2 || (several && made_out_ > out_bytes_max);
  }

 private:
  static constexpr std::uint64_t all_free = ~std::uint64_t{0};
  static_assert(slots == 64);
  struct Placed {
    const std::byte* at = nullptr;
    std::uint32_t bytes = 0;
    int block = Ring::none;  // of the copies
    Slab* slab = nullptr;    // of a message made here, referred to until it is taken
  };

  Offers(std::unique_ptr<Region> arena, std::size_t half_bytes) noexcept
      : arena_(std::move(arena)), copies_(half_bytes), made_(half_bytes), half_bytes_(half_bytes) {}
  ~Offers() = default;
  void retire() noexcept;
  void release() noexcept;
  static void give_back(Slab* slab) noexcept;
  [[nodiscard]] std::byte* second_half() const noexcept { return arena_->data() + half_bytes_; }
  [[nodiscard]] bool copy(const Message& frame, Placed& to) noexcept;

  std::unique_ptr<Region> arena_;
  Ring copies_, made_;
  std::size_t half_bytes_;
  std::array<Placed, slots> out_{};
  std::uint64_t free_ = all_free;  // a bit a slot
  std::uint64_t made_out_ = 0;     // bytes of made messages that are out
  std::uint64_t holders_ = 1;      // the link and the messages made here
};

}  // namespace harness::transports::ofi
