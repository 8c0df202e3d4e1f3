// SPDX-License-Identifier: Apache-2.0
// The regions that the peer has shared, mapped here.
//
// The peer names a memory once, with its descriptor, then the regions in it. Nothing it says is believed: the
// file must be memory (tmpfs) of the size that is said, sealed so that it can never shrink, and have all its
// pages, so that touching it raises no signal; a region must lie inside and may not allow more than its
// mapping does. A mapping stands until the peer drops it or the connection ends.
// Bounds: `regions_max` regions, by key modulo that, and `memories_max` mappings.
// Source: fcntl(2) "File Sealing".
#pragma once

#include <array>
#include <cstdint>

#include <harness/stack/region.hpp>
#include <harness/transports/shm/memory.hpp>
#include <harness/transports/wire/shm.hpp>

namespace harness::transports::shm {

struct Import {
  std::uint64_t key = 0;  // 0: none
  std::byte* at = nullptr;
  std::uint64_t bytes = 0;
  Access access = Access::none;
  std::uint8_t slot = 0;

  [[nodiscard]] bool takes(std::uint64_t offset, std::uint64_t length, Access need) const noexcept {
    return allows(access, need) && offset <= bytes && length <= bytes - offset;
  }
  /// The word at `offset`, or null when it is not all inside, not aligned, or not for atomics.
  [[nodiscard]] std::uint64_t* word(std::uint64_t offset) const noexcept {
    if (!takes(offset, sizeof(std::uint64_t), Access::atomic)) return nullptr;
    auto* const place = reinterpret_cast<std::uint64_t*>(at + offset);
    return reinterpret_cast<std::uintptr_t>(place) % sizeof *place == 0 ? place : nullptr;
  }
};

class Imports {
 public:
  static constexpr unsigned regions_max = wire::ShmPage::regions_max;
  static constexpr unsigned memories_max = 64;

  Imports() noexcept = default;
  Imports(const Imports&) = delete;
  Imports& operator=(const Imports&) = delete;
  ~Imports();

  [[nodiscard]] const Import* find(std::uint64_t key) const noexcept {
    const Import& one = regions_[key % regions_max];
    return one.key == key && key != 0 ? &one : nullptr;
  }
  [[nodiscard]] unsigned count() const noexcept;

  // What the peer says; null, or why it cannot be.
  [[nodiscard]] const char* take(const wire::ShmMemory& memory, const Descriptor& file) noexcept;
  [[nodiscard]] const char* take(const wire::ShmRegion& region, const wire::ShmPlace& place) noexcept;
  [[nodiscard]] const char* drop(const wire::ShmMemory& memory) noexcept;

 private:
  struct Mapping {
    std::byte* at = nullptr;  // null: could not be mapped, its regions go by messages
    std::uint64_t bytes = 0;  // 0: the slot is free
    bool writable = false;
  };
  static void unmap(Mapping& mapping) noexcept;

  std::array<Import, regions_max> regions_{};
  std::array<Mapping, memories_max> memories_{};
};

}  // namespace harness::transports::shm
