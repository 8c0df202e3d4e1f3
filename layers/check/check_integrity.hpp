// SPDX-License-Identifier: Apache-2.0
// check_integrity: watches that a message is handed up with the bytes it was sent with.
//
// The sender writes a digest of 64 bits before the message. It is another function than the one of `checksum`
// on purpose, so that a mistake there is not repeated here. No protection against an enemy.
// Bounds: none needed, it keeps nothing; it reads every byte. Sources: Ensemble's checking layers.
// Stands above: what claims integrity, or makes bytes anew (checksum, compress, frag). Wire:
// layers/wire/check_integrity.hpp. Page: docs/layers/check.md.
#pragma once

#include <harness/layers/check/support.hpp>
#include <harness/layers/wire/check_integrity.hpp>

namespace harness::layers {

class CheckIntegrity {
 public:
  static constexpr std::array headers{HeaderInfo{"check_integrity", wire::info_of<wire::CheckIntegrity>}};
  static constexpr Descriptor descriptor{
      .name = "check_integrity",
      .summary = "watches that each message has the bytes it was sent with",
      .options = {},
      .headers = headers,
      .header_bytes_max = wire::bytes_of<wire::CheckIntegrity>,
      .contract = {.requires_below = check::ground,
                   .forbids_below = {},
                   .adds = {},
                   .clears = {},
                   .cost = {.round_trips = 0, .nominal_ns = 20, .header_bytes = 8}},
      .swap = SwapClass::full,
      .segment = Segment::session,
      .pump = false,
      .place = 11};

  CheckIntegrity(const OptionValues&, LayerContext& context) : context_(context) {}
  CheckIntegrity(const CheckIntegrity&) = delete;
  CheckIntegrity& operator=(const CheckIntegrity&) = delete;

  template <class Below>
  void down(Message& message, Below below) {
    const std::uint64_t sum = digest(message);
    wire::encode(wire::CheckIntegrity{sum}, message.push(wire::bytes_of<wire::CheckIntegrity>));
    below(message);
  }

  template <class Above>
  void up(Message& message, Above above) {
    if (!judge(message)) return;
    above(message);
  }

  void describe(Describer& describer) const;
  bool take_state(CheckIntegrity& old);

 private:
  static std::uint64_t digest(const Message& message) noexcept;
  bool judge(Message& message);  // false: no message is left

  LayerContext& context_;
  check::Breaches breaches_;
  std::uint64_t judged_messages_ = 0;
};

}  // namespace harness::layers
