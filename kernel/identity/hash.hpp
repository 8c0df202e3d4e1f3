// SPDX-License-Identifier: Apache-2.0
// SHA-256 (FIPS 180-4) and HMAC over it (RFC 2104): fingerprints, check values, proofs of a token.
#pragma once

#include <array>
#include <initializer_list>

#include <harness/stack/bytes.hpp>

namespace harness::identity {

using Digest = std::array<std::byte, 32>;

/// Of the parts one behind the other. [any-thread]
Digest sha256(std::initializer_list<Bytes> parts) noexcept;
Digest hmac_sha256(Bytes key, std::initializer_list<Bytes> parts) noexcept;
/// Whether the two are equal, in a time that does not tell where they differ. [any-thread]
bool equal(Bytes a, Bytes b) noexcept;

/// The first bytes of a digest. [any-thread]
template <std::size_t Count>
std::array<std::byte, Count> first_of(const Digest& digest) noexcept {
  static_assert(Count <= sizeof(Digest));
  std::array<std::byte, Count> front;
  std::memcpy(front.data(), digest.data(), Count);
  return front;
}

/// Bytes as the C functions of this world take them. [any-thread]
inline const unsigned char* raw(Bytes bytes) noexcept {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}
inline unsigned char* raw(MutableBytes bytes) noexcept {
  return reinterpret_cast<unsigned char*>(bytes.data());
}

}  // namespace harness::identity
