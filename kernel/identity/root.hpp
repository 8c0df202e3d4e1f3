// SPDX-License-Identifier: Apache-2.0
// The root of a domain: its name and the key that signs for it. Who believes a domain holds its root.
//
//   version 8 · domain text · key 32 · signature 64 of that key over all before (text: 16-bit length, bytes)
//
// The signature shows that whoever made the line held the key. The fingerprint, 16 bytes of SHA-256 over name
// and key, is what people compare; 128 bits, so that nobody finds a second key for it. As a line it begins
// with `harness-root-`. Sources: SPIFFE (trust bundles); nebula (a certificate authority a network).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <harness/kernel/identity/keys.hpp>

namespace harness::identity {

using Fingerprint = std::array<std::byte, 16>;

inline constexpr std::string_view root_prefix = "harness-root-";
inline constexpr std::size_t root_bytes_max = 1 + 2 + 64 + 32 + 64;

struct Root {
  std::string domain;
  PublicKey key{};
  Signature signature{};
  Fingerprint fingerprint{};
  friend bool operator==(const Root&, const Root&) = default;
};

/// The root that `key` is of `domain`. Requires: a valid name. [any-thread]
Root make_root(std::string_view domain, const SigningKey& key);
std::vector<std::byte> write_root(const Root& root);
/// Errors: corrupt (not a root, or not signed by its own key). [any-thread]
Result<Root> parse_root(Bytes bytes);
/// From a line. Errors: also invalid.
Result<Root> read_root(std::string_view line);
std::string root_line(const Root& root);

/// "1a2b-3c4d-…": base32 in groups of four. [any-thread]
std::string fingerprint_text(const Fingerprint& fingerprint);
/// Whether a text is that fingerprint, however it is grouped and whatever its case. [any-thread]
bool is_fingerprint(std::string_view text, const Fingerprint& fingerprint);

/// "spiffe://lab/node/a". [any-thread]
std::string spiffe_name(std::string_view domain, std::string_view node);

}  // namespace harness::identity
