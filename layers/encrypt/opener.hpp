// SPDX-License-Identifier: Apache-2.0
// The receiving half: finds the key by the epoch in the header, refuses what was seen, opens.
//
//   previous ◀── current ◀── next        a record of the next epoch that opens makes it the current one
//
// The header names the epoch, so one key is tried and no other. Three keys are there at the most: the current
// one; the one before, until `retire`, for records that were overtaken; the next, made when a record first
// names it, and kept, so that a stranger who names it costs one derivation and no more. An epoch further
// ahead (every record between was lost: a partition longer than a key's time) is derived too, `ahead_max`
// steps at the most, and after one that was no good not again for `leap_pause_ns`.
// Numbers run through all epochs, so one window covers them, and it is asked first: a number that was seen
// derives no key, and is known for a repetition when its key is long gone. On a medium that is reliable and
// in order (`strict`) nothing but the very next number is taken: where somebody cut a record out is a gap.
// Rejected: one bit of key phase as in QUIC (without acknowledgements two epochs that were lost whole would
// make it wrong for ever); numbers that begin again with each key (nobody would miss the last ones of an
// epoch); trying every key there is.
// Bounds: three keys, 1 KiB of window; 2^36 records that do not open (RFC 9001 §6.6), then none is taken.
#pragma once

#include <harness/layers/encrypt/epoch_key.hpp>
#include <harness/layers/encrypt/replay_window.hpp>
#include <harness/layers/wire/encrypt.hpp>

namespace harness::layers::encryption {

enum class Verdict : std::uint8_t {
  good,
  malformed,  // no header
  stale,      // an epoch whose key is gone, or too far ahead
  replayed,   // seen before, or older than the window
  gap,        // strict: not the next one
  forged,     // the tag is wrong
  used_up,    // too many forgeries under the keys of this link
};

class Opener {
 public:
  static constexpr std::uint64_t forged_max = std::uint64_t{1} << 36;
  static constexpr std::uint8_t ahead_max = 8;
  static constexpr std::uint64_t leap_pause_ns = 100'000'000;

  Opener(Hash& hash, const Cipher& cipher, const Secret& secret, bool strict);

  /// Opens what stands behind `header` (wire::encrypt_bytes of a record) to `to`, which may be sealed.data().
  /// Any verdict but `good` leaves nothing of the text in `to`. [stack-thread]
  [[nodiscard]] Verdict open(std::uint64_t now_ns, const std::byte* header, Bytes sealed,
                             std::byte* to) noexcept {
    const auto clear = wire::decode<wire::Encrypt>(header);
    if (const Verdict verdict = admit(clear.number); verdict != Verdict::good) [[unlikely]]
      return verdict;
    Slot* const slot = clear.epoch == current_->name() ? current_ : other_slot(clear.epoch, now_ns);
    if (slot == nullptr) [[unlikely]]
      return Verdict::stale;
    if (!slot->key.open(header, sealed, header + wire::bytes_of<wire::Encrypt>, to)) [[unlikely]]
      return refuse(slot, now_ns);
    window_.set(clear.number);
    if (slot != current_) [[unlikely]]
      promote(slot);
    return Verdict::good;
  }

  [[nodiscard]] std::uint64_t epoch() const noexcept { return current_->epoch; }
  /// True when the key of the epoch before is still there.
  [[nodiscard]] bool has_previous() const noexcept { return previous_->live; }
  /// Forgets it.
  void retire() noexcept { forget(*previous_); }
  /// Counts as if so many records had been forged before: no test reaches 2^36 otherwise.
  void set_forged(std::uint64_t count) noexcept { forged_ = count; }

 private:
  struct Slot {
    explicit Slot(const Cipher& cipher) : key(cipher) {}
    [[nodiscard]] std::uint8_t name() const noexcept { return static_cast<std::uint8_t>(epoch); }
    EpochKey key;
    Secret secret;
    std::uint64_t epoch = 0;
    bool live = false;
  };

  [[nodiscard]] Verdict admit(std::uint64_t number) const noexcept {
    if (window_.seen(number)) return Verdict::replayed;
    if (strict_ && number != window_.end()) return Verdict::gap;
    return forged_ >= forged_max ? Verdict::used_up : Verdict::good;
  }
  Slot* other_slot(std::uint8_t name, std::uint64_t now_ns) noexcept;
  Slot* prepare(std::uint8_t ahead) noexcept;
  Verdict refuse(Slot* slot, std::uint64_t now_ns) noexcept;
  void promote(Slot* slot) noexcept;
  static void forget(Slot& slot) noexcept;

  std::array<Slot, 3> slots_;
  ReplayWindow window_;
  bool strict_;
  Slot* current_;
  Slot* previous_;
  Slot* next_;
  std::uint64_t forged_ = 0;
  std::uint64_t leap_after_ns_ = 0;
  Hash& hash_;
  Suite suite_;
};

}  // namespace harness::layers::encryption
