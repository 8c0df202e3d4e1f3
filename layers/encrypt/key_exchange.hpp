// SPDX-License-Identifier: Apache-2.0
// The handshake of `encrypt`: Noise XXpsk3 in three blobs, certificates inside, keys only after the third.
//
//   hello    suite 8 · e, {domain of the initiator}
//   answer   e, ee, s, es, {record suite 8 · SHA-256 of `chosen` · certificate of the responder}
//   finish   s, se, psk, {certificate of the initiator}
//
// The prologue is "harness encrypt 1", the suite, and what the carrier says in clear before the first blob:
// a changed offer or floor makes the handshake fail. `chosen` is what it says before the second. The psk is
// what the two domains share (32 zeros when nothing): the responder learns the initiator's domain from the
// first blob, whose payload is readable by anyone and covered by everything that follows; a domain that its
// certificate then does not bear is refused. Each end believes a certificate only if its authority does, and
// only if the static key it names is the one that took part.
// The suite of the first byte is the cipher of the handshake: AES-256-GCM where the initiator has the
// instructions. The responder says in `answer` which suite the records take: AES when both have them.
// Suite is one byte; there is no other agility.
// Who joins has no certificate but a ticket (Authority::ticket): XXpsk0 with its key in place of XXpsk3.
//
//   hello    suite 8 + 128 · name of the ticket (21 bytes) · psk, e, {name of the initiator}
//   answer   as above
//   finish   s, se, {}
//
// Whoever does not know the key reads not even the first blob; whoever does proves no more than that, so the
// responder knows the initiator as a node of no domain, which no certificate bears.
// Record secrets and frame keys come from Noise's keys by HKDF with the handshake's hash as salt.
// Rejected: a timestamp in the first blob (a peer's clock set forward once would lock it out for ever:
// WireGuard, Donenfeld 2021); application data before the third blob; a key known before `finish` is read.
// Bounds: a blob 1024 bytes, a domain 255, a certificate 512; nothing is kept of a peer whose blob is
// refused.
// Sources: Noise rev 34 §7.5, §9, §11.2, §14; RFC 5869.
#pragma once

#include <memory>
#include <optional>

#include <harness/layers/encrypt/noise.hpp>
#include <harness/stack/handshake.hpp>
#include <harness/stack/layer.hpp>

namespace harness::layers::encryption {

/// What a finished handshake leaves for the record layer.
struct SessionKeys {
  Suite suite = Suite::aes;
  Secret sending;
  Secret receiving;
};

class KeyExchange final : public Handshake {
 public:
  static constexpr std::size_t domain_bytes_max = 255;

  KeyExchange(Role role, Authority& authority);

  Result<Blob> hello(Bytes bound) override;
  Result<Blob> answer(Bytes bound, Bytes hello, Bytes chosen) override;
  Result<Blob> finish(Bytes answer, Bytes chosen) override;
  Result<> confirm(Bytes finish) override;
  [[nodiscard]] const Principal* peer() const noexcept override { return peer_ ? &*peer_ : nullptr; }
  [[nodiscard]] Mac mac(bool sent, Bytes bytes) const noexcept override;

  /// The keys of the records, once: a second layer with the same keys would use nonces twice. Nothing before
  /// the handshake has ended well, and when they were taken. [stack-thread]
  std::optional<SessionKeys> take_keys() noexcept;

 private:
  enum class Step : std::uint8_t { first, second, done, failed };

  Result<> start(Suite suite, Bytes bound);
  Result<Blob> hello_with(const Ticket& ticket, Bytes bound);
  Result<Bytes> read_hello(Suite suite, Bytes bound, Bytes blob);
  Result<> believe(Bytes certificate);
  Result<Blob> write(Bytes payload, std::size_t before = 0);
  Result<Bytes> read(Bytes message);
  void derive() noexcept;
  tl::unexpected<Error> refuse(Errc code, std::string because);

  Role role_;
  Authority& authority_;
  Step step_ = Step::first;
  std::optional<Noise> noise_;
  bool joining_ = false;        // the initiator has a ticket and no certificate
  std::string claimed_domain_;  // of the initiator, as the responder heard it; who joins says its name
  std::optional<Principal> peer_;
  std::optional<SessionKeys> keys_;
  Secret sent_frames_;
  Secret received_frames_;
  Suite record_suite_ = Suite::aes;
  mutable Hash hash_{HashKind::sha256};
  std::array<std::byte, blob_bytes_max> payload_{};
};

}  // namespace harness::layers::encryption
