// SPDX-License-Identifier: Apache-2.0
// Which engine seals what; the engines themselves are in engine_*.cpp.
#include <harness/layers/encrypt/aead.hpp>

namespace harness::layers::encryption {

namespace {

// Where OpenSSL overtakes libsodium on the reference machine: bench/micro, rows aead_*.
constexpr std::uint32_t aes_small_below = 512;

}  // namespace

std::string_view to_string(Suite suite) noexcept {
  return suite == Suite::aes ? "AES-256-GCM" : "ChaCha20-Poly1305";
}

std::string_view to_string(Engine engine) noexcept {
  switch (engine) {
    case Engine::openssl: return "openssl";
    case Engine::sodium: return "libsodium";
    case Engine::ipsec_mb: return "libipsec-mb";
  }
  return "";
}

std::unique_ptr<AeadKey> make_key(Engine engine, Suite suite) {
  switch (engine) {
    case Engine::openssl: return make_openssl_key(suite);
    case Engine::sodium: return make_sodium_key(suite);
    case Engine::ipsec_mb: return make_ipsec_mb_key(suite);
  }
  return nullptr;
}

Plan plan_for(const Cipher& cipher) noexcept {
  constexpr Plan openssl{Engine::openssl, Engine::openssl, 0};
  if (cipher.suite == Suite::chacha || cipher.engines == Engines::openssl) return openssl;
  if (cipher.engines == Engines::fastest && ipsec_mb_is_best())
    return {Engine::ipsec_mb, Engine::ipsec_mb, 0};
  return has_aes() ? Plan{Engine::sodium, Engine::openssl, aes_small_below} : openssl;
}

Aead::Aead(const Cipher& cipher) {
  const Plan plan = plan_for(cipher);
  small_below_ = plan.small_below;
  large_ = make_key(plan.large, cipher.suite);
  if (plan.small != plan.large) small_ = make_key(plan.small, cipher.suite);
}

void Aead::set(const Key& key) noexcept {
  large_->set(key);
  if (small_ != nullptr) small_->set(key);
}

}  // namespace harness::layers::encryption
