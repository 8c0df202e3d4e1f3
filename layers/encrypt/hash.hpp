// SPDX-License-Identifier: Apache-2.0
// The hash functions of Noise with HMAC and HKDF on top, by OpenSSL (SHA-256 by its instructions: 155 ns for
// 128 bytes against 520 ns of libsodium's).
//
// One context is made with the object and used again; OpenSSL still takes one small block for each digest and
// gives it back, so nothing that runs for every message hashes. What it finds by name is looked up once a
// process. Only SHA-256 is used on links; the others are here because the vectors
// that prove the Noise interpreter use them.
// Sources: RFC 2104 (HMAC), RFC 5869 (HKDF), Noise rev 34 §4.3 and §12.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>

#include <harness/stack/bytes.hpp>

namespace harness::layers::encryption {

enum class HashKind : std::uint8_t { sha256, sha512, blake2s, blake2b };
inline constexpr std::size_t hash_kinds = 4;
inline constexpr std::size_t hash_bytes_max = 64;
inline constexpr std::size_t hash_block_bytes_max = 128;

/// True when OpenSSL has all of them. [any-thread]
bool hashes_ready() noexcept;

class Hash {
 public:
  explicit Hash(HashKind kind);
  ~Hash();
  Hash(const Hash&) = delete;
  Hash& operator=(const Hash&) = delete;

  [[nodiscard]] std::size_t bytes() const noexcept;        // of a digest
  [[nodiscard]] std::size_t block_bytes() const noexcept;  // what HMAC pads its key to

  /// The digest of the parts one behind the other; `to` has bytes() bytes and may be one of the parts.
  void digest(std::initializer_list<Bytes> parts, std::byte* to) noexcept;
  /// HMAC of the parts (RFC 2104). Requires: key.size() ≤ block_bytes().
  void hmac(Bytes key, std::initializer_list<Bytes> parts, std::byte* to) noexcept;
  /// HKDF-Extract (RFC 5869 §2.2); Requires: salt.size() ≤ block_bytes().
  void extract(Bytes salt, Bytes input, std::byte* to) noexcept { hmac(salt, {input}, to); }
  /// HKDF-Expand (RFC 5869 §2.3). Requires: to.size() ≤ 255 · bytes(), info.size() ≤ 1024.
  void expand(Bytes key, Bytes info, MutableBytes to) noexcept;

 private:
  HashKind kind_;
  void* context_;  // EVP_MD_CTX
};

}  // namespace harness::layers::encryption
