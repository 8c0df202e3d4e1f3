// SPDX-License-Identifier: Apache-2.0
// Memory without a name that one process writes and another may only read.
//
// The maker takes a memfd, maps it, and seals it: its size is final and nobody can map it for writing any
// more, the maker's own mapping excepted. The descriptor travels to the peer, which checks seals and size
// before it maps. When both have unmapped it, or died, it is gone. Pages get memory when they are first
// needed, by `back`, which can fail; touching an unbacked page could only be answered by a signal.
// Rejected: shm_open (a name that outlives a killed process), fallocate of everything (an idle link would
// hold its whole ring). Sources: memfd_create(2), fcntl(2) "File Sealing", madvise(2) MADV_POPULATE_WRITE.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace harness::transports::shm {

inline constexpr std::size_t page_bytes = 4096;

/// A descriptor that is closed with its owner.
class Descriptor {
 public:
  Descriptor() noexcept = default;
  explicit Descriptor(int number) noexcept : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() { close(); }
  void close() noexcept;
  [[nodiscard]] int get() const noexcept { return number_; }
  explicit operator bool() const noexcept { return number_ >= 0; }

 private:
  int number_ = -1;
};

/// How a file lies in memory: `private_bytes` of the process alone, then the file; when `twice_from` is not
/// its length, what is behind that place once more.
struct Layout {
  std::size_t private_bytes = 0;
  std::size_t file_bytes = 0;
  std::size_t twice_from = 0;
  [[nodiscard]] std::size_t total_bytes() const noexcept {
    return private_bytes + file_bytes + (file_bytes - twice_from);
  }
};

/// A mapping; unmapped with its owner. Lengths are whole pages.
class Memory {
 public:
  Memory() noexcept = default;
  Memory(Memory&& other) noexcept { swap(other); }
  Memory& operator=(Memory&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Memory();

  /// Memory of ours, sealed, and in `file` what the peer gets. Empty, with errno set, when the system
  /// refuses.
  static Memory make(const Layout& layout, Descriptor& file) noexcept;
  /// The peer's memory for reading. Empty, and the reason in `why`, when the file may still change its size,
  /// may be written by others, or has another length.
  static Memory adopt(const Descriptor& file, const Layout& layout, const char*& why) noexcept;

  explicit operator bool() const noexcept { return base_ != nullptr; }
  /// Where the file begins; the private bytes end here.
  [[nodiscard]] std::byte* file() const noexcept { return base_ + layout_.private_bytes; }
  [[nodiscard]] std::byte* base() const noexcept { return base_; }
  /// Gives memory to [offset, offset + bytes) of the file; false when there is none to be had.
  [[nodiscard]] bool back(std::size_t offset, std::size_t bytes) const noexcept;

 private:
  static Memory map(int file, const Layout& layout, bool writable) noexcept;
  void swap(Memory& other) noexcept {
    std::swap(base_, other.base_);
    std::swap(layout_, other.layout_);
  }

  std::byte* base_ = nullptr;
  Layout layout_;
};

}  // namespace harness::transports::shm
