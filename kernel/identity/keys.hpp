// SPDX-License-Identifier: Apache-2.0
// The keys of a domain and of a node: Ed25519 signs (RFC 8032), X25519 is what a handshake agrees by
// (RFC 7748).
//
// What is signed is always `label`, a zero byte, then the body: no signature of one kind of document is ever
// one of another kind. A signature that RFC 8032 lets two encodings have is accepted in one only (S below the
// group's order), keys of small order are refused; Wycheproof's vectors are a test.
#pragma once

#include <string_view>

#include <harness/kernel/identity/secret.hpp>
#include <harness/stack/authority.hpp>

namespace harness::identity {

using PublicKey = std::array<std::byte, 32>;  // Ed25519
using Signature = std::array<std::byte, 64>;

inline constexpr std::size_t seed_bytes = 32;

class SigningKey {
 public:
  SigningKey() = default;
  static SigningKey make();
  /// Requires: seed_bytes bytes.
  static SigningKey from_seed(Bytes seed);

  [[nodiscard]] const PublicKey& public_key() const noexcept { return public_; }
  [[nodiscard]] Bytes seed() const noexcept { return secret_.bytes().first(seed_bytes); }
  [[nodiscard]] bool empty() const noexcept { return secret_.empty(); }
  /// Deterministic. Requires: not empty. [any-thread]
  [[nodiscard]] Signature sign(std::string_view label, Bytes body) const;

 private:
  Secret secret_;  // seed, then public key
  PublicKey public_{};
};

/// Whether the holder of `key` signed this body under this label. [any-thread]
[[nodiscard]] bool is_signed(const PublicKey& key, std::string_view label, Bytes body, Bytes signature);
/// The same of bare bytes, as RFC 8032 has it. [any-thread]
[[nodiscard]] bool is_signed(const PublicKey& key, Bytes message, Bytes signature) noexcept;

/// What a node keeps to itself: it signs with the one key and agrees by the other.
struct NodeKeys {
  SigningKey signing;
  Secret static_secret;  // X25519
  Key static_key{};      // public

  static NodeKeys make();
  /// Requires: 2 × seed_bytes bytes, first of the signing key.
  static NodeKeys from_seeds(Bytes seeds);
  /// As from_seeds takes them.
  [[nodiscard]] Secret seeds() const;
};

}  // namespace harness::identity
