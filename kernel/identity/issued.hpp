// SPDX-License-Identifier: Apache-2.0
// Which certificates a domain has issued: what a person needs to revoke a node by its name.
//
// A text file, a line each: serial and digest of the key in 16 hexadecimal digits, last moment, name. Entries
// whose time has been over for a month go, unless they were revoked: a revoked key gets nothing more. Bound:
// issued_max.
#pragma once

#include <optional>

#include <harness/kernel/identity/moment.hpp>
#include <harness/stack/result.hpp>

#include <vector>

namespace harness::identity {

inline constexpr std::size_t issued_max = 16384;
inline constexpr std::size_t issued_bytes_max = issued_max * (2 * (16 + 1) + 12 + 1 + 64 + 1);

struct Issued {
  std::uint64_t serial = 0;
  std::uint64_t key = 0;  // of the signing key: the first bytes of its SHA-256
  Seconds not_after = 0;
  std::string name;
  friend bool operator==(const Issued&, const Issued&) = default;
};

std::string write_issued(const std::vector<Issued>& all);
/// Errors: corrupt, with the line. [any-thread]
Result<std::vector<Issued>> parse_issued(std::string_view text);

}  // namespace harness::identity
