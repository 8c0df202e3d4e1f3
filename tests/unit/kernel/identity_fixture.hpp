// SPDX-License-Identifier: Apache-2.0
// Keys that are the same in every run, a moment that is now, and documents made with them.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>

#include <harness/kernel/files.hpp>
#include <harness/kernel/identity/certificate.hpp>
#include <harness/kernel/identity/domain.hpp>
#include <harness/kernel/identity/refusal.hpp>
#include <harness/tests/support/temporary.hpp>

namespace harness::identity {

inline constexpr Seconds now = 1'795'000'000;  // in November 2026
inline constexpr Seconds century = 36525 * day;

inline SigningKey key_number(unsigned char number) {
  std::array<std::byte, seed_bytes> seed{};
  seed[0] = std::byte{number};
  return SigningKey::from_seed(seed);
}

inline NodeKeys node_keys(unsigned char number) {
  std::array<std::byte, 2 * seed_bytes> seeds{};
  seeds[1] = seeds[seed_bytes + 1] = std::byte{number};  // of the first byte X25519 clears three bits
  return NodeKeys::from_seeds(seeds);
}

inline Secret secret_of(std::string_view text) { return Secret(as_bytes(text)); }

/// The cheapest that Argon2id does: tests are no attackers.
inline constexpr WrapCost cheap{1, memory_kib_min};

inline JoinRequest request_of(const NodeKeys& keys, std::string domain, std::string name, Seconds life = 0) {
  JoinRequest request;
  request.domain = std::move(domain);
  request.name = std::move(name);
  request.signing_key = keys.signing.public_key();
  request.static_key = keys.static_key;
  request.life = life;
  return request;
}

/// The error of something that must have failed.
template <class T>
Error error_of(const Result<T>& result) {
  EXPECT_FALSE(result.has_value());
  return result ? Error{Errc::ok, {}, {}, {}} : result.error();
}

/// An error in three parts with this code, and these words in `what` or `because`.
inline void expect_error(const Error& error, Errc code, std::string_view words) {
  EXPECT_EQ(error.code, code) << error.text();
  EXPECT_FALSE(error.what.empty() || error.because.empty() || error.advice.empty()) << error.text();
  EXPECT_THAT(error.what + "|" + error.because, testing::HasSubstr(std::string(words)));
}

inline void expect_refusal(const Error& error, Refusal refusal) {
  expect_error(error, Errc::denied, sentence(refusal));
  EXPECT_EQ(refusal_of(error), refusal);
}

/// Calls with `bytes` changed in each single bit, cut at each length, and with a byte more.
template <class Check>
void for_each_change(const std::vector<std::byte>& bytes, Check&& check) {
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    std::vector<std::byte> changed = bytes;
    changed[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
    check(Bytes(changed));
  }
  for (std::size_t size = 0; size < bytes.size(); ++size) check(Bytes(bytes).first(size));
  std::vector<std::byte> longer = bytes;
  longer.push_back(std::byte{0});
  check(Bytes(longer));
}

}  // namespace harness::identity
