// SPDX-License-Identifier: Apache-2.0
// What the handshake and the record need besides hashes and ciphers: X25519, chance, wiping, comparing.
//
// All of it is libsodium's: no heap, no error stack, and comparisons that take as long for equal as for
// unequal bytes. The bytes of secrets lie in ordinary memory and are wiped when their owner goes; locked
// pages
// (27 µs each) are for the node's own key, which the Authority keeps.
// Sources: RFC 7748 (X25519; the all-zero check is §6.1); libsodium's documentation.
#pragma once

#include <harness/stack/authority.hpp>
#include <harness/stack/bytes.hpp>

namespace harness::layers::encryption {

/// True when both libraries work here: libsodium is initialised, what is fetched from OpenSSL is there.
/// Looked at once, the answer is kept; without it nothing else of this folder may be called. [any-thread]
bool libraries_ready() noexcept;

/// Overwrites bytes in a way that no compiler leaves out. [any-thread]
void wipe(MutableBytes bytes) noexcept;
/// True when both have the same bytes; the time tells nothing about them. [any-thread]
[[nodiscard]] bool equal(Bytes a, Bytes b) noexcept;
/// Fills `to` with bytes nobody can guess, from the system. [any-thread]
void draw(MutableBytes to) noexcept;

/// 32 secret bytes, wiped when they go.
struct Secret {
  Key bytes{};
  Secret() = default;
  explicit Secret(const Key& key) noexcept : bytes(key) {}
  Secret(const Secret&) = default;
  Secret& operator=(const Secret&) = default;
  ~Secret() { wipe(bytes); }
};

/// The public key to a secret one. [any-thread]
Key public_key(const Key& secret) noexcept;
/// The secret that both ends share; false when the peer's key is one of those that give zeros, whatever the
/// secret is (RFC 7748 §6.1). [any-thread]
[[nodiscard]] bool agree(const Key& secret, const Key& peers_public, Secret& shared) noexcept;

}  // namespace harness::layers::encryption
