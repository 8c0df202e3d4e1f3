// SPDX-License-Identifier: Apache-2.0
// SHA-256 by OpenSSL's EVP; the context is kept, so that a new file costs no allocation.
#include <harness/apps/common/digest.hpp>

#include <openssl/evp.h>

namespace harness::apps {

namespace {
EVP_MD_CTX* evp(void* context) noexcept { return static_cast<EVP_MD_CTX*>(context); }
}  // namespace

void Sha256::Free::operator()(void* context) const noexcept { EVP_MD_CTX_free(evp(context)); }

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  EVP_DigestInit_ex(evp(context_.get()), EVP_sha256(), nullptr);
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(Bytes bytes) noexcept {
  EVP_DigestUpdate(evp(context_.get()), bytes.data(), bytes.size());
}

Digest Sha256::finish() noexcept {
  Digest digest{};
  EVP_DigestFinal_ex(evp(context_.get()), reinterpret_cast<unsigned char*>(digest.data()), nullptr);
  EVP_DigestInit_ex(evp(context_.get()), EVP_sha256(), nullptr);
  return digest;
}

std::string hex(Bytes bytes) {
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const std::byte byte : bytes) {
    text += digits[std::to_integer<unsigned>(byte) >> 4];
    text += digits[std::to_integer<unsigned>(byte) & 15];
  }
  return text;
}

}  // namespace harness::apps
