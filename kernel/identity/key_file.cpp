// SPDX-License-Identifier: Apache-2.0
// Header, wrapping, unwrapping.
#include <harness/kernel/identity/key_file.hpp>

#include <fmt/format.h>
#include <sodium/crypto_aead_xchacha20poly1305.h>
#include <sodium/crypto_pwhash_argon2id.h>

#include <harness/kernel/identity/hash.hpp>
#include <harness/kernel/identity/take.hpp>

namespace harness::identity {

namespace {

constexpr std::string_view magic = "HRNSKEY1";
constexpr std::size_t salt_bytes = 16, nonce_bytes = 24, tag_bytes = 16;
static_assert(salt_bytes == crypto_pwhash_argon2id_SALTBYTES);
static_assert(nonce_bytes == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
static_assert(tag_bytes == crypto_aead_xchacha20poly1305_ietf_ABYTES);

struct Header {
  KeyKind kind = KeyKind::root;
  bool wrapped = false;
  WrapCost cost{0, 0};
  std::array<std::byte, salt_bytes> salt{};
  std::array<std::byte, nonce_bytes> nonce{};

  [[nodiscard]] std::size_t keys_bytes() const noexcept {
    return kind == KeyKind::root ? seed_bytes : 2 * seed_bytes;
  }
};

struct Parts {
  Header header;
  Bytes before;   // of the seeds: what is sealed with them
  Bytes publics;  // in `before`
  Bytes seeds;    // with the tag, when wrapped
};

tl::unexpected<Error> damaged(std::string because) {
  return fail(Errc::corrupt, "the key file is damaged", std::move(because),
              "put the file back from a copy, or make a new key");
}

void write(Writer& out, const Header& header, Bytes publics) {
  out.put_bytes(as_bytes(magic));
  out.put<std::uint8_t>(static_cast<std::uint8_t>(header.kind));
  out.put<std::uint8_t>(header.wrapped ? 1 : 0);
  out.put<std::uint16_t>(0);
  out.put<std::uint32_t>(header.cost.passes);
  out.put<std::uint32_t>(header.cost.memory_kib);
  out.put_bytes(header.salt);
  out.put_bytes(header.nonce);
  out.put_bytes(publics);
}

bool in_bounds(const Header& header) noexcept {
  const WrapCost cost = header.cost;
  if (!header.wrapped) return cost.passes == 0 && cost.memory_kib == 0;
  return cost.passes >= 1 && cost.passes <= passes_max && cost.memory_kib >= memory_kib_min &&
         cost.memory_kib <= memory_kib_max;
}

Result<Parts> parse(Bytes file) {
  Reader in(file);
  const bool ours = as_text(in.take_bytes(magic.size())) == magic;
  const auto kind = in.take<std::uint8_t>();
  const auto wrapped = in.take<std::uint8_t>();
  const auto zero = in.take<std::uint16_t>();
  if (!in.ok() || !ours) return damaged("it does not begin as a key file of this version does");
  if (kind < 1 || kind > 2 || wrapped > 1 || zero != 0) return damaged("its header makes no sense");
  Parts parts;
  Header& header = parts.header;
  header.kind = static_cast<KeyKind>(kind);
  header.wrapped = wrapped == 1;
  header.cost.passes = in.take<std::uint32_t>();
  header.cost.memory_kib = in.take<std::uint32_t>();
  take(in, header.salt);
  take(in, header.nonce);
  parts.publics = in.take_bytes(header.keys_bytes());
  parts.before = file.first(file.size() - in.remaining());
  parts.seeds = in.take_bytes(header.keys_bytes() + (header.wrapped ? tag_bytes : 0));
  if (!in.done()) return damaged(in.ok() ? "bytes follow its end" : "it ends early");
  if (!in_bounds(header)) return damaged("its cost of a passphrase is out of bounds");
  return parts;
}

Result<Secret> wrapping_key(const Header& header, const Secret& passphrase) {
  Secret key(crypto_aead_xchacha20poly1305_ietf_KEYBYTES);
  const auto* words = reinterpret_cast<const char*>(passphrase.bytes().data());
  if (crypto_pwhash_argon2id(raw(key.bytes()), key.bytes().size(), words, passphrase.bytes().size(),
                             raw(Bytes(header.salt)), header.cost.passes,
                             std::size_t{header.cost.memory_kib} << 10,
                             crypto_pwhash_argon2id_ALG_ARGON2ID13) != 0)
    return fail(Errc::exhausted, "the passphrase cannot be tried",
                fmt::format("Argon2id needs {} MiB of memory", header.cost.memory_kib >> 10),
                "free some memory");
  return key;
}

Result<Secret> write_file(KeyKind kind, Bytes publics, Bytes seeds, const Secret* passphrase, WrapCost cost) {
  Header header{kind, passphrase != nullptr, passphrase == nullptr ? WrapCost{0, 0} : cost, {}, {}};
  if (header.wrapped) {
    fill_random(header.salt);
    fill_random(header.nonce);
  }
  Secret file(key_file_bytes_max);
  Writer out(file.bytes());
  write(out, header, publics);
  const std::size_t before = out.used();
  if (!header.wrapped) {
    out.put_bytes(seeds);
    file.shorten(out.used());
    return file;
  }
  auto key = wrapping_key(header, *passphrase);
  if (!key) return tl::unexpected<Error>(key.error());
  unsigned long long sealed = 0;
  crypto_aead_xchacha20poly1305_ietf_encrypt(raw(file.bytes().subspan(before)), &sealed, raw(seeds),
                                             seeds.size(), raw(Bytes(file.bytes())), before, nullptr,
                                             raw(Bytes(header.nonce)), raw(Bytes(key->bytes())));
  file.shorten(before + sealed);
  return file;
}

Result<Secret> unwrap(const Parts& parts, const Secret* passphrase) {
  if (passphrase == nullptr)
    return fail(Errc::denied, "the key is wrapped by a passphrase", "none was given",
                "--passphrase FILE, or - for standard input, or type it on a terminal");
  auto key = wrapping_key(parts.header, *passphrase);
  if (!key) return key;
  Secret seeds(parts.header.keys_bytes());
  if (crypto_aead_xchacha20poly1305_ietf_decrypt(
          raw(seeds.bytes()), nullptr, nullptr, raw(parts.seeds), parts.seeds.size(), raw(parts.before),
          parts.before.size(), raw(Bytes(parts.header.nonce)), raw(Bytes(key->bytes()))) != 0)
    return fail(Errc::denied, "the passphrase is wrong",
                "the key does not open with it, or its file is damaged",
                "try again; an end of line behind the passphrase does not count");
  return seeds;
}

Result<Secret> open(Bytes file, KeyKind kind, const Secret* passphrase) {
  auto parts = parse(file);
  if (!parts) return tl::unexpected<Error>(parts.error());
  if (parts->header.kind != kind) return damaged("it is the key of something else");
  if (parts->header.wrapped) return unwrap(*parts, passphrase);
  return Secret(parts->seeds);
}

}  // namespace

Result<Secret> write_key(const SigningKey& root, const Secret* passphrase, WrapCost cost) {
  return write_file(KeyKind::root, root.public_key(), root.seed(), passphrase, cost);
}

Result<Secret> write_key(const NodeKeys& node, const Secret* passphrase, WrapCost cost) {
  std::array<std::byte, 64> publics;
  Writer out(publics);
  out.put_bytes(node.signing.public_key());
  out.put_bytes(node.static_key);
  const Secret seeds = node.seeds();
  return write_file(KeyKind::node, publics, seeds.bytes(), passphrase, cost);
}

Result<KeyFacts> look_at_key(Bytes file) {
  auto parts = parse(file);
  if (!parts) return tl::unexpected<Error>(parts.error());
  KeyFacts facts{parts->header.kind, parts->header.wrapped, {}, {}};
  Reader in(parts->publics);
  take(in, facts.signing_key);
  if (facts.kind == KeyKind::node) take(in, facts.static_key);
  return facts;
}

Result<SigningKey> open_root_key(Bytes file, const Secret* passphrase) {
  auto seeds = open(file, KeyKind::root, passphrase);
  if (!seeds) return tl::unexpected<Error>(seeds.error());
  SigningKey key = SigningKey::from_seed(seeds->bytes());
  if (key.public_key() != look_at_key(file)->signing_key)
    return damaged("its two halves do not belong together");
  return key;
}

Result<NodeKeys> open_node_keys(Bytes file, const Secret* passphrase) {
  auto seeds = open(file, KeyKind::node, passphrase);
  if (!seeds) return tl::unexpected<Error>(seeds.error());
  NodeKeys keys = NodeKeys::from_seeds(seeds->bytes());
  const KeyFacts facts = *look_at_key(file);
  if (keys.signing.public_key() != facts.signing_key || keys.static_key != facts.static_key)
    return damaged("its two halves do not belong together");
  return keys;
}

}  // namespace harness::identity
