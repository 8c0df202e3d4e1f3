// SPDX-License-Identifier: Apache-2.0
// encrypt: nobody else reads what is above it, changes it, makes it up, or plays it again.
//
// Each message becomes one record: 8 bytes in clear that name epoch and number, a 16-byte tag over them and
// the text, and the text encrypted. Keys come from a handshake (encrypt/key_exchange.hpp) that others carry;
// each direction renews its own by count, bytes and time without a round trip (encrypt/sealer.hpp), and the
// receiver finds the key by the epoch in the header (encrypt/opener.hpp).
// A message that nobody else refers to is sealed and opened where it lies. A shared one (a body that `frag`
// cut or `reliable` keeps, a frame that came with others in one slab) is sealed or opened into a slab of its
// own: that is the one copy.
// What does not open over a lossy layer is dropped and counted: whoever is reliable above sends it again, and
// a stranger cannot close the link. Over a reliable one it was no accident: the link closes with `corrupt`,
// and so it does when a record was cut out.
// Rejected: encrypting above reliable (its acknowledgements would be anybody's); the tag behind the text
// (messages have room before them, not behind); several records in one frame.
// Bounds: a record is one message of the layer below; three receive keys, 1 KiB of window; no queue.
// Sources: RFC 9001 §5, §6; RFC 6479; Noise rev 34. Above: reliable, heartbeat. Below: a transport.
// Wire: layers/wire/encrypt.hpp. Page: docs/layers/encrypt.md. Parts: aead, noise, key_exchange, epoch_key,
// sealer, opener, replay_window.
#pragma once

#include <optional>

#include <harness/layers/encrypt/key_exchange.hpp>
#include <harness/layers/encrypt/opener.hpp>
#include <harness/layers/encrypt/sealer.hpp>
#include <harness/layers/wire/encrypt.hpp>
#include <harness/stack/layer.hpp>

namespace harness::layers {

class Encrypt {
 public:
  enum Option : std::size_t { suite, rekey_records, rekey_bytes, rekey_time, engine };
  enum class SuiteChoice : std::uint8_t { automatic, aes, chacha };
  static constexpr std::array<std::string_view, 3> suite_words{"auto", "aes", "chacha"};
  static constexpr std::array<std::string_view, 3> engine_words{"auto", "standard", "openssl"};
  static constexpr std::array options{
      OptionSpec{"suite", OptionKind::word, 0, 2, 0,
                 "cipher of the records; auto: AES-256-GCM where both ends have its instructions",
                 suite_words},
      OptionSpec{"rekey_records", OptionKind::count, 1, 1 << 20, 1 << 20,
                 "records after which a direction renews its key, once a second at the most"},
      OptionSpec{"rekey_bytes", OptionKind::size, 1 << 10, std::int64_t{16} << 30, std::int64_t{16} << 30,
                 "bytes after which a direction renews its key"},
      OptionSpec{"rekey_time", OptionKind::duration, 1'000'000, 3'600'000'000, 120'000'000,
                 "time after which a direction that sends renews its key"},
      OptionSpec{"engine", OptionKind::word, 0, 2, 0,
                 "whose code seals at this end; auto: the fastest built in; standard: libsodium, OpenSSL",
                 engine_words}};
  static constexpr std::array headers{HeaderInfo{"encrypt", wire::encrypt_fields}};
  static constexpr Descriptor descriptor{
      .name = "encrypt",
      .summary = "nobody else reads, changes, makes up or repeats what is above it",
      .options = options,
      .headers = headers,
      .header_bytes_max = wire::encrypt_bytes,
      .contract = {.requires_below = property::message,
                   .forbids_below = {},
                   .adds = property::authenticated | property::forward_secret | property::principal |
                           property::replay_windowed,
                   .clears = property::whole(Axis::one_sided) | property::loan | property::place,
                   .emits_control = false,
                   .state_on_rx = true,
                   .expands_input = false,
                   .encrypts = true,
                   .unlimited_message = false,
                   .frame_bytes_min = 64,
                   .cost = {.round_trips = 1, .nominal_ns = 320, .header_bytes = wire::encrypt_bytes}},
      .swap = SwapClass::transform,
      .segment = Segment::epoch,
      .pump = false,
      .place = 90};

  Encrypt(const OptionValues& values, LayerContext& context);
  Encrypt(const Encrypt&) = delete;
  Encrypt& operator=(const Encrypt&) = delete;

  template <class Below>
  void down(Message& message, Below below) {
    if (!seal(message)) [[unlikely]]
      return;
    below(message);
  }

  template <class Above>
  void up(Message& message, Above above) {
    if (!open(message)) [[unlikely]]
      return;
    above(message);
  }

  void describe(Describer& describer) const;

  static std::unique_ptr<Handshake> handshake(Role role, Authority& authority);

 private:
  // Everything that needs keys; absent in a stack that was given none or used ones, which passes nothing.
  struct Records {
    Records(const encryption::SessionKeys& keys, const encryption::Cipher& by,
            const encryption::RekeyLimits& limits, bool strict, std::uint64_t now_ns)
        : cipher(by), sealer(hash, by, keys.sending, limits, now_ns),
          opener(hash, by, keys.receiving, strict) {}
    encryption::Cipher cipher;
    encryption::Hash hash{encryption::HashKind::sha256};
    encryption::Sealer sealer;
    encryption::Opener opener;
  };

  bool seal(Message& message);
  bool seal_copy(Message& message);
  bool open(Message& message);
  bool open_copy(Message& message, const std::byte* header);
  bool judge(encryption::Verdict verdict);
  void close(Errc code, std::string_view detail);
  bool out_of_memory();

  LayerContext& context_;
  std::optional<Records> records_;
  bool reliable_;
  bool may_repeat_;  // the layer below delivers some frames twice
  bool refusing_ = false;
  std::uint64_t sealed_messages_ = 0;
  std::uint64_t opened_messages_ = 0;
  std::uint64_t copied_messages_ = 0;
  std::uint64_t key_changes_ = 0;  // of the peer, as the timer last saw
  Timer retiring_;

  std::array<std::uint64_t, 7> verdicts_{};  // by Verdict
  std::uint64_t dropped_messages_ = 0;       // for want of memory, over a lossy layer
};

}  // namespace harness::layers
