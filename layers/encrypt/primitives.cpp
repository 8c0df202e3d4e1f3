// SPDX-License-Identifier: Apache-2.0
// See primitives.hpp: every call is libsodium's.
#include <harness/layers/encrypt/primitives.hpp>

#include <sodium/core.h>
#include <sodium/crypto_scalarmult_curve25519.h>
#include <sodium/randombytes.h>
#include <sodium/utils.h>

#include <harness/layers/encrypt/aead.hpp>
#include <harness/layers/encrypt/hash.hpp>

namespace harness::layers::encryption {

namespace {

const unsigned char* raw(const Key& key) { return reinterpret_cast<const unsigned char*>(key.data()); }
unsigned char* raw(Key& key) { return reinterpret_cast<unsigned char*>(key.data()); }

}  // namespace

bool libraries_ready() noexcept {
  static const bool ready = sodium_init() >= 0 && hashes_ready() && engines_ready();
  return ready;
}

void wipe(MutableBytes bytes) noexcept { sodium_memzero(bytes.data(), bytes.size()); }

bool equal(Bytes a, Bytes b) noexcept {
  return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

void draw(MutableBytes to) noexcept { randombytes_buf(to.data(), to.size()); }

Key public_key(const Key& secret) noexcept {
  Key result{};
  crypto_scalarmult_curve25519_base(raw(result), raw(secret));
  return result;
}

bool agree(const Key& secret, const Key& peers_public, Secret& shared) noexcept {
  return crypto_scalarmult_curve25519(raw(shared.bytes), raw(secret), raw(peers_public)) == 0;
}

}  // namespace harness::layers::encryption
