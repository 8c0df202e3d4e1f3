// SPDX-License-Identifier: Apache-2.0
// A domain as a folder of this user: whom it believes, and, where its root is held, what only the root can
// do.
//
//   <state>/domains/<name>/trust/    the trust store; the domain's own root is in it
//                         root.key   the secret of the root, mode 0600 or wrapped; only where it is held
//                         issued     certificates issued here
//                         tokens     join tokens made here, mode 0600
//
// Every node of the domain that this user runs reads the same folder. The root is held by the machine that
// made the domain and by those the file is carried to; everywhere else the folder comes with the answer to a
// join. Everything blocks; changes take a lock of the folder, so that two processes never use one token twice
// or lose an entry.
#pragma once

#include <harness/kernel/identity/issued.hpp>
#include <harness/kernel/identity/join.hpp>
#include <harness/kernel/identity/key_file.hpp>
#include <harness/kernel/identity/trust_store.hpp>

namespace harness::identity {

/// Who vouches for a joiner.
enum class Warrant : unsigned char {
  token,      // nobody: the request must prove a token
  principal,  // the link over which it asks: its peer has proved to be that node already, and renews
  person,     // whoever runs the command that answers
};

class Domain {
 public:
  /// Below `state`, the folder of all state of this user.
  static std::string path_of(const std::string& state, std::string_view name);
  /// The domains of this user, sorted.
  static std::vector<std::string> names(const std::string& state);

  /// Makes a domain and its root. Errors: exists, invalid (the name), those of files.
  static Result<Domain> create(const std::string& state, const std::string& name, const Secret* passphrase,
                               WrapCost cost = {});
  /// Errors: not_found, those of TrustStore::open.
  static Result<Domain> open(const std::string& state, const std::string& name);
  /// What a joiner learnt, made or brought up to date; older floors and lists than those held are left out.
  /// Errors: denied with wrong_root, those of files.
  static Result<Domain> learn(const std::string& state, const JoinAnswer& answer);

  [[nodiscard]] const std::string& name() const noexcept { return trust_.self(); }
  [[nodiscard]] const Root& root() const noexcept { return trust_.find(name())->root; }
  [[nodiscard]] TrustStore& trust() noexcept { return trust_; }
  [[nodiscard]] const TrustStore& trust() const noexcept { return trust_; }

  /// Whether the secret of the root is here, and whether it takes a passphrase.
  [[nodiscard]] bool holds_root() const noexcept;
  [[nodiscard]] Result<bool> is_wrapped() const;
  /// Errors: not_found (it is not held here), corrupt, denied.
  Result<> unlock(const Secret* passphrase);

  // ---- what needs unlock() first; Errors: denied without ----

  /// Issues to these keys. Errors: denied (a revoked key asks), exhausted, those of files.
  Result<std::vector<std::byte>> issue(const JoinRequest& to, Seconds now);
  /// Revokes every certificate of a name that still holds. Errors: not_found (there is none), exhausted.
  Result<RevocationList> revoke(const std::string& node, Seconds now);
  /// Adds this side's signature.
  Result<> sign(SignedFloor& floor) const;
  /// Answers a request for a certificate, always: a refusal is an answer. A token is used up only when the
  /// rest is right. `peer`: who the link's other end is, for Warrant::principal.
  std::vector<std::byte> answer(Bytes request, Warrant warrant, Seconds now, const Principal* peer = nullptr);

  // ---- tokens ----

  struct TokenWish {
    std::uint16_t uses = 1;
    Seconds life = token_life_usual;
    std::string node;  // empty: any
  };
  /// Errors: invalid (out of bounds), exhausted, not_found (the root is not held here).
  Result<Token> make_token(const TokenWish& wish, Seconds now);
  Result<TokenBook> tokens() const;
  /// By its id as people write it. Errors: not_found.
  Result<TokenRecord> withdraw(std::string_view id);
  /// What a handshake with a joiner mixes in. Errors: denied with wrong_token, expired_token. (Used up is
  /// told by the answer: whoever had the last use may ask again.)
  Result<Key> psk(const TokenId& id, Seconds now) const;

  [[nodiscard]] Result<std::vector<Issued>> issued() const;

 private:
  explicit Domain(std::string folder, TrustStore trust)
      : folder_(std::move(folder)), trust_(std::move(trust)) {}
  Result<JoinAnswer> admit(Bytes request, Warrant warrant, Seconds now, const Principal* peer);
  Result<> check_token(Bytes bytes, const JoinRequest& request, const TokenBook& book, Seconds now) const;
  Result<std::vector<std::byte>> issue_locked(const JoinRequest& to, Seconds now);
  Result<> keep_tokens(const TokenBook& book) const;
  Result<> needs_key() const;

  std::string folder_;
  TrustStore trust_;
  SigningKey key_;
};

}  // namespace harness::identity
