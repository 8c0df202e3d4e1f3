// SPDX-License-Identifier: Apache-2.0
// By libsodium, whose constants are checked to be ours.
#include <harness/kernel/identity/hash.hpp>

#include <sodium/crypto_auth_hmacsha256.h>
#include <sodium/crypto_hash_sha256.h>
#include <sodium/utils.h>

namespace harness::identity {

static_assert(crypto_hash_sha256_BYTES == sizeof(Digest) && crypto_auth_hmacsha256_BYTES == sizeof(Digest));

Digest sha256(std::initializer_list<Bytes> parts) noexcept {
  crypto_hash_sha256_state state;
  crypto_hash_sha256_init(&state);
  for (const Bytes part : parts) crypto_hash_sha256_update(&state, raw(part), part.size());
  Digest digest;
  crypto_hash_sha256_final(&state, raw(MutableBytes(digest)));
  return digest;
}

Digest hmac_sha256(Bytes key, std::initializer_list<Bytes> parts) noexcept {
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, raw(key), key.size());
  for (const Bytes part : parts) crypto_auth_hmacsha256_update(&state, raw(part), part.size());
  Digest digest;
  crypto_auth_hmacsha256_final(&state, raw(MutableBytes(digest)));
  sodium_memzero(&state, sizeof state);
  return digest;
}

bool equal(Bytes a, Bytes b) noexcept {
  return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace harness::identity
