// SPDX-License-Identifier: Apache-2.0
// Authenticated encryption: two suites, three engines that give the same bytes, picked by size and processor.
//
//   AES-256-GCM        libsodium, key precomputed, below `small_below` bytes · OpenSSL above
//                      libipsec-mb for all sizes where it is built in and the processor has AVX2
//   ChaCha20-Poly1305  OpenSSL
//
// OpenSSL's price of a small message is not the cipher: finding it by name (240 ns), a context (85 ns) and
// the key (160 ns) are. So each is done once: a process, an object, a key; a message sets the nonce alone.
// Its ChaCha20 returns with dirty upper halves of the vector registers, after which the SSE code of libsodium
// runs
// 1.4 to 1.7 times slower: every call of OpenSSL ends with VZEROUPPER.
// A stack may leave engines out (option `engine`): libipsec-mb, so that every host has the same speed, or all
// but OpenSSL, where a validated module alone may see a key. The bytes stay the same, so each end chooses for
// itself.
// Rejected: measuring at start (a clock, and another answer each time).
// Bounds: 2^36 - 31 bytes a message (GCM); messages are far smaller.
// Sources: NIST SP 800-38D; RFC 8439; OpenSSL issues 17064, 20625; Gueron & Kounavis 2010.
#pragma once

#include <array>
#include <memory>
#include <string_view>

#include <harness/stack/authority.hpp>
#include <harness/stack/bytes.hpp>

namespace harness::layers::encryption {

enum class Suite : std::uint8_t { aes = 1, chacha = 2 };
enum class Engine : std::uint8_t { openssl, sodium, ipsec_mb };
inline constexpr std::array engines{Engine::openssl, Engine::sodium, Engine::ipsec_mb};

/// Whose code may seal: every engine that is built in, those of every build, OpenSSL alone.
enum class Engines : std::uint8_t { fastest, standard, openssl };
struct Cipher {
  Cipher(Suite of, Engines by = Engines::fastest) noexcept  // NOLINT: a suite alone is one
      : suite(of), engines(by) {}
  Suite suite;
  Engines engines;
};

inline constexpr std::size_t tag_bytes = 16;
using Nonce = std::array<std::byte, 12>;

std::string_view to_string(Suite suite) noexcept;
std::string_view to_string(Engine engine) noexcept;

/// One key in one engine; seals and opens, in place or from one place to another.
class AeadKey {
 public:
  virtual ~AeadKey() = default;
  AeadKey(const AeadKey&) = delete;
  AeadKey& operator=(const AeadKey&) = delete;

  /// From now on this key; takes no memory. [stack-thread]
  virtual void set(const Key& key) noexcept = 0;
  /// Writes plain.size() bytes to `to` (which may be plain.data()) and tag_bytes to `tag`. [stack-thread]
  virtual void seal(const Nonce& nonce, Bytes clear, Bytes plain, std::byte* to, std::byte* tag) noexcept = 0;
  /// The inverse; false, and what `to` then holds is wiped, when the tag is not right. [stack-thread]
  [[nodiscard]] virtual bool open(const Nonce& nonce, Bytes clear, Bytes sealed, const std::byte* tag,
                                  std::byte* to) noexcept = 0;

 protected:
  AeadKey() = default;
};

/// A key of that engine with zeros for its bytes; null when the engine has not the suite, here or at all.
/// [any-thread]
std::unique_ptr<AeadKey> make_key(Engine engine, Suite suite);

/// True when OpenSSL has both suites. [any-thread]
bool engines_ready() noexcept;
/// True when AES runs by instructions here, in constant time and fast. [any-thread]
bool has_aes() noexcept;

/// Which engine seals what.
struct Plan {
  Engine small;
  Engine large;
  std::uint32_t small_below;  // bytes
};
Plan plan_for(const Cipher& cipher) noexcept;

/// One key in the engines of the plan.
class Aead {
 public:
  explicit Aead(const Cipher& cipher);

  void set(const Key& key) noexcept;
  void seal(const Nonce& nonce, Bytes clear, Bytes plain, std::byte* to, std::byte* tag) noexcept {
    pick(plain.size()).seal(nonce, clear, plain, to, tag);
  }
  [[nodiscard]] bool open(const Nonce& nonce, Bytes clear, Bytes sealed, const std::byte* tag,
                          std::byte* to) noexcept {
    return pick(sealed.size()).open(nonce, clear, sealed, tag, to);
  }

 private:
  [[nodiscard]] AeadKey& pick(std::size_t bytes) const noexcept {
    return bytes < small_below_ ? *small_ : *large_;
  }
  std::size_t small_below_;
  std::unique_ptr<AeadKey> large_;
  std::unique_ptr<AeadKey> small_;  // null when the plan has one engine
};

/// The engines' own factories, for make_key.
std::unique_ptr<AeadKey> make_openssl_key(Suite suite);
std::unique_ptr<AeadKey> make_sodium_key(Suite suite);
std::unique_ptr<AeadKey> make_ipsec_mb_key(Suite suite);
/// True when libipsec-mb is built in and faster than the others on this processor. [any-thread]
bool ipsec_mb_is_best() noexcept;

}  // namespace harness::layers::encryption
