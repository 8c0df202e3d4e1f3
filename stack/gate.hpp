// SPDX-License-Identifier: Apache-2.0
// The one word that decides back-pressure: tested once, at the top, before any hook runs.
//
// Low half: one bit for each part of the link that cannot take a largest frame now (bit 0 the link
// itself, bit 1 the transport, then the layers from below). High half: one bit per channel of which some
// pump still holds a message. A bit of something below the topmost pump does not hold the top: the pump
// takes one more message and waits itself. Whoever sets a bit must clear it and then send `writable` up.
//
// A pump above another pump waits for a channel as the application does, so each pump has a channel word
// of its own; the high half is their union. `Below` is the part of the gate that a layer has to look at
// before it emits: the bits between it and the next pump below (that pump waits for what is deeper), and
// that pump's channels. Control frames do not wait for all that, but a layer that may make many of them at
// once
// (grants) asks `held_deep`: the reserve below is a few frames for the whole stack.
//
// Beside the word stands who still has received messages to hand up: a link does not end before they have.
#pragma once

#include <array>
#include <cstdint>
#include <utility>

namespace harness {

class Gate {
 public:
  static constexpr unsigned link_bit = 0;
  static constexpr unsigned transport_bit = 1;
  static constexpr unsigned first_layer_bit = 2;
  static constexpr unsigned channels_max = 32;
  static constexpr unsigned pumps_max = 7;
  static constexpr unsigned no_pump = pumps_max;  // its channel word stays empty

  /// What a layer waits for; made by the stack.
  struct Below {
    std::uint64_t bits = std::uint64_t{1} << transport_bit;
    unsigned pump = no_pump;
  };

  /// True when a message on `channel` must be refused now; a channel out of range is told by the stack.
  [[nodiscard]] bool refuses(unsigned channel) const noexcept {
    return word_ != 0 && (word_ & (top_mask_ | channel_bit(channel))) != 0;
  }
  void hold(unsigned bit) noexcept { word_ |= std::uint64_t{1} << bit; }
  void release(unsigned bit) noexcept { word_ &= ~(std::uint64_t{1} << bit); }
  [[nodiscard]] bool held(unsigned bit) const noexcept { return (word_ >> bit & 1) != 0; }

  /// Pump `pump` (LayerContext::pump) owns an unfinished message of `channel`, or no longer.
  void hold_channel(unsigned pump, unsigned channel) noexcept {
    channels_[pump] |= std::uint32_t{1} << (channel % channels_max);
    word_ |= channel_bit(channel);
  }
  void release_channel(unsigned pump, unsigned channel) noexcept {
    channels_[pump] &= ~(std::uint32_t{1} << (channel % channels_max));
    std::uint32_t all = 0;
    for (const std::uint32_t held : channels_) all |= held;
    word_ = (word_ & 0xffffffff) | std::uint64_t{all} << 32;
  }
  [[nodiscard]] bool held_channel(unsigned pump, unsigned channel) const noexcept {
    return (channels_[pump] >> (channel % channels_max) & 1) != 0;
  }

  /// True when no message at all can go down from there now.
  [[nodiscard]] bool held(const Below& below) const noexcept { return (word_ & below.bits) != 0; }
  /// True when a message of `channel` cannot go down from there now: a pump keeps its own until this is
  /// false.
  [[nodiscard]] bool held(const Below& below, unsigned channel) const noexcept {
    return held(below) || held_channel(below.pump, channel);
  }

  /// True when anything below the layer of `bit` is held, pumps or not.
  [[nodiscard]] bool held_deep(unsigned bit) const noexcept {
    return (word_ & ((std::uint64_t{1} << bit) - 1) & ~(std::uint64_t{1} << link_bit)) != 0;
  }

  /// The layer of `bit` has received messages that it will hand up later, or no longer.
  void owe_delivery(unsigned bit, bool owes) noexcept {
    const std::uint32_t mine = std::uint32_t{1} << bit;
    owing_ = owes ? owing_ | mine : owing_ & ~mine;
  }
  [[nodiscard]] bool owes_delivery() const noexcept { return owing_ != 0; }

  /// Forgets what layers and pumps hold and owe: their stack gives way to another. What the link and the
  /// transport hold stays, and so do the refusals, for which a `writable` is still owed.
  void forget_layers() noexcept {
    word_ &= (std::uint64_t{1} << link_bit) | (std::uint64_t{1} << transport_bit);
    channels_ = {};
    owing_ = 0;
  }

  [[nodiscard]] std::uint64_t word() const noexcept { return word_; }
  /// Which low bits hold the top: set once by the stack, all at or above the topmost pump plus the link's.
  void set_top_mask(std::uint32_t mask) noexcept { top_mask_ = mask; }
  [[nodiscard]] std::uint64_t top_mask() const noexcept { return top_mask_; }

  /// Remembers that a message of `channel` was refused: one `writable` is owed for it.
  void note_refusal(unsigned channel) noexcept { refused_ |= std::uint32_t{1} << (channel % channels_max); }
  void note_refusal() noexcept { refused_ = ~std::uint32_t{0}; }  // … of whichever channel
  /// … and takes what another gate remembers: the application sends through this one from now on.
  void take_over_refusals(Gate& other) noexcept { refused_ |= std::exchange(other.refused_, 0); }
  /// The refused channels that may send again, forgotten by this; 0: no `writable` is due.
  std::uint32_t take_refusals() noexcept {
    if ((word_ & top_mask_) != 0) return 0;
    const std::uint32_t free = refused_ & ~static_cast<std::uint32_t>(word_ >> 32);
    refused_ &= ~free;
    return free;
  }

 private:
  static constexpr std::uint64_t channel_bit(unsigned channel) noexcept {
    return std::uint64_t{1} << (32 + channel % channels_max);
  }
  std::uint64_t word_ = 0;
  std::uint64_t top_mask_ = 0xffffffff;
  std::array<std::uint32_t, pumps_max + 1> channels_{};
  std::uint32_t refused_ = 0;
  std::uint32_t owing_ = 0;
};

}  // namespace harness
