// SPDX-License-Identifier: Apache-2.0
// Which certificates of a domain hold no more although their time is not over: a list that its root signs.
//
//   version 8 · domain text · root 16 · serial of the list 64 · count 32 · serials 64 each, ascending
//   · signature 64
//
// A list replaces the one before and its serial only grows, as with floors. At most revoked_max entries: a
// domain whose nodes live a week needs few. As a line it begins with `harness-revoked-`.
#pragma once

#include <harness/kernel/identity/root.hpp>

namespace harness::identity {

inline constexpr std::string_view revoked_prefix = "harness-revoked-";
inline constexpr std::size_t revoked_max = 4096;
inline constexpr std::size_t revocation_bytes_max = 1 + 2 + 64 + 16 + 8 + 4 + 8 * revoked_max + 64;

struct RevocationList {
  std::string domain;
  Fingerprint root{};
  std::uint64_t serial = 0;
  std::vector<std::uint64_t> revoked;  // ascending
  Signature signature{};
  friend bool operator==(const RevocationList&, const RevocationList&) = default;

  [[nodiscard]] bool has(std::uint64_t certificate) const noexcept;
};

/// Signs. Requires: `revoked` ascending, at most revoked_max. [any-thread]
void sign_revocations(RevocationList& list, const SigningKey& key);
std::vector<std::byte> write_revocations(const RevocationList& list);
/// Errors: corrupt. [any-thread]
Result<RevocationList> parse_revocations(Bytes bytes);
Result<RevocationList> read_revocations(std::string_view line);
std::string revocations_line(const RevocationList& list);
/// Errors: corrupt (its signature is wrong), denied (another domain's, another root's). [any-thread]
Result<> check_revocations(const RevocationList& list, const Root& root);
/// Whether `next` may replace `held` (null: none). Errors: conflict. [any-thread]
Result<> follows(const RevocationList& next, const RevocationList* held);

}  // namespace harness::identity
