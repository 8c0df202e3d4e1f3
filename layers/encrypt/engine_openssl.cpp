// SPDX-License-Identifier: Apache-2.0
// The engine of large messages, and of ChaCha20-Poly1305: OpenSSL's EVP, context kept, nonce set.
#include <harness/layers/encrypt/aead.hpp>

#include <openssl/evp.h>

#include <harness/layers/encrypt/primitives.hpp>

namespace harness::layers::encryption {

namespace {

// Looked up once a process: 240 ns each time otherwise.
const EVP_CIPHER* cipher(Suite suite) noexcept {
  static const EVP_CIPHER* const aes = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  static const EVP_CIPHER* const chacha = EVP_CIPHER_fetch(nullptr, "ChaCha20-Poly1305", nullptr);
  return suite == Suite::aes ? aes : chacha;
}

const unsigned char* raw(const std::byte* bytes) { return reinterpret_cast<const unsigned char*>(bytes); }
unsigned char* raw(std::byte* bytes) { return reinterpret_cast<unsigned char*>(bytes); }

__attribute__((target("avx"))) void zero_upper() noexcept { __builtin_ia32_vzeroupper(); }

void must(bool done) noexcept {
  if (!done) [[unlikely]]
    __builtin_trap();
}

class OpensslKey final : public AeadKey {
 public:
  explicit OpensslKey(Suite suite) : cipher_(cipher(suite)), context_(EVP_CIPHER_CTX_new()) {
    must(context_ != nullptr);
    OpensslKey::set({});
  }
  ~OpensslKey() override { EVP_CIPHER_CTX_free(context_); }

  void set(const Key& key) noexcept override {
    must(EVP_EncryptInit_ex2(context_, cipher_, raw(key.data()), nullptr, nullptr) == 1);
  }
  void seal(const Nonce& nonce, Bytes clear, Bytes plain, std::byte* to, std::byte* tag) noexcept override {
    int written = 0;
    bool done = EVP_EncryptInit_ex2(context_, nullptr, nullptr, raw(nonce.data()), nullptr) == 1;
    done = done && EVP_EncryptUpdate(context_, nullptr, &written, raw(clear.data()), size(clear)) == 1;
    if (!plain.empty())
      done = done && EVP_EncryptUpdate(context_, raw(to), &written, raw(plain.data()), size(plain)) == 1;
    done = done && EVP_EncryptFinal_ex(context_, raw(to) + plain.size(), &written) == 1;
    must(done && EVP_CIPHER_CTX_ctrl(context_, EVP_CTRL_AEAD_GET_TAG, tag_bytes, tag) == 1);
    clean();
  }
  bool open(const Nonce& nonce, Bytes clear, Bytes sealed, const std::byte* tag,
            std::byte* to) noexcept override {
    int written = 0;
    std::array<std::byte, tag_bytes> expected;
    std::copy_n(tag, tag_bytes, expected.begin());
    bool done = EVP_DecryptInit_ex2(context_, nullptr, nullptr, raw(nonce.data()), nullptr) == 1;
    done = done && EVP_DecryptUpdate(context_, nullptr, &written, raw(clear.data()), size(clear)) == 1;
    if (!sealed.empty())
      done = done && EVP_DecryptUpdate(context_, raw(to), &written, raw(sealed.data()), size(sealed)) == 1;
    must(done && EVP_CIPHER_CTX_ctrl(context_, EVP_CTRL_AEAD_SET_TAG, tag_bytes, expected.data()) == 1);
    const bool good = EVP_DecryptFinal_ex(context_, raw(to) + sealed.size(), &written) == 1;
    clean();
    if (!good) wipe({to, sealed.size()});
    return good;
  }

 private:
  static int size(Bytes bytes) noexcept { return static_cast<int>(bytes.size()); }
  void clean() const noexcept {
    if (has_avx_) zero_upper();
  }
  const EVP_CIPHER* cipher_;
  EVP_CIPHER_CTX* context_;
  bool has_avx_ = __builtin_cpu_supports("avx") != 0;
};

}  // namespace

bool engines_ready() noexcept { return cipher(Suite::aes) != nullptr && cipher(Suite::chacha) != nullptr; }

std::unique_ptr<AeadKey> make_openssl_key(Suite suite) { return std::make_unique<OpensslKey>(suite); }

}  // namespace harness::layers::encryption
