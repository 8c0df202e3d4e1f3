// SPDX-License-Identifier: Apache-2.0
// check_fifo: watches that the messages of a channel are handed up in the order they were sent.
//
// The sender numbers them; a number below one that has come already is a breach. A gap is none (that is
// check_reliable's), nor is the number that came last once more (check_no_duplicates).
// Bounds: two numbers a channel. Sources: Ensemble's checking layers.
// Stands above: what claims `fifo` (order, a stream), and what must keep it (frag, compress, mux). Wire:
// layers/wire/check_fifo.hpp. Page: docs/layers/check.md.
#pragma once

#include <harness/layers/check/support.hpp>
#include <harness/layers/wire/check_fifo.hpp>

namespace harness::layers {

class CheckFifo {
 public:
  static constexpr std::array headers{HeaderInfo{"check_fifo", wire::info_of<wire::CheckFifo>}};
  static constexpr Descriptor descriptor{
      .name = "check_fifo",
      .summary = "watches that the messages of each channel come in the order sent",
      .options = {},
      .headers = headers,
      .header_bytes_max = wire::bytes_of<wire::CheckFifo>,
      .contract = {.requires_below = check::ground | property::fifo,
                   .forbids_below = {},
                   .adds = {},
                   .clears = {},
                   .cost = {.round_trips = 0, .nominal_ns = 4, .header_bytes = 8}},
      .swap = SwapClass::full,
      .segment = Segment::session,
      .pump = false,
      .place = 12};

  CheckFifo(const OptionValues&, LayerContext& context) : context_(context) {}
  CheckFifo(const CheckFifo&) = delete;
  CheckFifo& operator=(const CheckFifo&) = delete;

  template <class Below>
  void down(Message& message, Below below) {
    const wire::CheckFifo number = numbering_.next(message);
    wire::encode(number, message.push(wire::bytes_of<wire::CheckFifo>));
    below(message);
  }

  template <class Above>
  void up(Message& message, Above above) {
    if (!judge(message)) return;
    above(message);
  }

  void describe(Describer& describer) const;
  bool take_state(CheckFifo& old);

 private:
  bool judge(Message& message);  // false: no message is left

  LayerContext& context_;
  check::Numbering numbering_;
  std::array<std::uint64_t, Gate::channels_max> last_{};  // the highest number that came, by channel
  check::Breaches breaches_;
  std::uint64_t judged_messages_ = 0;
};

}  // namespace harness::layers
