// SPDX-License-Identifier: Apache-2.0
// The interpreter: names follow the specification, so that the two can be read side by side.
#include <harness/layers/encrypt/noise.hpp>

#include <algorithm>

namespace harness::layers::encryption {

namespace {

std::string_view take_part(std::string_view& text) {
  const std::size_t at = std::min(text.find('_'), text.size());
  const std::string_view part = text.substr(0, at);
  text.remove_prefix(std::min(at + 1, text.size()));
  return part;
}

std::optional<HashKind> hash_named(std::string_view name) {
  if (name == "SHA256") return HashKind::sha256;
  if (name == "SHA512") return HashKind::sha512;
  if (name == "BLAKE2s") return HashKind::blake2s;
  if (name == "BLAKE2b") return HashKind::blake2b;
  return {};
}

std::optional<Suite> suite_named(std::string_view name) {
  if (name == "AESGCM") return Suite::aes;
  if (name == "ChaChaPoly") return Suite::chacha;
  return {};
}

// §12: 32 bits of zeros, then the number, big-endian for AES and little-endian for ChaCha20.
Nonce nonce_of(Suite suite, std::uint64_t number) {
  Nonce nonce{};
  store<std::uint64_t>(nonce.data() + 4, suite == Suite::aes ? __builtin_bswap64(number) : number);
  return nonce;
}

}  // namespace

std::optional<NoiseProtocol> noise_protocol(std::string_view name) noexcept {
  std::string_view rest = name;
  if (take_part(rest) != "Noise") return {};
  const auto pattern = noise_pattern(take_part(rest));
  const bool curve = take_part(rest) == "25519";
  const auto suite = suite_named(take_part(rest));
  const auto hash = hash_named(rest);
  if (!pattern || !curve || !suite || !hash) return {};
  return NoiseProtocol{name, *pattern, *suite, *hash};
}

Noise::Noise(const NoiseProtocol& protocol, Role role)
    : protocol_(protocol), role_(role), hasher_(protocol.hash), aead_(protocol.suite) {
  const Bytes name = as_bytes(protocol.name);
  if (name.size() <= hasher_.bytes()) {
    std::copy(name.begin(), name.end(), hash_.begin());
  } else {
    hasher_.digest({name}, hash_.data());
  }
  chaining_key_ = hash_;
}

Noise::~Noise() { wipe(chaining_key_); }

void Noise::set_static(const Key& secret, const Key& its_public) noexcept {
  static_.bytes = secret;
  static_public_ = its_public;
  has_static_ = true;
}

void Noise::add_psk(const Key& psk) noexcept {
  if (psk_count_ == psks_.size()) return fail();
  psks_[psk_count_++].bytes = psk;
}

void Noise::begin(Bytes prologue) noexcept {
  mix_hash({prologue});
  const bool initiator = role_ == Role::initiator;
  const auto& known = protocol_.pattern;
  if (known.initiator_known) mix_hash({initiator ? Bytes(static_public_) : Bytes(remote_static_)});
  if (known.responder_known) mix_hash({initiator ? Bytes(remote_static_) : Bytes(static_public_)});
}

std::size_t Noise::write(Bytes payload, MutableBytes to) noexcept {
  if (failed_ || done() || !my_turn()) return fail(), 0;
  const std::size_t room = std::min(to.size(), message_bytes_max);
  MutableBytes rest = to.first(room);
  const auto& line = protocol_.pattern.messages[next_];
  for (std::uint8_t i = 0; i < line.count && !failed_; ++i) write_token(line.tokens[i], rest);
  if (!failed_) encrypt_and_hash(payload, rest);
  ++next_;
  return failed_ ? 0 : room - rest.size();
}

std::optional<std::size_t> Noise::read(Bytes message, MutableBytes payload) noexcept {
  if (done() || my_turn() || message.size() > message_bytes_max) return fail(), std::nullopt;
  const auto& line = protocol_.pattern.messages[next_];
  for (std::uint8_t i = 0; i < line.count && !failed_; ++i) read_token(line.tokens[i], message);
  if (failed_ || message.size() < sealed_bytes(0)) return fail(), std::nullopt;
  const std::size_t bytes = message.size() - sealed_bytes(0);
  if (bytes > payload.size()) return fail(), std::nullopt;
  decrypt_and_hash(message, bytes, payload.data());
  ++next_;
  return failed_ ? std::nullopt : std::optional(bytes);
}

std::array<Secret, 2> Noise::split() noexcept {
  const std::size_t bytes = hasher_.bytes();
  std::array<std::byte, 2 * hash_bytes_max> out;
  std::array<std::byte, hash_bytes_max> temporary;
  hasher_.extract(Bytes(chaining_key_).first(bytes), {}, temporary.data());
  hasher_.expand(Bytes(temporary).first(bytes), {}, MutableBytes(out).first(2 * bytes));
  std::array<Secret, 2> keys;
  for (std::size_t i = 0; i < 2; ++i) std::copy_n(out.begin() + i * bytes, key_bytes, keys[i].bytes.begin());
  wipe(out);
  wipe(temporary);
  wipe(chaining_key_);
  return keys;
}

// ---- SymmetricState, §5.2 ----

void Noise::mix_hash(std::initializer_list<Bytes> parts) noexcept {
  const Bytes before = hash();
  const Bytes first = parts.begin()[0];
  const Bytes second = parts.size() > 1 ? parts.begin()[1] : Bytes{};
  hasher_.digest({before, first, second}, hash_.data());
}

void Noise::use_key(Bytes key) noexcept {
  Secret used;
  std::copy_n(key.begin(), key_bytes, used.bytes.begin());  // §5.2: the first 32 bytes of a longer hash
  aead_.set(used.bytes);
  nonce_ = 0;
  has_key_ = true;
}

void Noise::mix_key(Bytes input) noexcept {
  const std::size_t bytes = hasher_.bytes();
  std::array<std::byte, 2 * hash_bytes_max> out;
  hasher_.extract(Bytes(chaining_key_).first(bytes), input, chaining_key_.data());
  hasher_.expand(Bytes(chaining_key_).first(bytes), {}, MutableBytes(out).first(2 * bytes));
  std::copy_n(out.begin(), bytes, chaining_key_.begin());
  use_key(Bytes(out).subspan(bytes, key_bytes));
  wipe(out);
}

void Noise::mix_key_and_hash(Bytes input) noexcept {
  const std::size_t bytes = hasher_.bytes();
  std::array<std::byte, 3 * hash_bytes_max> out;
  hasher_.extract(Bytes(chaining_key_).first(bytes), input, chaining_key_.data());
  hasher_.expand(Bytes(chaining_key_).first(bytes), {}, MutableBytes(out).first(3 * bytes));
  std::copy_n(out.begin(), bytes, chaining_key_.begin());
  mix_hash({Bytes(out).subspan(bytes, bytes)});
  use_key(Bytes(out).subspan(2 * bytes, key_bytes));
  wipe(out);
}

void Noise::encrypt_and_hash(Bytes plain, MutableBytes& to) noexcept {
  const std::size_t bytes = sealed_bytes(plain.size());
  if (to.size() < bytes) return fail();
  if (has_key_) {
    aead_.seal(nonce_of(protocol_.suite, nonce_++), hash(), plain, to.data(), to.data() + plain.size());
  } else {
    std::copy(plain.begin(), plain.end(), to.begin());
  }
  mix_hash({to.first(bytes)});
  to = to.subspan(bytes);
}

void Noise::decrypt_and_hash(Bytes& from, std::size_t plain_bytes, std::byte* to) noexcept {
  const std::size_t bytes = sealed_bytes(plain_bytes);
  if (from.size() < bytes) return fail();
  const Bytes sealed = from.first(bytes);
  if (!has_key_) {
    std::copy(sealed.begin(), sealed.end(), to);
  } else if (!aead_.open(nonce_of(protocol_.suite, nonce_++), hash(), sealed.first(plain_bytes),
                         sealed.data() + plain_bytes, to)) {
    return fail();
  }
  mix_hash({sealed});
  from = from.subspan(bytes);
}

// ---- HandshakeState, §5.3 ----

void Noise::write_token(NoiseToken token, MutableBytes& to) noexcept {
  switch (token) {
    case NoiseToken::e:
      if (to.size() < key_bytes) return fail();
      if (!has_ephemeral_) draw(ephemeral_.bytes);
      has_ephemeral_ = true;
      ephemeral_public_ = public_key(ephemeral_.bytes);
      std::copy(ephemeral_public_.begin(), ephemeral_public_.end(), to.begin());
      to = to.subspan(key_bytes);
      return mix_ephemeral(ephemeral_public_);
    case NoiseToken::s:
      if (!has_static_) return fail();
      return encrypt_and_hash(static_public_, to);
    default: return mix_secret(token);
  }
}

void Noise::read_token(NoiseToken token, Bytes& from) noexcept {
  switch (token) {
    case NoiseToken::e:
      if (from.size() < key_bytes) return fail();
      std::copy_n(from.begin(), key_bytes, remote_ephemeral_.begin());
      has_remote_ephemeral_ = true;
      from = from.subspan(key_bytes);
      return mix_ephemeral(remote_ephemeral_);
    case NoiseToken::s:
      decrypt_and_hash(from, key_bytes, remote_static_.data());
      has_remote_static_ = !failed_;
      return;
    default: return mix_secret(token);
  }
}

// §9.2: in a psk handshake the ephemeral key goes into the key, too, so that no nonce is used twice.
void Noise::mix_ephemeral(const Key& key) noexcept {
  mix_hash({key});
  if (protocol_.pattern.has_psk) mix_key(key);
}

void Noise::mix_psk() noexcept {
  if (psks_used_ == psk_count_) return fail();
  mix_key_and_hash(psks_[psks_used_++].bytes);
}

// ee, es, se, ss: the first letter is the initiator's key, the second the responder's.
void Noise::mix_secret(NoiseToken token) noexcept {
  if (token == NoiseToken::psk) return mix_psk();
  const bool initiator = role_ == Role::initiator;
  const bool initiators_static = token == NoiseToken::se || token == NoiseToken::ss;
  const bool responders_static = token == NoiseToken::es || token == NoiseToken::ss;
  const bool mine_static = initiator ? initiators_static : responders_static;
  const bool theirs_static = initiator ? responders_static : initiators_static;
  const bool here = mine_static ? has_static_ : has_ephemeral_;
  const bool there = theirs_static ? has_remote_static_ : has_remote_ephemeral_;
  Secret shared;
  if (!here || !there ||
      !agree(mine_static ? static_.bytes : ephemeral_.bytes,
             theirs_static ? remote_static_ : remote_ephemeral_, shared))
    return fail();
  mix_key(shared.bytes);
}

}  // namespace harness::layers::encryption
