// SPDX-License-Identifier: Apache-2.0
// Bytes kept to be sent again: a reference to where they lie, never a copy.
//
// One run within a slab, as a small message is, takes 16 bytes, so that a packet's record fits a cache line.
// Bytes that lie in pieces (a part of a large message behind its headers) are referred to by a Message in a
// slab of its own.
#pragma once

#include <cstdint>
#include <utility>

#include <harness/stack/message.hpp>
#include <harness/stack/pooled.hpp>

namespace harness::layers {

class Retained {
 public:
  Retained() = default;
  Retained(Retained&& other) noexcept
      : slab_(std::exchange(other.slab_, nullptr)), at_(other.at_), bytes_(other.bytes_) {}
  Retained& operator=(Retained&& other) noexcept {
    if (this == &other) return *this;
    reset();
    slab_ = std::exchange(other.slab_, nullptr);
    at_ = other.at_;
    bytes_ = other.bytes_;
    return *this;
  }
  Retained(const Retained&) = delete;
  Retained& operator=(const Retained&) = delete;
  ~Retained() { reset(); }

  /// The bytes [offset, offset + bytes) of the message's headers and body; empty at the pool's limit.
  static Retained of(const Message& message, std::uint32_t offset, std::uint32_t bytes, Pool& pool) noexcept {
    Slab* const home = message.home();
    if (home == nullptr) return in_pieces(message.reference(pool, offset, bytes), pool);
    Pool::retain(home);
    return {home, static_cast<std::uint32_t>(message.run().data() - home->bytes()) + offset, bytes};
  }

  /// Keeps `bytes` from `at` on, one run within `home`. Requires: nothing is kept.
  void keep(Slab& home, const std::byte* at, std::uint32_t bytes) noexcept {
    Pool::retain(&home);
    slab_ = &home;
    at_ = static_cast<std::uint32_t>(at - home.bytes());
    bytes_ = bytes;
  }

  explicit operator bool() const noexcept { return slab_ != nullptr; }
  [[nodiscard]] std::uint32_t size() const noexcept { return bytes_; }
  /// A new transmission of the bytes [offset, offset + bytes); empty at the pool's limit.
  [[nodiscard]] Message slice(std::uint32_t offset, std::uint32_t bytes, Pool& pool) const noexcept {
    return at_ == pieces ? scattered()->slice(pool, offset, bytes) : run().slice(pool, offset, bytes);
  }
  /// Those bytes kept once more; empty at the pool's limit.
  [[nodiscard]] Retained part(std::uint32_t offset, std::uint32_t bytes, Pool& pool) const noexcept {
    if (at_ == pieces) return in_pieces(scattered()->reference(pool, offset, bytes), pool);
    Pool::retain(slab_);
    return {slab_, at_ + offset, bytes};
  }
  void reset() noexcept {
    if (slab_ == nullptr) return;
    if (at_ == pieces) [[unlikely]]
      scattered()->reset();
    Pool::release(std::exchange(slab_, nullptr));
  }

 private:
  static constexpr std::uint32_t pieces = ~std::uint32_t{0};
  Retained(Slab* slab, std::uint32_t at, std::uint32_t bytes) noexcept
      : slab_(slab), at_(at), bytes_(bytes) {}
  static Retained in_pieces(Message&& message, Pool& pool) noexcept {
    Slab* const slab = message ? pool.allocate(sizeof(Message)) : nullptr;
    if (slab == nullptr) return {};
    const std::uint32_t bytes = message.size();
    new (slab->bytes()) Message(std::move(message));
    return {slab, pieces, bytes};
  }
  [[nodiscard]] Message* scattered() const noexcept { return reinterpret_cast<Message*>(slab_->bytes()); }
  [[nodiscard]] Message run() const noexcept {
    Pool::retain(slab_);
    return Message::received(slab_, at_, bytes_);
  }

  Slab* slab_ = nullptr;  // where they lie, or the Message that refers to them
  std::uint32_t at_ = 0;  // in the slab, or `pieces`
  std::uint32_t bytes_ = 0;
};
static_assert(sizeof(Retained) == 16);

}  // namespace harness::layers
