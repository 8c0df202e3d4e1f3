// SPDX-License-Identifier: Apache-2.0
// check_boundary: watches that a message is handed up as it was sent: whole, and alone.
//
// The sender writes the length before the message; whoever cuts, joins or pads it on the way is found out.
// Bounds: none needed, it keeps nothing. Sources: Ensemble's checking layers.
// Stands above: what claims `message` or carries large messages (a transport, frag, compress). Wire:
// layers/wire/check_boundary.hpp. Page: docs/layers/check.md.
#pragma once

#include <harness/layers/check/support.hpp>
#include <harness/layers/wire/check_boundary.hpp>

namespace harness::layers {

class CheckBoundary {
 public:
  static constexpr std::array headers{HeaderInfo{"check_boundary", wire::info_of<wire::CheckBoundary>}};
  static constexpr Descriptor descriptor{
      .name = "check_boundary",
      .summary = "watches that each message is as long as it was sent",
      .options = {},
      .headers = headers,
      .header_bytes_max = wire::bytes_of<wire::CheckBoundary>,
      .contract = {.requires_below = check::ground,
                   .forbids_below = {},
                   .adds = {},
                   .clears = {},
                   .cost = {.round_trips = 0, .nominal_ns = 3, .header_bytes = 4}},
      .swap = SwapClass::full,
      .segment = Segment::session,
      .pump = false,
      .place = 10};

  CheckBoundary(const OptionValues&, LayerContext& context) : context_(context) {}
  CheckBoundary(const CheckBoundary&) = delete;
  CheckBoundary& operator=(const CheckBoundary&) = delete;

  template <class Below>
  void down(Message& message, Below below) {
    const std::uint32_t bytes = message.size();
    wire::encode(wire::CheckBoundary{bytes}, message.push(wire::bytes_of<wire::CheckBoundary>));
    below(message);
  }

  template <class Above>
  void up(Message& message, Above above) {
    if (!judge(message)) return;
    above(message);
  }

  void describe(Describer& describer) const;
  bool take_state(CheckBoundary& old);

 private:
  bool judge(Message& message);  // false: no message is left

  LayerContext& context_;
  check::Breaches breaches_;
  std::uint64_t judged_messages_ = 0;
};

}  // namespace harness::layers
