// SPDX-License-Identifier: Apache-2.0
// check_no_duplicates: watches that no message is handed up twice.
//
// The sender numbers the messages of a channel; the receiver remembers which of the last 65536 have come, a
// bit for each. What is older cannot be judged and is counted.
// Bounds: 8 KiB a channel that is used, from the pool; without memory the channel goes unwatched.
// Sources: RFC 4303 §3.4.3 (the window); Ensemble's checking layers.
// Stands above: what claims `no duplicates` (order, reliable, a stream). Wire:
// layers/wire/check_no_duplicates.hpp. Page: docs/layers/check.md.
#pragma once

#include <harness/layers/check/support.hpp>
#include <harness/layers/wire/check_no_duplicates.hpp>

namespace harness::layers {

class CheckNoDuplicates {
 public:
  static constexpr std::array headers{
      HeaderInfo{"check_no_duplicates", wire::info_of<wire::CheckNoDuplicates>}};
  static constexpr Descriptor descriptor{
      .name = "check_no_duplicates",
      .summary = "watches that no message comes twice",
      .options = {},
      .headers = headers,
      .header_bytes_max = wire::bytes_of<wire::CheckNoDuplicates>,
      .contract = {.requires_below = check::ground | property::no_duplicates,
                   .forbids_below = {},
                   .adds = {},
                   .clears = {},
                   .cost = {.round_trips = 0, .nominal_ns = 5, .header_bytes = 8}},
      .swap = SwapClass::full,
      .segment = Segment::session,
      .pump = false,
      .place = 13};

  CheckNoDuplicates(const OptionValues&, LayerContext& context)
      : context_(context), arrivals_(context.pool) {}
  CheckNoDuplicates(const CheckNoDuplicates&) = delete;
  CheckNoDuplicates& operator=(const CheckNoDuplicates&) = delete;

  template <class Below>
  void down(Message& message, Below below) {
    const wire::CheckNoDuplicates number = numbering_.next(message);
    wire::encode(number, message.push(wire::bytes_of<wire::CheckNoDuplicates>));
    below(message);
  }

  template <class Above>
  void up(Message& message, Above above) {
    if (!judge(message)) return;
    above(message);
  }

  void describe(Describer& describer) const;
  bool take_state(CheckNoDuplicates& old);

 private:
  bool judge(Message& message);  // false: no message is left

  LayerContext& context_;
  check::Numbering numbering_;
  check::Arrivals arrivals_;
  check::Breaches breaches_;
  std::uint64_t judged_messages_ = 0;
  std::uint64_t unknown_messages_ = 0;
};

}  // namespace harness::layers
