// SPDX-License-Identifier: Apache-2.0
// Memory for messages that the peer may read where they were written: one file, cut into blocks of powers of
// two.
//
// A binary buddy allocator over bits that lie in private memory; a block's slab header stands at its front,
// in the shared memory, where the peer may read but not change it. The lowest free block is taken, so that a
// sender that waits for its loans uses the same warm block again. Memory is made real block by block, and
// stays. An arena lives until its connection has closed it and the last message in it is gone.
// Source: Knuth, The Art of Computer Programming I, §2.5 (buddy system). Bound: the arena's bytes.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <harness/stack/message.hpp>
#include <harness/transports/shm/memory.hpp>

namespace harness::transports::shm {

/// Blocks of 2^order leaves in [0, leaves).
class Buddy {
 public:
  static constexpr unsigned orders = 20;

  explicit Buddy(unsigned top_order);
  /// The first leaf of a free block, or nothing.
  std::optional<std::uint64_t> take(unsigned order) noexcept;
  void give(std::uint64_t leaf, unsigned order) noexcept;

 private:
  [[nodiscard]] bool take_bit(unsigned order, std::uint64_t block) noexcept;
  unsigned top_;
  std::array<std::vector<std::uint64_t>, orders> free_;  // a bit a block
};

class Arena {
 public:
  static constexpr std::uint64_t leaf_bytes = 8192;

  struct Close {
    void operator()(Arena* arena) const noexcept { arena->close(); }
  };
  using Owner = std::unique_ptr<Arena, Close>;
  /// `bytes` is a power of two, at least a leaf; `file` is for the peer. Null when the system has no memory.
  static Owner make(std::uint64_t bytes, Descriptor& file) noexcept;

  /// A slab of `pool` with room for `capacity` bytes; null when there is no block.
  Slab* allocate(Pool& pool, std::uint64_t capacity) noexcept;
  [[nodiscard]] bool holds(const Slab* slab) const noexcept { return slab != nullptr && slab->owner == this; }
  /// Where in the arena `byte` stands. Requires: it is in a slab of this arena.
  [[nodiscard]] std::uint64_t offset_of(const std::byte* byte) const noexcept {
    return static_cast<std::uint64_t>(byte - memory_.file());
  }
  [[nodiscard]] unsigned alive() const noexcept { return alive_; }

 private:
  Arena(Memory memory, std::uint64_t bytes);
  static void give_back(Slab* slab) noexcept;
  void close() noexcept;
  [[nodiscard]] bool back(std::uint64_t leaf, std::uint64_t bytes) noexcept;

  Memory memory_;
  std::uint64_t bytes_;
  Buddy buddy_;
  std::vector<bool> backed_;  // a leaf each
  std::uint64_t solid_ = 0;   // leaves from the first one on that all are
  unsigned alive_ = 0;
  bool closed_ = false;
};

}  // namespace harness::transports::shm
