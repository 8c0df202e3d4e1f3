// SPDX-License-Identifier: Apache-2.0
// The sending half of the record protocol: numbers, seals, and renews its key by count, bytes and time.
//
// The number of a record is never used twice in a link's life: it grows by one with each, whatever becomes of
// the record and whichever key seals it. A step to the next epoch needs no round trip: the header names the
// epoch. Steps are a pause apart, as long as the receiver keeps the key of the epoch before, so that what the
// network holds back finds its key; only the hard bound does not wait.
// Bounds: 2^20 records and 16 GiB under one key at the most by its options, 2^23 records whatever they say,
// which is within the limits of AES-GCM for records of any size (RFC 9001 §6.6, NIST SP 800-38D §8.3); 2^56
// records a link.
#pragma once

#include <harness/layers/encrypt/epoch_key.hpp>
#include <harness/layers/wire/encrypt.hpp>

namespace harness::layers::encryption {

/// When a direction renews its key.
struct RekeyLimits {
  std::uint64_t records = std::uint64_t{1} << 20;
  std::uint64_t bytes = std::uint64_t{16} << 30;
  std::uint64_t time_ns = 120'000'000'000;
  std::uint64_t pause_ns = 1'000'000'000;  // from one step to the next, at least
};
inline constexpr std::uint64_t key_records_max = std::uint64_t{1} << 23;  // whatever the limits say
inline constexpr std::uint64_t link_records_max = std::uint64_t{1} << 56;

class Sealer {
 public:
  Sealer(Hash& hash, const Cipher& cipher, const Secret& secret, const RekeyLimits& limits,
         std::uint64_t now_ns);

  /// Writes the header and the tag to `header` (wire::encrypt_bytes) and the sealed text to `to`, which may
  /// be plain.data(). False, and nothing is written, when all numbers are used up. [stack-thread]
  bool seal(std::uint64_t now_ns, Bytes plain, std::byte* header, std::byte* to) noexcept {
    if (records_left_ == 0 || plain.size() > bytes_left_ || now_ns >= until_ns_) [[unlikely]]
      if (!step(now_ns)) return false;
    --records_left_;
    bytes_left_ -= plain.size() < bytes_left_ ? plain.size() : bytes_left_;
    wire::encode(wire::Encrypt{static_cast<std::uint8_t>(epoch_), number_++}, header);
    key_.seal(header, plain, to, header + wire::bytes_of<wire::Encrypt>);
    return true;
  }

  [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_; }
  /// Counts as if so many records had been sealed before: no test reaches 2^56 otherwise.
  void set_number(std::uint64_t number) noexcept { number_ = number; }

 private:
  bool step(std::uint64_t now_ns) noexcept;
  void begin(std::uint64_t now_ns) noexcept;
  void go_on() noexcept;

  EpochKey key_;
  std::uint64_t number_ = 0;
  std::uint64_t epoch_ = 0;
  std::uint64_t records_left_ = 0;
  std::uint64_t bytes_left_ = 0;
  std::uint64_t until_ns_ = 0;
  std::uint64_t begun_ns_ = 0;
  std::uint64_t granted_records_ = 0;  // of this epoch, spent or left
  RekeyLimits limits_;
  Hash& hash_;
  Suite suite_;
  Secret secret_;  // of this epoch
};

}  // namespace harness::layers::encryption
