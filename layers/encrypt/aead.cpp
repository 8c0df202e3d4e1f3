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

Plan plan_for(Suite suite) noexcept {
  if (suite == Suite::chacha) return {Engine::openssl, Engine::openssl, 0};
  if (ipsec_mb_is_best()) return {Engine::ipsec_mb, Engine::ipsec_mb, 0};
  if (has_aes()) return {Engine::sodium, Engine::openssl, aes_small_below};
  return {Engine::openssl, Engine::openssl, 0};
}

Aead::Aead(Suite suite) {
  const Plan plan = plan_for(suite);
  small_below_ = plan.small_below;
  large_ = make_key(plan.large, suite);
  if (plan.small != plan.large) small_ = make_key(plan.small, suite);
}

void Aead::set(const Key& key) noexcept {
  large_->set(key);
  if (small_ != nullptr) small_->set(key);
}

}  // namespace harness::layers::encryption
