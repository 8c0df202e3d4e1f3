// SPDX-License-Identifier: Apache-2.0
// By libsodium.
#include <harness/kernel/identity/keys.hpp>

#include <vector>

#include <sodium/crypto_scalarmult.h>
#include <sodium/crypto_sign.h>

#include <harness/kernel/identity/hash.hpp>

namespace harness::identity {

static_assert(crypto_sign_PUBLICKEYBYTES == sizeof(PublicKey) && crypto_sign_BYTES == sizeof(Signature));
static_assert(crypto_sign_SEEDBYTES == seed_bytes && crypto_scalarmult_BYTES == sizeof(Key));

namespace {

std::vector<std::byte> labelled(std::string_view label, Bytes body) {
  std::vector<std::byte> message;
  message.reserve(label.size() + 1 + body.size());
  const Bytes front = as_bytes(label);
  message.insert(message.end(), front.begin(), front.end());
  message.push_back(std::byte{0});
  message.insert(message.end(), body.begin(), body.end());
  return message;
}

}  // namespace

SigningKey SigningKey::make() {
  Secret seed(seed_bytes);
  fill_random(seed.bytes());
  return from_seed(seed.bytes());
}

SigningKey SigningKey::from_seed(Bytes seed) {
  SigningKey key;
  key.secret_ = Secret(crypto_sign_SECRETKEYBYTES);
  crypto_sign_seed_keypair(raw(MutableBytes(key.public_)), raw(key.secret_.bytes()), raw(seed));
  return key;
}

Signature SigningKey::sign(std::string_view label, Bytes body) const {
  const std::vector<std::byte> message = labelled(label, body);
  Signature signature{};
  crypto_sign_detached(raw(MutableBytes(signature)), nullptr, raw(message), message.size(),
                       raw(secret_.bytes()));
  return signature;
}

bool is_signed(const PublicKey& key, Bytes message, Bytes signature) noexcept {
  return signature.size() == sizeof(Signature) &&
         crypto_sign_verify_detached(raw(signature), raw(message), message.size(), raw(Bytes(key))) == 0;
}

bool is_signed(const PublicKey& key, std::string_view label, Bytes body, Bytes signature) {
  return is_signed(key, labelled(label, body), signature);
}

NodeKeys NodeKeys::make() {
  Secret seeds(2 * seed_bytes);
  fill_random(seeds.bytes());
  return from_seeds(seeds.bytes());
}

NodeKeys NodeKeys::from_seeds(Bytes seeds) {
  NodeKeys keys;
  keys.signing = SigningKey::from_seed(seeds.first(seed_bytes));
  keys.static_secret = Secret(seeds.subspan(seed_bytes, seed_bytes));
  crypto_scalarmult_base(raw(MutableBytes(keys.static_key)), raw(Bytes(keys.static_secret.bytes())));
  return keys;
}

Secret NodeKeys::seeds() const {
  Secret both(2 * seed_bytes);
  Writer out(both.bytes());
  out.put_bytes(signing.seed());
  out.put_bytes(static_secret.bytes());
  return both;
}

}  // namespace harness::identity
