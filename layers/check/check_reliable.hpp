// SPDX-License-Identifier: Apache-2.0
// check_reliable: watches that every message is handed up, while the link lives.
//
// The sender numbers the messages of a channel. Over an ordered layer a gap is a breach at once. Over an
// unordered one a message is missing when 65536 later ones of its channel have come, or when the link closes
// in order without it; a link that is lost owes nothing.
// What it cannot see: the last messages of a channel, which nothing follows. The application's own count has
// those (tests/sim/flow.hpp), since a checker sends nothing of its own.
// Bounds: 8 KiB a channel that is used, from the pool; without memory the channel goes unwatched.
// Sources: RFC 4303 §3.4.3 (the window); Ensemble's checking layers.
// Stands above: what claims `reliable` (reliable, a stream, a fabric), and what must keep it. Wire:
// layers/wire/check_reliable.hpp. Page: docs/layers/check.md.
#pragma once

#include <harness/layers/check/support.hpp>
#include <harness/layers/wire/check_reliable.hpp>

namespace harness::layers {

class CheckReliable {
 public:
  static constexpr std::array headers{HeaderInfo{"check_reliable", wire::info_of<wire::CheckReliable>}};
  static constexpr Descriptor descriptor{
      .name = "check_reliable",
      .summary = "watches that no message is lost while the link lives",
      .options = {},
      .headers = headers,
      .header_bytes_max = wire::bytes_of<wire::CheckReliable>,
      .contract = {.requires_below = check::ground | property::reliable,
                   .forbids_below = {},
                   .adds = {},
                   .clears = {},
                   .cost = {.round_trips = 0, .nominal_ns = 5, .header_bytes = 8}},
      .swap = SwapClass::full,
      .segment = Segment::session,
      .pump = false,
      .place = 14};

  CheckReliable(const OptionValues&, LayerContext& context)
      : context_(context), ordered_(context.given.covers(property::fifo)), arrivals_(context.pool) {}
  CheckReliable(const CheckReliable&) = delete;
  CheckReliable& operator=(const CheckReliable&) = delete;

  template <class Below>
  void down(Message& message, Below below) {
    const wire::CheckReliable number = numbering_.next(message);
    wire::encode(number, message.push(wire::bytes_of<wire::CheckReliable>));
    below(message);
  }

  template <class Above>
  void up(Message& message, Above above) {
    if (!judge(message)) return;
    above(message);
  }

  void on(const Event& event, Onward onward);
  void describe(Describer& describer) const;
  bool take_state(CheckReliable& old);

 private:
  bool judge(Message& message);  // false: no message is left
  void look_for_gap(wire::CheckReliable number);

  LayerContext& context_;
  bool ordered_;
  check::Numbering numbering_;
  check::Arrivals arrivals_;                              // over an unordered layer
  std::array<std::uint64_t, Gate::channels_max> last_{};  // over an ordered one: the highest that came
  check::Breaches breaches_;
  std::uint64_t judged_messages_ = 0;
  std::uint64_t unknown_messages_ = 0;
};

}  // namespace harness::layers
