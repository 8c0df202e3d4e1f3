// SPDX-License-Identifier: Apache-2.0
// The certificate of a node: the root of its domain says which keys a name has, and for how long.
//
//   version 8 · domain text · name text · signing key 32 · static key 32 · not before 64 · not after 64
//   · serial 64 · issuer 16 · signature 64              text: 16-bit length, bytes; moments in Unix seconds
//
// At most certificate_bytes_max of 512. A fixed layout was preferred to CBOR and X.509: one form, no optional
// part, nothing to interpret before the signature is checked. Life is short (7 days unless told otherwise)
// and renewed at two thirds; revocation is for what cannot wait. Sources: SPIFFE (names), nebula (layout of
// the idea), RFC 8032.
#pragma once

#include <harness/kernel/identity/moment.hpp>
#include <harness/kernel/identity/root.hpp>

namespace harness::identity {

inline constexpr std::size_t certificate_bytes_max = 1 + 2 * (2 + 64) + 2 * 32 + 3 * 8 + 16 + 64;
static_assert(certificate_bytes_max <= Authority::certificate_bytes_max);

inline constexpr Seconds life_usual = 7 * day;
inline constexpr Seconds life_min = minute;
inline constexpr Seconds life_max = 3660 * day;
/// How long before its issue a certificate is valid: the clocks of two machines differ.
inline constexpr Seconds early = 5 * minute;

struct Certificate {
  std::string domain;
  std::string name;
  PublicKey signing_key{};
  Key static_key{};
  Seconds not_before = 0;
  Seconds not_after = 0;
  std::uint64_t serial = 0;
  Fingerprint issuer{};
  friend bool operator==(const Certificate&, const Certificate&) = default;

  /// When a new one should be asked for: two thirds of its life are over.
  [[nodiscard]] Seconds renew_at() const noexcept { return not_after - (not_after - not_before) / 3; }
};

/// Signs. Requires: valid names, the key of the issuer. [any-thread]
std::vector<std::byte> issue(const Certificate& certificate, const SigningKey& root);
/// The layout alone: who signed it, and when it holds, is not looked at. Errors: corrupt. [any-thread]
Result<Certificate> parse_certificate(Bytes bytes);
/// A certificate that `root` has issued and that holds `now`. Errors: corrupt (not a certificate, or not
/// signed by that key), denied (another domain's, another root's, not yet or no longer valid). [any-thread]
Result<Certificate> check_certificate(Bytes bytes, const Root& root, Seconds now);
/// Only whether one that is otherwise valid holds `now`. Errors: denied. [any-thread]
Result<> check_dates(const Certificate& certificate, Seconds now);

}  // namespace harness::identity
