// SPDX-License-Identifier: Apache-2.0
// Lines and records of tokens.
#include <harness/kernel/identity/token.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <harness/kernel/identity/line.hpp>
#include <harness/kernel/identity/refusal.hpp>
#include <harness/kernel/identity/take.hpp>
#include <harness/stack/setup.hpp>
#include <harness/stack/text.hpp>

namespace harness::identity {

namespace {

constexpr std::string_view psk_label = "harness join 1";
constexpr std::string_view magic = "HRNSTOK1";
constexpr const char* new_token = "have a new one made: harness token create DOMAIN";

Fingerprint user_of(const PublicKey& key) { return first_of<sizeof(Fingerprint)>(sha256({key})); }

void write_record(std::vector<std::byte>& to, const TokenRecord& record) {
  std::vector<std::byte> bytes(5 + 32 + 8 + 8 + 2 + 2 + record.node.size() + 2 + 16 * record.used_by.size());
  Writer out(bytes);
  out.put_bytes(record.id);
  out.put_bytes(record.psk);
  out.put<std::uint64_t>(static_cast<std::uint64_t>(record.created));
  out.put<std::uint64_t>(static_cast<std::uint64_t>(record.not_after));
  out.put<std::uint16_t>(record.uses);
  out.put_text(record.node);
  out.put<std::uint16_t>(static_cast<std::uint16_t>(record.used_by.size()));
  for (const Fingerprint& user : record.used_by) out.put_bytes(user);
  to.insert(to.end(), bytes.begin(), bytes.end());
  wipe(bytes);
}

bool read_record(Reader& in, TokenRecord& record) {
  take(in, record.id);
  take(in, record.psk);
  record.created = static_cast<Seconds>(in.take<std::uint64_t>());
  record.not_after = static_cast<Seconds>(in.take<std::uint64_t>());
  record.uses = in.take<std::uint16_t>();
  record.node = in.take_text(setup::name_bytes_max);
  const std::size_t used = in.take<std::uint16_t>();
  if (record.uses < 1 || record.uses > uses_max || used > record.uses) return false;
  if (!record.node.empty() && !setup::valid_name(record.node)) return false;
  for (std::size_t i = 0; i < used; ++i) take(in, record.used_by.emplace_back());
  return in.ok();
}

}  // namespace

Token make_token(const Fingerprint& root) noexcept {
  Token token{root, {}, {}};
  fill_random(token.id);
  fill_random(token.secret);
  return token;
}

std::string token_line(const Token& token) {
  std::array<std::byte, sizeof token.root + sizeof token.id + sizeof token.secret> bytes;
  Writer out(bytes);
  out.put_bytes(token.root);
  out.put_bytes(token.id);
  out.put_bytes(token.secret);
  std::string line = write_line(token_prefix, bytes);
  wipe(bytes);
  return line;
}

Result<Token> read_token(std::string_view line) {
  Token token;
  constexpr std::size_t size = sizeof token.root + sizeof token.id + sizeof token.secret;
  auto bytes = read_line(line, token_prefix, "a token", size);
  if (!bytes || bytes->size() != size)
    return refuse(Refusal::wrong_token, {},
                  bytes ? "it has another length than a token has"
                        : fmt::format("{}: {}", bytes.error().what, bytes.error().because),
                  bytes ? "copy the whole line" : bytes.error().advice);
  Reader in(*bytes);
  take(in, token.root);
  take(in, token.id);
  take(in, token.secret);
  wipe(*bytes);
  return token;
}

std::string id_text(const TokenId& id) { return base32(id); }

Key psk_of(const Token& token) noexcept {
  return hmac_sha256(token.secret, {as_bytes(psk_label), token.root, token.id});
}

Result<> TokenBook::add(TokenRecord record, Seconds now) {
  std::erase_if(records_, [now](const TokenRecord& old) { return old.not_after + forget_after < now; });
  if (records_.size() >= tokens_max)
    return fail(Errc::exhausted, "there are too many tokens", fmt::format("at most {} are kept", tokens_max),
                "withdraw some: harness token revoke ID");
  records_.push_back(std::move(record));
  return {};
}

const TokenRecord* TokenBook::find(const TokenId& id) const noexcept {
  const auto at = std::find_if(records_.begin(), records_.end(),
                               [&](const TokenRecord& record) { return record.id == id; });
  return at == records_.end() ? nullptr : &*at;
}

bool TokenBook::remove(const TokenId& id) {
  return std::erase_if(records_, [&](const TokenRecord& record) { return record.id == id; }) != 0;
}

Result<const TokenRecord*> TokenBook::admits(const TokenId& id, const PublicKey& key, std::string_view node,
                                             Seconds now) const {
  const TokenRecord* record = find(id);
  if (record == nullptr)
    return refuse(Refusal::wrong_token, {}, fmt::format("no token {} is known here", id_text(id)), new_token);
  if (now > record->not_after)
    return refuse(
        Refusal::expired_token, {},
        fmt::format("it held until {}; the clock here says {}", utc_text(record->not_after), utc_text(now)),
        new_token);
  if (!record->node.empty() && record->node != node)
    return fail(Errc::denied, fmt::format("the token is not for {}", text::quoted(node)),
                fmt::format("it is for the node {}", record->node), new_token);
  const bool again =
      std::find(record->used_by.begin(), record->used_by.end(), user_of(key)) != record->used_by.end();
  if (!again && record->used_by.size() >= record->uses)
    return refuse(Refusal::used_up_token, {},
                  fmt::format("it was good for {} and as many nodes have joined by it", record->uses),
                  new_token);
  return record;
}

Result<> TokenBook::burn(const TokenId& id, const PublicKey& key, std::string_view node, Seconds now) {
  auto admitted = admits(id, key, node, now);
  if (!admitted) return tl::unexpected<Error>(admitted.error());
  TokenRecord& record = records_[static_cast<std::size_t>(*admitted - records_.data())];
  const Fingerprint user = user_of(key);
  if (std::find(record.used_by.begin(), record.used_by.end(), user) == record.used_by.end())
    record.used_by.push_back(user);
  return {};
}

std::vector<std::byte> TokenBook::write() const {
  std::vector<std::byte> bytes(magic.size() + 4);
  Writer out(bytes);
  out.put_bytes(as_bytes(magic));
  out.put<std::uint32_t>(static_cast<std::uint32_t>(records_.size()));
  for (const TokenRecord& record : records_) write_record(bytes, record);
  const Digest digest = sha256({bytes});
  bytes.insert(bytes.end(), digest.begin(), digest.end());
  return bytes;
}

Result<TokenBook> TokenBook::parse(Bytes bytes) {
  const auto damaged = [](const char* because) {
    return fail(Errc::corrupt, "the list of tokens is damaged", because,
                "remove the file tokens of the domain: its tokens are then void");
  };
  if (bytes.size() < magic.size() + 4 + sizeof(Digest)) return damaged("it ends early");
  const Bytes body = bytes.first(bytes.size() - sizeof(Digest));
  Reader in(body);
  const bool ours = as_text(in.take_bytes(magic.size())) == magic;
  if (!ours || !equal(sha256({body}), bytes.subspan(body.size())))
    return damaged("its bytes are not those that were written");
  const std::size_t count = in.take<std::uint32_t>();
  TokenBook book;
  if (count > tokens_max) return damaged("it has too many records");
  for (std::size_t i = 0; i < count; ++i)
    if (!read_record(in, book.records_.emplace_back())) return damaged("a record makes no sense");
  if (!in.done()) return damaged("its records are longer or shorter than they say");
  return book;
}

}  // namespace harness::identity
