// SPDX-License-Identifier: Apache-2.0
// By libsodium.
#include <harness/kernel/identity/greeting.hpp>

#include <sodium/crypto_shorthash_siphash24.h>

#include <harness/kernel/identity/hash.hpp>

namespace harness::identity {

static_assert(crypto_shorthash_siphashx24_BYTES == sizeof(Code) &&
              crypto_shorthash_siphashx24_KEYBYTES == sizeof(Code));

Code greeting_key(const Root& root) noexcept {
  return first_of<sizeof(Code)>(sha256({as_bytes("harness greeting 1"), root.key}));
}

Code greeting_key(const Fingerprint& root) noexcept {
  return first_of<sizeof(Code)>(sha256({as_bytes("harness greeting of a joiner 1"), root}));
}

Code short_code(const Code& key, Bytes bytes) noexcept {
  Code code;
  const std::byte none{};  // libsodium is given no pointer to nothing
  crypto_shorthash_siphashx24(raw(MutableBytes(code)), bytes.empty() ? raw(Bytes(&none, 1)) : raw(bytes),
                              bytes.size(), raw(Bytes(key)));
  return code;
}

}  // namespace harness::identity
