// SPDX-License-Identifier: Apache-2.0
// The issuer's side of a join: tokens, and answers to requests.
#include <harness/kernel/identity/domain.hpp>

#include <fmt/format.h>

#include <harness/kernel/files.hpp>
#include <harness/kernel/identity/refusal.hpp>
#include <harness/stack/setup.hpp>
#include <harness/stack/text.hpp>

namespace harness::identity {

Result<TokenBook> Domain::tokens() const {
  const std::string path = folder_ + "/tokens";
  if (!file_exists(path)) return TokenBook();
  auto bytes = read_file(path, token_book_bytes_max, Privacy::secret);
  if (!bytes) return tl::unexpected<Error>(bytes.error());
  auto book = TokenBook::parse(*bytes);
  wipe(*bytes);
  return book;
}

Result<> Domain::keep_tokens(const TokenBook& book) const {
  std::vector<std::byte> bytes = book.write();
  auto kept = write_file(folder_ + "/tokens", bytes, Privacy::secret);
  wipe(bytes);
  return kept;
}

Result<Token> Domain::make_token(const TokenWish& wish, Seconds now) {
  if (!holds_root())
    return fail(Errc::not_found, fmt::format("the root of {} is not held here", name()),
                "who answers to a token must be able to issue", "run this where the domain was made");
  if (wish.uses < 1 || wish.uses > uses_max || wish.life < minute || wish.life > token_life_max)
    return fail(Errc::invalid, "no token can be like that",
                fmt::format("uses are 1 to {}, lives 1 minute to {}", uses_max, span_text(token_life_max)),
                "--uses 1 --ttl 24h");
  if (!wish.node.empty() && !setup::valid_name(wish.node))
    return fail(Errc::invalid, text::quoted(wish.node) + " is no name",
                "a token is for a node's name or for any", "--for NAME");
  auto lock = FolderLock::take(folder_);
  if (!lock) return tl::unexpected<Error>(lock.error());
  auto book = tokens();
  if (!book) return tl::unexpected<Error>(book.error());
  Token token = identity::make_token(root().fingerprint);
  while (book->find(token.id) != nullptr) fill_random(token.id);
  auto added = book->add({token.id, psk_of(token), now, now + wish.life, wish.uses, wish.node, {}}, now);
  if (added) added = keep_tokens(*book);
  if (!added) return tl::unexpected<Error>(added.error());
  return token;
}

Result<TokenRecord> Domain::withdraw(std::string_view id) {
  auto lock = FolderLock::take(folder_);
  if (!lock) return tl::unexpected<Error>(lock.error());
  auto book = tokens();
  if (!book) return tl::unexpected<Error>(book.error());
  for (const TokenRecord& record : book->records()) {
    if (id_text(record.id) != id) continue;
    TokenRecord gone = record;
    book->remove(gone.id);
    if (auto kept = keep_tokens(*book); !kept) return tl::unexpected<Error>(kept.error());
    return gone;
  }
  return fail(Errc::not_found, fmt::format("there is no token {}", text::quoted(id)),
              fmt::format("{} has made none of that id, or it was withdrawn", name()), "harness token ls");
}

Result<Key> Domain::psk(const TokenId& id, Seconds now) const {
  auto book = tokens();
  if (!book) return tl::unexpected<Error>(book.error());
  const TokenRecord* record = book->find(id);
  auto admitted = record != nullptr && now <= record->not_after
                      ? Result<const TokenRecord*>(record)
                      : book->admits(id, {}, record == nullptr ? "" : record->node, now);
  if (!admitted) return tl::unexpected<Error>(admitted.error());
  return (*admitted)->psk;
}

Result<> Domain::check_token(Bytes bytes, const JoinRequest& request, const TokenBook& book,
                             Seconds now) const {
  if (!request.with_token)
    return refuse(Refusal::wrong_token, {}, "the request has none",
                  "have one made: harness token create " + name());
  if (request.root != root().fingerprint)
    return refuse(Refusal::wrong_root, "the token",
                  fmt::format("it names {}, {} has {}", fingerprint_text(request.root), name(),
                              fingerprint_text(root().fingerprint)),
                  "have a new token made: harness token create " + name());
  const TokenRecord* record = book.find(request.token);
  if (record != nullptr && !proves(bytes, request, record->psk))
    return refuse(Refusal::wrong_token, {}, "the request does not prove its secret", "copy the whole line");
  auto admitted = book.admits(request.token, request.signing_key, request.name, now);
  return admitted ? Result<>() : tl::unexpected<Error>(admitted.error());
}

Result<JoinAnswer> Domain::admit(Bytes bytes, Warrant warrant, Seconds now, const Principal* peer) {
  auto request = parse_request(bytes);
  if (!request) return tl::unexpected<Error>(request.error());
  if (request->domain != name())
    return fail(Errc::denied, fmt::format("{} issues nothing for the domain {}", name(), request->domain),
                "the request is for another domain", "ask a node of that domain");
  if (warrant == Warrant::principal &&
      (peer == nullptr || peer->domain != name() || peer->name != request->name))
    return fail(
        Errc::denied, fmt::format("nobody may ask for {} but itself", request->name),
        peer == nullptr ? "the asker is not known" : "the asker is " + spiffe_name(peer->domain, peer->name),
        "have a token made: harness token create " + name());
  auto lock = FolderLock::take(folder_);  // from the first look at the token to its end: one wins
  if (!lock) return tl::unexpected<Error>(lock.error());
  auto book = tokens();
  if (!book) return tl::unexpected<Error>(book.error());
  if (warrant == Warrant::token)
    if (auto right = check_token(bytes, *request, *book, now); !right)
      return tl::unexpected<Error>(right.error());
  JoinAnswer answer;
  auto certificate = issue_locked(*request, now);
  if (!certificate) return tl::unexpected<Error>(certificate.error());
  answer.certificate = std::move(*certificate);
  if (warrant == Warrant::token) {
    auto burnt = book->burn(request->token, request->signing_key, request->name, now);
    if (burnt) burnt = keep_tokens(*book);
    if (!burnt) return tl::unexpected<Error>(burnt.error());
  }
  answer.roots.push_back(root());
  for (const auto& [domain, trusted] : trust_.domains()) {
    if (domain != name() && answer.roots.size() < answer_domains_max) answer.roots.push_back(trusted.root);
    if (trusted.floor && answer.floors.size() < answer_domains_max) answer.floors.push_back(*trusted.floor);
  }
  answer.revoked = trust_.find(name())->revoked;
  return answer;
}

std::vector<std::byte> Domain::answer(Bytes request, Warrant warrant, Seconds now, const Principal* peer) {
  auto admitted = admit(request, warrant, now, peer);
  return admitted ? write_answer(*admitted, request, key_) : write_refusal(admitted.error());
}

}  // namespace harness::identity
