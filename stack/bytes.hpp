// SPDX-License-Identifier: Apache-2.0
// Little-endian loads and stores, and a bounded reader and writer for bytes from and to a peer.
//
// Wire v1 is little endian. Reader never reads past its end: a short input turns it bad, every later read
// gives zero, and the caller asks `ok()` once at the end. Writer is its mirror image. Neither allocates.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

namespace harness {

static_assert(std::endian::native == std::endian::little,
              "wire v1 is little endian; add byte swaps for this machine");

__extension__ typedef unsigned __int128 Uint128;  // both compilers have it, ISO C++ has no name for it

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

/// The bytes of a text, for tests and small payloads.
inline Bytes as_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
inline std::string_view as_text(Bytes bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

template <class T>
  requires std::is_unsigned_v<T>
T load(const std::byte* from) noexcept {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <class T>
  requires std::is_unsigned_v<T>
void store(std::byte* to, T value) noexcept {
  std::memcpy(to, &value, sizeof value);
}

/// Reads values from the front of a byte range; past its end it turns bad and yields zeros.
class Reader {
 public:
  explicit Reader(Bytes bytes) noexcept : bytes_(bytes) {}

  template <class T>
  T take() noexcept {
    const Bytes raw = take_bytes(sizeof(T));
    return raw.size() == sizeof(T) ? load<T>(raw.data()) : T{};
  }

  /// The next `count` bytes as a view into the input, or an empty view (and a bad reader) when there are
  /// fewer.
  Bytes take_bytes(std::size_t count) noexcept {
    if (!ok_ || count > bytes_.size()) {
      ok_ = false;
      return {};
    }
    const Bytes front = bytes_.first(count);
    bytes_ = bytes_.subspan(count);
    return front;
  }

  /// A text with a 16-bit length before it; bad when longer than `limit`.
  std::string_view take_text(std::size_t limit) noexcept {
    const auto length = take<std::uint16_t>();
    if (length > limit) ok_ = false;
    return as_text(take_bytes(ok_ ? length : 0));
  }

  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] bool done() const noexcept { return ok_ && bytes_.empty(); }
  [[nodiscard]] std::size_t remaining() const noexcept { return bytes_.size(); }

 private:
  Bytes bytes_;
  bool ok_ = true;
};

/// Writes values to a byte range; past its end it turns bad and writes nothing more.
class Writer {
 public:
  explicit Writer(MutableBytes bytes) noexcept : bytes_(bytes) {}

  template <class T>
  void put(T value) noexcept {
    std::byte raw[sizeof(T)];
    store<T>(raw, value);
    put_bytes({raw, sizeof(T)});
  }

  void put_bytes(Bytes bytes) noexcept {
    if (!ok_ || bytes.size() > bytes_.size() - used_) {
      ok_ = false;
      return;
    }
    if (!bytes.empty()) std::memcpy(bytes_.data() + used_, bytes.data(), bytes.size());
    used_ += bytes.size();
  }

  void put_text(std::string_view text) noexcept {
    if (text.size() > 0xffff) ok_ = false;
    put<std::uint16_t>(static_cast<std::uint16_t>(text.size()));
    put_bytes(as_bytes(text));
  }

  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] std::size_t used() const noexcept { return used_; }

 private:
  MutableBytes bytes_;
  std::size_t used_ = 0;
  bool ok_ = true;
};

}  // namespace harness
