// SPDX-License-Identifier: Apache-2.0
// harness::Authority of a node that has a token and nothing else: for the one link over which it joins.
//
// It shows its ticket, the root's fingerprint and the token's number, and mixes the token's key into the
// handshake; whoever answers knows that key, so it holds the root's tokens. Its certificate tells its name:
// the issuer must be the root of the token, the signature is left to the answer, which brings the root's key.
#pragma once

#include <harness/kernel/identity/greeting.hpp>
#include <harness/kernel/identity/token.hpp>
#include <harness/stack/authority.hpp>

namespace harness::identity {

/// "root 16 · token id 5", as it stands in a first blob.
Ticket ticket_of(const Token& token) noexcept;

class JoinAuthority final : public Authority {
 public:
  /// `keys` may be drawn for this one link; they outlive it. `name`: of a link's end, not of the node to be.
  JoinAuthority(const NodeKeys& keys, const Token& token, std::string name);

  [[nodiscard]] const Principal& self() const noexcept override { return self_; }
  [[nodiscard]] Bytes certificate() const noexcept override { return {}; }
  [[nodiscard]] Bytes static_secret() const noexcept override { return keys_.static_secret.bytes(); }
  [[nodiscard]] Result<Principal> verify(Bytes certificate) const override;
  [[nodiscard]] Key shared_secret(std::string_view) const noexcept override { return {}; }
  [[nodiscard]] Properties floor(std::string_view) const noexcept override {
    return property::authenticated | property::forward_secret;
  }
  [[nodiscard]] std::optional<Code> greeting(std::string_view domain, Bytes frame) const noexcept override;
  [[nodiscard]] Code cookie(Bytes) const noexcept override { return {}; }  // nobody dials it
  [[nodiscard]] std::optional<Ticket> ticket() const override { return ticket_of(token_); }

 private:
  const NodeKeys& keys_;
  Token token_;
  Principal self_;
};

}  // namespace harness::identity
