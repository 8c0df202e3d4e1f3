// SPDX-License-Identifier: Apache-2.0
// check_channels: watches that a message comes on the channel it was sent on, and none on a paused channel.
//
// The sender writes the channel before the message, and whether it is control, which no pause holds up. The
// receiver compares it with what the layer below says, and sees `pause` and `resume` of channels go down.
// Bounds: a bit a channel. Sources: Ensemble's checking layers.
// Stands above: what claims `channels` (mux). Wire: layers/wire/check_channels.hpp. Page:
// docs/layers/check.md.
#pragma once

#include <harness/layers/check/support.hpp>
#include <harness/layers/wire/check_channels.hpp>

namespace harness::layers {

class CheckChannels {
 public:
  static constexpr std::array headers{HeaderInfo{"check_channels", wire::info_of<wire::CheckChannels>}};
  static constexpr Descriptor descriptor{
      .name = "check_channels",
      .summary = "watches that messages keep their channel and paused channels are silent",
      .options = {},
      .headers = headers,
      .header_bytes_max = wire::bytes_of<wire::CheckChannels>,
      .contract = {.requires_below = check::ground | property::channels,
                   .forbids_below = {},
                   .adds = {},
                   .clears = {},
                   .cost = {.round_trips = 0, .nominal_ns = 3, .header_bytes = 1}},
      .swap = SwapClass::full,
      .segment = Segment::session,
      .pump = false,
      .place = 16};

  CheckChannels(const OptionValues&, LayerContext& context) : context_(context) {}
  CheckChannels(const CheckChannels&) = delete;
  CheckChannels& operator=(const CheckChannels&) = delete;

  template <class Below>
  void down(Message& message, Below below) {
    const wire::CheckChannels header{static_cast<std::uint8_t>(message.note().channel % Gate::channels_max),
                                     message.is_control()};
    wire::encode(header, message.push(wire::bytes_of<wire::CheckChannels>));
    below(message);
  }

  template <class Above>
  void up(Message& message, Above above) {
    if (!judge(message)) return;
    above(message);
  }

  void on(const Event& event, Onward onward);
  void describe(Describer& describer) const;
  bool take_state(CheckChannels& old);

 private:
  bool judge(Message& message);  // false: no message is left

  LayerContext& context_;
  std::uint32_t paused_ = 0;  // a bit a channel
  check::Breaches breaches_;
  std::uint64_t judged_messages_ = 0;
};

}  // namespace harness::layers
