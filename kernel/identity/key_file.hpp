// SPDX-License-Identifier: Apache-2.0
// A secret key as bytes of a file: plain, or wrapped by a passphrase.
//
//   "HRNSKEY1" · kind 8 · wrapped 8 · 0 16 · passes 32 · memory KiB 32 · salt 16 · nonce 24 · public keys
//   · seeds, when wrapped encrypted, and a tag of 16
//
// A root has one key, a node two (Ed25519, X25519): 32 bytes each, public and secret. The passphrase becomes
// a key by Argon2id (RFC 9106) with the passes and the memory that stand in the file, bounded before any is
// used; XChaCha20-Poly1305 seals, with all that stands before as associated data. The public keys stand in
// clear, so that a node can be shown without its passphrase; a plain file whose secrets do not belong to them
// is damaged. Who can read a plain file has the key: its mode is 0600 (files.hpp).
#pragma once

#include <vector>

#include <harness/kernel/identity/keys.hpp>
#include <harness/stack/result.hpp>

namespace harness::identity {

enum class KeyKind : std::uint8_t { root = 1, node = 2 };

/// How dear it is to try one passphrase.
struct WrapCost {
  std::uint32_t passes = 3;
  std::uint32_t memory_kib = 256u << 10;  // about 0.7 s on the reference machine
};
inline constexpr std::uint32_t passes_max = 16;
inline constexpr std::uint32_t memory_kib_min = 8;
inline constexpr std::uint32_t memory_kib_max = 1u << 20;
inline constexpr std::size_t key_file_bytes_max = 8 + 4 + 8 + 16 + 24 + 4 * 32 + 16;

/// The file of a key. `passphrase` null: plain. Errors: exhausted (no memory to wrap it). [any-thread]
Result<Secret> write_key(const SigningKey& root, const Secret* passphrase, WrapCost cost = {});
Result<Secret> write_key(const NodeKeys& node, const Secret* passphrase, WrapCost cost = {});

/// What a file shows to everybody.
struct KeyFacts {
  KeyKind kind = KeyKind::root;
  bool wrapped = false;
  PublicKey signing_key{};
  Key static_key{};  // of a node
};
/// Errors: corrupt. [any-thread]
Result<KeyFacts> look_at_key(Bytes file);

/// Opens a file. `passphrase` null: there is none. Errors: corrupt, denied (wrapped and no passphrase, or the
/// wrong one), exhausted. [any-thread]
Result<SigningKey> open_root_key(Bytes file, const Secret* passphrase);
Result<NodeKeys> open_node_keys(Bytes file, const Secret* passphrase);

}  // namespace harness::identity
