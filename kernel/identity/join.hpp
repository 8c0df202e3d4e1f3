// SPDX-License-Identifier: Apache-2.0
// How a node comes to its certificate: one request, one answer, as bytes that a link, a pipe or a person
// carries.
//
//   request   version 8 · domain text · name text · signing key 32 · static key 32 · life 64 (0: usual)
//             · root 16 · token id 5 · proof 32            zeros without a token
//             · signature 64 of the signing key over all before it
//   answer    version 8 · 0 8 · certificate · root count 16 · roots, the domain's own first
//             · floor count 16 · floors · list of revoked certificates       each: 32-bit length, bytes
//             · signature 64 of the root over all before it and the SHA-256 of the request
//         or  version 8 · 1 8 · code 16 · what text · because text · try text
//
// The signature shows that the asker holds the key; the proof (HMAC by the token's psk over all before it)
// that it holds the token, whatever carries the bytes. Both are public: what is read on the way is of no use
// without the keys. The joiner takes an answer only when its root is the one that the token names and has
// signed all of it (it says whom to believe), and the certificate is for its own name and keys. The carrier,
// an XXpsk0 handshake with the same psk, hides who joins and keeps strangers from asking at all. Nothing here
// does I/O: `JoinAsk` is the joiner, and the desk of the issuer is Domain::answer (domain.hpp).
#pragma once

#include <optional>

#include <harness/kernel/identity/certificate.hpp>
#include <harness/kernel/identity/floor.hpp>
#include <harness/kernel/identity/revocation.hpp>
#include <harness/kernel/identity/token.hpp>

namespace harness::identity {

inline constexpr std::string_view request_prefix = "harness-request-";
inline constexpr std::string_view answer_prefix = "harness-answer-";
inline constexpr std::size_t request_bytes_max = 1 + 2 * (2 + 64) + 64 + 8 + 16 + 5 + 32 + 64;
inline constexpr std::size_t answer_domains_max = 64;
inline constexpr std::size_t answer_bytes_max = 128 + certificate_bytes_max +
                                                answer_domains_max * (8 + root_bytes_max + floor_bytes_max) +
                                                revocation_bytes_max;
inline constexpr std::size_t answer_text_bytes_max = 512;

struct JoinRequest {
  std::string domain;
  std::string name;
  PublicKey signing_key{};
  Key static_key{};
  Seconds life = 0;
  bool with_token = false;
  Fingerprint root{};
  TokenId token{};
  Digest proof{};
  friend bool operator==(const JoinRequest&, const JoinRequest&) = default;
};

/// Signs, and proves the token when there is one. [any-thread]
std::vector<std::byte> write_request(JoinRequest request, const SigningKey& key, const Token* token);
/// Errors: corrupt (not a request, or not signed by the key in it). [any-thread]
Result<JoinRequest> parse_request(Bytes bytes);
/// Whether the request was made by who knows the token's psk. [any-thread]
bool proves(Bytes request, const JoinRequest& parsed, const Key& psk) noexcept;

/// What a node is told when it may join.
struct JoinAnswer {
  std::vector<std::byte> certificate;
  std::vector<Root> roots;  // the domain's own first, then those it believes
  std::vector<SignedFloor> floors;
  std::optional<RevocationList> revoked;
};

std::vector<std::byte> write_answer(const JoinAnswer& answer, Bytes request, const SigningKey& root);
std::vector<std::byte> write_refusal(const Error& error);
/// Errors: corrupt (not an answer, or not signed by its first root for this request); else the issuer's
/// refusal. [any-thread]
Result<JoinAnswer> parse_answer(Bytes bytes, Bytes request);

/// The joiner: makes a request, and takes the answer that belongs to it.
class JoinAsk {
 public:
  /// `keys` outlive it. `token` null: whoever answers must know the joiner by other means.
  JoinAsk(const NodeKeys& keys, std::string domain, std::string name, const Token* token, Seconds life = 0);
  /// One that was made before, from its request. Errors: corrupt, conflict (it is of other keys).
  static Result<JoinAsk> resume(const NodeKeys& keys, Bytes request);

  [[nodiscard]] const std::vector<std::byte>& request() const noexcept { return bytes_; }
  /// Which root may answer, when no token tells it. Before accept.
  void expect(const Fingerprint& root) { root_ = root; }
  [[nodiscard]] const std::optional<Fingerprint>& expected() const noexcept { return root_; }
  /// Errors: corrupt, denied (the issuer's refusal; another root, name or key than asked for). [any-thread]
  [[nodiscard]] Result<JoinAnswer> accept(Bytes answer, Seconds now) const;

 private:
  JoinAsk(const NodeKeys& keys, JoinRequest request, std::vector<std::byte> bytes);
  [[nodiscard]] Result<> check(const JoinAnswer& answer, Seconds now) const;

  const NodeKeys& keys_;
  JoinRequest request_;
  std::vector<std::byte> bytes_;
  std::optional<Fingerprint> root_;  // the only one that may answer
};

}  // namespace harness::identity
