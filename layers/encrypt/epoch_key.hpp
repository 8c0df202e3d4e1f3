// SPDX-License-Identifier: Apache-2.0
// The keys of one direction, epoch after epoch: each secret gives a key, a nonce base and the next secret.
//
//   secret(e) ──"key"──▶ AEAD key   secret(e) ──"iv"──▶ nonce base   secret(e) ──"next"──▶ secret(e+1)
//
// Nothing leads back: who takes a secret cannot read what was sealed before its epoch. All steps are
// HKDF-Expand with SHA-256; the label holds the suite, so that no key serves two ciphers. A step with its key
// costs about 4 µs.
// Sources: RFC 8446 §7.1 and §7.2 (labels, key update); RFC 9001 §6.
#pragma once

#include <harness/layers/encrypt/aead.hpp>
#include <harness/layers/encrypt/hash.hpp>
#include <harness/layers/encrypt/primitives.hpp>

namespace harness::layers::encryption {

/// Replaces a secret by that of the next epoch. [stack-thread]
void next_epoch(Hash& hash, Suite suite, Secret& secret) noexcept;

/// The AEAD of one direction in one epoch.
class EpochKey {
 public:
  explicit EpochKey(const Cipher& cipher) : suite_(cipher.suite), aead_(cipher) {}
  ~EpochKey() { wipe(base_); }
  EpochKey(const EpochKey&) = delete;
  EpochKey& operator=(const EpochKey&) = delete;

  void set(Hash& hash, const Secret& secret) noexcept;
  /// Forgets the key: from now on it is that of nobody.
  void forget() noexcept {
    wipe(base_);
    aead_.set(Key{});
  }

  /// `header` is the clear 8-byte header as it goes over the wire: it is covered, and is the nonce's number.
  void seal(const std::byte* header, Bytes plain, std::byte* to, std::byte* tag) noexcept {
    aead_.seal(nonce(header), {header, 8}, plain, to, tag);
  }
  [[nodiscard]] bool open(const std::byte* header, Bytes sealed, const std::byte* tag,
                          std::byte* to) noexcept {
    return aead_.open(nonce(header), {header, 8}, sealed, tag, to);
  }

 private:
  [[nodiscard]] Nonce nonce(const std::byte* header) const noexcept {
    Nonce nonce = base_;
    store<std::uint64_t>(nonce.data() + 4,
                         load<std::uint64_t>(nonce.data() + 4) ^ load<std::uint64_t>(header));
    return nonce;
  }
  Suite suite_;
  Nonce base_{};
  Aead aead_;
};

}  // namespace harness::layers::encryption
