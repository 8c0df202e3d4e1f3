// SPDX-License-Identifier: Apache-2.0
// The answers of a joiner to a handshake's questions.
#include <harness/kernel/identity/join_authority.hpp>

#include <fmt/format.h>

#include <harness/kernel/identity/certificate.hpp>
#include <harness/kernel/identity/refusal.hpp>

namespace harness::identity {

Ticket ticket_of(const Token& token) noexcept {
  static_assert(sizeof token.root + sizeof token.id == Ticket::name_bytes);
  Ticket ticket;
  std::copy(token.root.begin(), token.root.end(), ticket.name.begin());
  std::copy(token.id.begin(), token.id.end(), ticket.name.begin() + token.root.size());
  ticket.key = psk_of(token);
  return ticket;
}

JoinAuthority::JoinAuthority(const NodeKeys& keys, const Token& token, std::string name)
    : keys_(keys), token_(token), self_{{}, std::move(name), keys.static_key} {}

Result<Principal> JoinAuthority::verify(Bytes certificate) const {
  auto shown = parse_certificate(certificate);
  if (!shown) return tl::unexpected<Error>(shown.error());
  if (shown->issuer != token_.root)
    return refuse(Refusal::wrong_root, spiffe_name(shown->domain, shown->name) + ", who answered",
                  fmt::format("the token names {}, its certificate is of {}", fingerprint_text(token_.root),
                              fingerprint_text(shown->issuer)),
                  "dial a node of the domain that the token is for");
  return Principal{std::move(shown->domain), std::move(shown->name), shown->static_key, shown->serial};
}

std::optional<Code> JoinAuthority::greeting(std::string_view domain, Bytes frame) const noexcept {
  if (!domain.empty()) return {};
  return short_code(greeting_key(token_.root), frame);
}

}  // namespace harness::identity
