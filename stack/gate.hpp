// SPDX-License-Identifier: Apache-2.0
// The one word that decides back-pressure: tested once, at the top, before any hook runs.
//
// Low half: one bit for each part of the link that cannot take a largest frame now (bit 0 the link itself, bit 1 the
// transport, then the layers from below). High half: one bit per channel whose message a pump still holds. A bit of
// something below the topmost pump does not hold the top: the pump takes one more message and waits itself.
// Whoever sets a bit must clear it and then send `writable` up.
#pragma once

#include <cstdint>

namespace harness {

class Gate {
 public:
  static constexpr unsigned link_bit = 0;
  static constexpr unsigned transport_bit = 1;
  static constexpr unsigned first_layer_bit = 2;
  static constexpr unsigned channels_max = 32;

  /// True when a message on `channel` must be refused now. Requires: channel < channels_max.
  [[nodiscard]] bool refuses(unsigned channel) const noexcept {
    return word_ != 0 && (word_ & (top_mask_ | channel_bit(channel))) != 0;
  }
  void hold(unsigned bit) noexcept { word_ |= std::uint64_t{1} << bit; }
  void release(unsigned bit) noexcept { word_ &= ~(std::uint64_t{1} << bit); }
  void hold_channel(unsigned channel) noexcept { word_ |= channel_bit(channel); }
  void release_channel(unsigned channel) noexcept { word_ &= ~channel_bit(channel); }
  /// True when something below `bit` (a layer's own) cannot take a frame now: a pump stops emitting.
  [[nodiscard]] bool held_below(unsigned bit) const noexcept {
    return (word_ & ((std::uint64_t{1} << bit) - 1) & ~std::uint64_t{1}) != 0;
  }
  [[nodiscard]] bool held(unsigned bit) const noexcept { return (word_ >> bit & 1) != 0; }
  [[nodiscard]] std::uint64_t word() const noexcept { return word_; }
  /// Which low bits hold the top: set once by the stack, all at or above the topmost pump plus the link's.
  void set_top_mask(std::uint32_t mask) noexcept { top_mask_ = mask; }
  [[nodiscard]] std::uint64_t top_mask() const noexcept { return top_mask_; }

  /// Remembered refusals: the application gets one `writable` for them.
  void note_refusal() noexcept { refused_ = true; }
  bool take_refusal() noexcept {
    const bool was = refused_;
    refused_ = false;
    return was;
  }

 private:
  static constexpr std::uint64_t channel_bit(unsigned channel) noexcept { return std::uint64_t{1} << (32 + channel); }
  std::uint64_t word_ = 0;
  std::uint64_t top_mask_ = 0xffffffff;
  bool refused_ = false;
};

}  // namespace harness
