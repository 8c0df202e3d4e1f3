// SPDX-License-Identifier: Apache-2.0
// Bytes that nobody else may read: in memory that is locked, guarded, left out of core dumps, and wiped.
//
// Each block is an allocation of libsodium's guarded kind: pages of its own between two that fault, locked so
// that they are never swapped out, with MADV_DONTDUMP, zeroed before they are given back. That costs a few
// pages a secret; a node has a handful. When the limit of locked memory is used up the block is made all the
// same, unlocked: a node that cannot start is no safer.
#pragma once

#include <cstddef>
#include <utility>

#include <harness/stack/bytes.hpp>

namespace harness::identity {

class Secret {
 public:
  Secret() = default;
  /// `size` zero bytes; empty when there is no memory.
  explicit Secret(std::size_t size);
  /// A copy of `bytes`, which stay the caller's to wipe.
  explicit Secret(Bytes bytes);
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  ~Secret();

  [[nodiscard]] MutableBytes bytes() noexcept { return {data_, size_}; }
  [[nodiscard]] Bytes bytes() const noexcept { return {data_, size_}; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  /// Keeps the first `size` bytes; the rest is wiped with the whole.
  void shorten(std::size_t size) noexcept { size_ = size < size_ ? size : size_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Fills with bytes that nobody can guess (the system's generator). [any-thread]
void fill_random(MutableBytes bytes) noexcept;
/// Zeroes memory in a way that the compiler keeps. [any-thread]
void wipe(MutableBytes bytes) noexcept;

}  // namespace harness::identity
