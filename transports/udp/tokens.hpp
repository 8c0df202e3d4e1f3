// SPDX-License-Identifier: Apache-2.0
// What a listener gives to strangers instead of remembering them: tokens, keyed hashes of who asks and when.
//
// A token is SipHash-2-4 of the asker's address, its cookie and the time in steps of `step_ns`; it is good in
// the step that made it and in the next one. The key is drawn from the system when the transport starts. With
// the same key cookies are drawn: nobody who knows some of them can tell the next. Sources: RFC 9000 §8.1
// (address validation with Retry), RFC 6013 §1.1 (why no state), Aumasson & Bernstein, SipHash, 2012.
#pragma once

#include <array>
#include <cstdint>

#include <harness/transports/address.hpp>

namespace harness::transports::udp {

class Tokens {
 public:
  static constexpr std::uint64_t step_ns = 16'000'000'000;

  Tokens() noexcept;

  /// Never 0.
  [[nodiscard]] std::uint64_t make(const Address& from, std::uint32_t cookie,
                                   std::uint64_t now_ns) const noexcept {
    return hash(token_use, from, cookie, now_ns / step_ns) | 1;
  }
  [[nodiscard]] bool good(std::uint64_t token, const Address& from, std::uint32_t cookie,
                          std::uint64_t now_ns) const noexcept {
    const std::uint64_t step = now_ns / step_ns;
    return token == (hash(token_use, from, cookie, step) | 1) ||
           (step != 0 && token == (hash(token_use, from, cookie, step - 1) | 1));
  }
  /// Names who opens: a dialler's address and cookie as one number, the same at any time.
  [[nodiscard]] std::uint64_t origin(const Address& from, std::uint32_t cookie) const noexcept {
    return hash(origin_use, from, cookie, 0);
  }
  /// A number that nobody can foretell, never 0.
  [[nodiscard]] std::uint32_t draw_cookie() noexcept;

 private:
  enum Use : std::uint64_t { token_use = 1, origin_use = 2, cookie_use = 3 };
  [[nodiscard]] std::uint64_t hash(Use use, const Address& from, std::uint32_t cookie,
                                   std::uint64_t number) const noexcept;

  std::array<unsigned char, 16> key_{};
  std::uint64_t drawn_ = 0;
};

}  // namespace harness::transports::udp
