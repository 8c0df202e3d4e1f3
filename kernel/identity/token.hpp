// SPDX-License-Identifier: Apache-2.0
// A token to join a domain: one line, `harness1-…`, that lets its holder have a certificate issued.
//
//   root 16 · token id 5 · secret 16        and the check value of every line
//
// The line names the root, so that the joiner knows whom it may believe before it has heard anybody, and
// holds a secret, so that the issuer answers nobody else. The issuer keeps a record with an expiry and a
// count of uses, and of the secret only what is derived from it (`psk`): mixed into the handshake (XXpsk0)
// and the key of the proof in a request. A use belongs to the key that asked: who asks again with the same
// key, since the answer was lost, has the same use. Sources: kubeadm (expiry), Docker swarm (one line with
// the root's digest).
//
// Bounds: tokens_max records, uses_max uses each. A record goes when it has been expired for forget_after.
#pragma once

#include <optional>

#include <harness/kernel/identity/hash.hpp>
#include <harness/kernel/identity/moment.hpp>
#include <harness/kernel/identity/root.hpp>

namespace harness::identity {

inline constexpr std::string_view token_prefix = "harness1-";
inline constexpr std::size_t tokens_max = 1024;
inline constexpr std::size_t uses_max = 256;
inline constexpr Seconds token_life_usual = day;
inline constexpr Seconds token_life_max = 366 * day;
inline constexpr Seconds forget_after = 30 * day;

using TokenId = std::array<std::byte, 5>;

struct Token {
  Fingerprint root{};
  TokenId id{};
  std::array<std::byte, 16> secret{};
  friend bool operator==(const Token&, const Token&) = default;
};

Token make_token(const Fingerprint& root) noexcept;
std::string token_line(const Token& token);
/// Errors: denied with wrong_token (mistyped, cut, no token): told without asking anybody. [any-thread]
Result<Token> read_token(std::string_view line);
/// "4kx2m7qp", for people. [any-thread]
std::string id_text(const TokenId& id);
/// What both sides derive from the secret. [any-thread]
Key psk_of(const Token& token) noexcept;

/// What the issuer keeps.
struct TokenRecord {
  TokenId id{};
  Key psk{};
  Seconds created = 0;
  Seconds not_after = 0;
  std::uint16_t uses = 1;
  std::string node;                  // the one name it is for; empty: any
  std::vector<Fingerprint> used_by;  // of keys, first_of(sha256)
  friend bool operator==(const TokenRecord&, const TokenRecord&) = default;
};

class TokenBook {
 public:
  /// Errors: exhausted (tokens_max).
  Result<> add(TokenRecord record, Seconds now);
  [[nodiscard]] const TokenRecord* find(const TokenId& id) const noexcept;
  /// False when there is none of that id.
  bool remove(const TokenId& id);
  [[nodiscard]] const std::vector<TokenRecord>& records() const noexcept { return records_; }

  /// Whether the token lets the holder of `key` in as `node` now, without using it. Errors: denied with
  /// wrong_token, expired_token, used_up_token, or for another name. [any-thread]
  [[nodiscard]] Result<const TokenRecord*> admits(const TokenId& id, const PublicKey& key,
                                                  std::string_view node, Seconds now) const;
  /// The same, and one use is gone.
  Result<> burn(const TokenId& id, const PublicKey& key, std::string_view node, Seconds now);

  [[nodiscard]] std::vector<std::byte> write() const;
  /// Errors: corrupt. [any-thread]
  static Result<TokenBook> parse(Bytes bytes);

 private:
  std::vector<TokenRecord> records_;
};
inline constexpr std::size_t token_book_bytes_max =
    8 + 4 + tokens_max * (5 + 32 + 8 + 8 + 2 + 2 + 64 + 2 + 16 * uses_max) + 32;

}  // namespace harness::identity
