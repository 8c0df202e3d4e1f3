// SPDX-License-Identifier: Apache-2.0
// The engine of small messages: libsodium's AES-256-GCM with the key's schedule made ahead, where the
// processor has the instructions. Its ChaCha20-Poly1305 is OpenSSL's oracle in tests.
#include <harness/layers/encrypt/aead.hpp>

#include <sodium/crypto_aead_aes256gcm.h>
#include <sodium/crypto_aead_chacha20poly1305.h>

#include <harness/layers/encrypt/primitives.hpp>

namespace harness::layers::encryption {

namespace {

// libsodium declares its pointers to lead somewhere also where the length is 0.
std::byte nothing;
const unsigned char* raw(const std::byte* bytes) {
  return reinterpret_cast<const unsigned char*>(bytes != nullptr ? bytes : &nothing);
}
unsigned char* raw(std::byte* bytes) {
  return reinterpret_cast<unsigned char*>(bytes != nullptr ? bytes : &nothing);
}

class SodiumAesKey final : public AeadKey {
 public:
  SodiumAesKey() { SodiumAesKey::set({}); }
  ~SodiumAesKey() override { wipe({reinterpret_cast<std::byte*>(&state_), sizeof state_}); }

  void set(const Key& key) noexcept override { crypto_aead_aes256gcm_beforenm(&state_, raw(key.data())); }
  void seal(const Nonce& nonce, Bytes clear, Bytes plain, std::byte* to, std::byte* tag) noexcept override {
    crypto_aead_aes256gcm_encrypt_detached_afternm(raw(to), raw(tag), nullptr, raw(plain.data()),
                                                   plain.size(), raw(clear.data()), clear.size(), nullptr,
                                                   raw(nonce.data()), &state_);
  }
  bool open(const Nonce& nonce, Bytes clear, Bytes sealed, const std::byte* tag,
            std::byte* to) noexcept override {
    const bool good = crypto_aead_aes256gcm_decrypt_detached_afternm(
                          raw(to), nullptr, raw(sealed.data()), sealed.size(), raw(tag), raw(clear.data()),
                          clear.size(), raw(nonce.data()), &state_) == 0;
    if (!good) wipe({to, sealed.size()});
    return good;
  }

 private:
  crypto_aead_aes256gcm_state state_;
};

class SodiumChachaKey final : public AeadKey {
 public:
  ~SodiumChachaKey() override { wipe(key_); }

  void set(const Key& key) noexcept override { key_ = key; }
  void seal(const Nonce& nonce, Bytes clear, Bytes plain, std::byte* to, std::byte* tag) noexcept override {
    crypto_aead_chacha20poly1305_ietf_encrypt_detached(raw(to), raw(tag), nullptr, raw(plain.data()),
                                                       plain.size(), raw(clear.data()), clear.size(), nullptr,
                                                       raw(nonce.data()), raw(key_.data()));
  }
  bool open(const Nonce& nonce, Bytes clear, Bytes sealed, const std::byte* tag,
            std::byte* to) noexcept override {
    const bool good = crypto_aead_chacha20poly1305_ietf_decrypt_detached(
                          raw(to), nullptr, raw(sealed.data()), sealed.size(), raw(tag), raw(clear.data()),
                          clear.size(), raw(nonce.data()), raw(key_.data())) == 0;
    if (!good) wipe({to, sealed.size()});
    return good;
  }

 private:
  Key key_{};
};

}  // namespace

bool has_aes() noexcept {
  // Before it is initialised the library finds nothing, and a false once kept would stay.
  static const bool has = libraries_ready() && crypto_aead_aes256gcm_is_available() == 1;
  return has;
}

std::unique_ptr<AeadKey> make_sodium_key(Suite suite) {
  if (suite == Suite::chacha) return std::make_unique<SodiumChachaKey>();
  return has_aes() ? std::make_unique<SodiumAesKey>() : nullptr;
}

}  // namespace harness::layers::encryption
