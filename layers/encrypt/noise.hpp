// SPDX-License-Identifier: Apache-2.0
// The Noise protocol framework: one handshake, as its pattern says.
//
// CipherState, SymmetricState and HandshakeState of the specification, §5, in one object. Keys are put in,
// then `write` and `read` take turns until `done`, then `split` gives the two keys and `hash` names what was
// said. Reading checks every length before it looks at a byte; what fails makes the object useless
// (`failed`), and nothing of it is to be believed. After construction it takes no memory but what
// a digest of OpenSSL takes and gives back.
// Bounds: a message at most 65,535 bytes (§3); 4 messages; the nonce never comes near its end.
// Rejected: a library (none in Debian knows all modifiers); one function per pattern (the vectors would then
// prove another code than the links use).
// Sources: Noise rev 34 §5, §9, §12; the tests are in tests/unit/layers/noise_test.cpp.
#pragma once

#include <optional>

#include <harness/layers/encrypt/aead.hpp>
#include <harness/layers/encrypt/hash.hpp>
#include <harness/layers/encrypt/noise_pattern.hpp>
#include <harness/layers/encrypt/primitives.hpp>
#include <harness/stack/layer.hpp>

namespace harness::layers::encryption {

/// "Noise_XXpsk3_25519_AESGCM_SHA256" in parts; the text lives as long as its user.
struct NoiseProtocol {
  std::string_view name;
  NoisePattern pattern;
  Suite suite;
  HashKind hash;
};
/// Reads such a name; nothing when it names what is not here. [any-thread]
std::optional<NoiseProtocol> noise_protocol(std::string_view name) noexcept;

class Noise {
 public:
  static constexpr std::size_t message_bytes_max = 65535;
  static constexpr std::size_t key_bytes = 32;

  Noise(const NoiseProtocol& protocol, Role role);
  ~Noise();
  Noise(const Noise&) = delete;
  Noise& operator=(const Noise&) = delete;

  // Before the first message.
  void set_static(const Key& secret, const Key& its_public) noexcept;
  void set_remote_static(const Key& key) noexcept { remote_static_ = key, has_remote_static_ = true; }
  /// The ephemeral key of a test; drawn otherwise.
  void set_ephemeral(const Key& secret) noexcept { ephemeral_.bytes = secret, has_ephemeral_ = true; }
  /// One for each psk token, in their order; may wait until the token is due.
  void add_psk(const Key& psk) noexcept;
  /// Requires: the keys that the pattern has before its first message are set.
  void begin(Bytes prologue) noexcept;

  /// Writes the next message with `payload` inside; returns its bytes, 0 when it is not our turn, a key is
  /// missing or `to` is too small: then the handshake has failed.
  std::size_t write(Bytes payload, MutableBytes to) noexcept;
  /// Reads the next message, its payload to `payload`; returns the payload's bytes, nothing on any failure.
  std::optional<std::size_t> read(Bytes message, MutableBytes payload) noexcept;
  [[nodiscard]] bool done() const noexcept { return !failed_ && next_ == protocol_.pattern.message_count; }
  [[nodiscard]] bool failed() const noexcept { return failed_; }
  [[nodiscard]] bool my_turn() const noexcept { return (next_ % 2 == 0) == (role_ == Role::initiator); }

  /// The handshake's hash: names everything both have said (§11.2).
  [[nodiscard]] Bytes hash() const noexcept { return Bytes(hash_).first(hasher_.bytes()); }
  [[nodiscard]] const Key& remote_static() const noexcept { return remote_static_; }
  /// The keys of the two directions, the initiator's first. Requires: done(). Once.
  std::array<Secret, 2> split() noexcept;

 private:
  // SymmetricState and its CipherState.
  void mix_hash(std::initializer_list<Bytes> parts) noexcept;
  void mix_key(Bytes input) noexcept;
  void mix_key_and_hash(Bytes input) noexcept;
  void use_key(Bytes key) noexcept;
  [[nodiscard]] std::size_t sealed_bytes(std::size_t bytes) const noexcept {
    return bytes + (has_key_ ? tag_bytes : 0);
  }
  void encrypt_and_hash(Bytes plain, MutableBytes& to) noexcept;
  void decrypt_and_hash(Bytes& from, std::size_t plain_bytes, std::byte* to) noexcept;

  void write_token(NoiseToken token, MutableBytes& to) noexcept;
  void read_token(NoiseToken token, Bytes& from) noexcept;
  void mix_ephemeral(const Key& key) noexcept;
  void mix_secret(NoiseToken token) noexcept;
  void mix_psk() noexcept;
  void fail() noexcept { failed_ = true; }

  NoiseProtocol protocol_;
  Role role_;
  Hash hasher_;
  Aead aead_;
  bool has_key_ = false;
  std::uint64_t nonce_ = 0;
  std::array<std::byte, hash_bytes_max> chaining_key_{};
  std::array<std::byte, hash_bytes_max> hash_{};

  Secret static_;
  Secret ephemeral_;
  Key static_public_{};
  Key ephemeral_public_{};
  Key remote_static_{};
  Key remote_ephemeral_{};
  bool has_static_ = false;
  bool has_ephemeral_ = false;
  bool has_remote_static_ = false;
  bool has_remote_ephemeral_ = false;
  std::array<Secret, NoisePattern::psks_max> psks_{};
  std::uint8_t psk_count_ = 0;
  std::uint8_t psks_used_ = 0;
  std::uint8_t next_ = 0;
  bool failed_ = false;
};

}  // namespace harness::layers::encryption
