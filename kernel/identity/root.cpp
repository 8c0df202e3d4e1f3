// SPDX-License-Identifier: Apache-2.0
// Bytes of a root, and its fingerprint.
#include <harness/kernel/identity/root.hpp>

#include <fmt/format.h>

#include <harness/kernel/identity/hash.hpp>
#include <harness/kernel/identity/line.hpp>
#include <harness/kernel/identity/take.hpp>
#include <harness/stack/setup.hpp>

namespace harness::identity {

namespace {

constexpr std::string_view label = "harness root 1";
constexpr std::uint8_t version = 1;

Fingerprint fingerprint_of(std::string_view domain, const PublicKey& key) {
  constexpr std::byte zero{};
  return first_of<sizeof(Fingerprint)>(
      sha256({as_bytes(label), {&zero, 1}, as_bytes(domain), {&zero, 1}, key}));
}

std::vector<std::byte> body_of(std::string_view domain, const PublicKey& key) {
  std::vector<std::byte> body(root_bytes_max);
  Writer out(body);
  out.put<std::uint8_t>(version);
  out.put_text(domain);
  out.put_bytes(key);
  body.resize(out.used());
  return body;
}

}  // namespace

Root make_root(std::string_view domain, const SigningKey& key) {
  return {std::string(domain), key.public_key(), key.sign(label, body_of(domain, key.public_key())),
          fingerprint_of(domain, key.public_key())};
}

std::vector<std::byte> write_root(const Root& root) {
  std::vector<std::byte> bytes = body_of(root.domain, root.key);
  bytes.insert(bytes.end(), root.signature.begin(), root.signature.end());
  return bytes;
}

Result<Root> parse_root(Bytes bytes) {
  const auto damaged = [](std::string because) {
    return fail(Errc::corrupt, "the root is damaged", std::move(because),
                "ask for it again: harness domain show NAME");
  };
  Reader in(bytes);
  const bool known = in.take<std::uint8_t>() == version;
  Root root;
  root.domain = in.take_text(setup::name_bytes_max);
  take(in, root.key);
  take(in, root.signature);
  if (!in.done() || !known || !setup::valid_name(root.domain))
    return damaged("it has another length, version or name than a root has");
  if (!is_signed(root.key, label, bytes.first(bytes.size() - sizeof root.signature), root.signature))
    return damaged("its signature is not that of its key");
  root.fingerprint = fingerprint_of(root.domain, root.key);
  return root;
}

Result<Root> read_root(std::string_view line) {
  auto bytes = read_line(line, root_prefix, "a root", root_bytes_max);
  if (!bytes) return tl::unexpected<Error>(bytes.error());
  return parse_root(*bytes);
}

std::string root_line(const Root& root) { return write_line(root_prefix, write_root(root)); }

std::string fingerprint_text(const Fingerprint& fingerprint) {
  std::string text = base32(fingerprint);
  for (std::size_t at = 4; at < text.size(); at += 5) text.insert(at, "-");
  return text;
}

bool is_fingerprint(std::string_view text, const Fingerprint& fingerprint) {
  std::string plain;
  for (const char letter : text)
    if (letter != '-' && letter != ' ')
      plain += letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
  return plain == base32(fingerprint);
}

std::string spiffe_name(std::string_view domain, std::string_view node) {
  return fmt::format("spiffe://{}/node/{}", domain, node);
}

}  // namespace harness::identity
