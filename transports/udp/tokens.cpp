// SPDX-License-Identifier: Apache-2.0
// See tokens.hpp.
#include <harness/transports/udp/tokens.hpp>

#include <cerrno>
#include <cstring>

#include <sodium/crypto_shorthash.h>
#include <sys/random.h>

namespace harness::transports::udp {

static_assert(crypto_shorthash_KEYBYTES == 16 && crypto_shorthash_BYTES == sizeof(std::uint64_t));

// Of 256 bytes and less the system gives all or, before it has any entropy, waits; only a signal ends that.
Tokens::Tokens() noexcept {
  while (getrandom(key_.data(), key_.size(), 0) < 0 && errno == EINTR) {
  }
}

std::uint64_t Tokens::hash(Use use, const Address& from, std::uint32_t cookie,
                           std::uint64_t number) const noexcept {
  struct {
    std::uint64_t use;
    std::uint64_t number;
    std::array<std::byte, 28> address;
    std::uint32_t cookie;
  } input{use, number, from.raw, cookie};
  static_assert(sizeof input == 48, "no byte of it is padding");
  std::uint64_t result = 0;
  crypto_shorthash(reinterpret_cast<unsigned char*>(&result), reinterpret_cast<const unsigned char*>(&input),
                   sizeof input, key_.data());
  return result;
}

std::uint32_t Tokens::draw_cookie() noexcept {
  std::uint32_t cookie = 0;
  while (cookie == 0) cookie = static_cast<std::uint32_t>(hash(cookie_use, {}, 0, ++drawn_));
  return cookie;
}

}  // namespace harness::transports::udp
