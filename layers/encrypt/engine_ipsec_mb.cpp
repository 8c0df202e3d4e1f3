// SPDX-License-Identifier: Apache-2.0
// The optional engine: libipsec-mb's AES-256-GCM, the fastest at every size where AVX2 is: at 64 bytes a
// quarter of libsodium's time, at 64 KiB no worse than OpenSSL's; with AVX-512 and VAES three times its
// speed.
//
// The library's table of functions is made once a process. It leaves the comparison of tags to its caller.
#include <harness/layers/encrypt/aead.hpp>

// tidy: allow ifdef: the header exists only where libipsec-mb-dev is installed; CMake decides
#ifdef HARNESS_IPSEC_MB
#include <intel-ipsec-mb.h>

#include <harness/layers/encrypt/primitives.hpp>

namespace harness::layers::encryption {

namespace {

const std::uint8_t* raw(const std::byte* bytes) { return reinterpret_cast<const std::uint8_t*>(bytes); }
std::uint8_t* raw(std::byte* bytes) { return reinterpret_cast<std::uint8_t*>(bytes); }

const IMB_MGR* library() noexcept {
  static const IMB_MGR* const made = [] {
    IMB_MGR* manager = alloc_mb_mgr(0);
    if (manager != nullptr) init_mb_mgr_auto(manager, nullptr);
    return manager;
  }();
  return made;
}

class IpsecMbKey final : public AeadKey {
 public:
  explicit IpsecMbKey(const IMB_MGR* table) : table_(table) { IpsecMbKey::set({}); }
  ~IpsecMbKey() override {
    wipe({reinterpret_cast<std::byte*>(&key_), sizeof key_});
    wipe({reinterpret_cast<std::byte*>(&context_), sizeof context_});
  }

  void set(const Key& key) noexcept override { table_->gcm256_pre(key.data(), &key_); }
  void seal(const Nonce& nonce, Bytes clear, Bytes plain, std::byte* to, std::byte* tag) noexcept override {
    table_->gcm256_enc(&key_, &context_, raw(to), raw(plain.data()), plain.size(), raw(nonce.data()),
                       raw(clear.data()), clear.size(), raw(tag), tag_bytes);
  }
  bool open(const Nonce& nonce, Bytes clear, Bytes sealed, const std::byte* tag,
            std::byte* to) noexcept override {
    std::array<std::byte, tag_bytes> expected;
    std::copy_n(tag, tag_bytes, expected.begin());  // it may lie where the text goes
    std::array<std::byte, tag_bytes> real;
    table_->gcm256_dec(&key_, &context_, raw(to), raw(sealed.data()), sealed.size(), raw(nonce.data()),
                       raw(clear.data()), clear.size(), raw(real.data()), tag_bytes);
    const bool good = equal(real, expected);
    if (!good) wipe({to, sealed.size()});
    return good;
  }

 private:
  const IMB_MGR* table_;
  alignas(64) gcm_context_data context_{};
  alignas(64) gcm_key_data key_{};  // the library writes to it by aligned stores
};

}  // namespace

std::unique_ptr<AeadKey> make_ipsec_mb_key(Suite suite) {
  const IMB_MGR* const table = library();
  if (suite != Suite::aes || table == nullptr || !has_aes()) return nullptr;
  return std::make_unique<IpsecMbKey>(table);
}

bool ipsec_mb_is_best() noexcept {
  constexpr std::uint64_t wide = IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ | IMB_FEATURE_AVX2;
  return library() != nullptr && (library()->features & wide) == wide;
}

}  // namespace harness::layers::encryption
#else

namespace harness::layers::encryption {

std::unique_ptr<AeadKey> make_ipsec_mb_key(Suite) { return nullptr; }
bool ipsec_mb_is_best() noexcept { return false; }

}  // namespace harness::layers::encryption
#endif
