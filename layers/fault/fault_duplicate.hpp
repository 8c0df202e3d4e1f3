// SPDX-License-Identifier: Apache-2.0
// fault_duplicate: hands messages up twice on purpose.
//
// A received message is handed up, and with a probability of `rate` once more, at once; the second shares the
// body of the first. A copy that comes late is this one below fault_delay or fault_reorder.
// Bounds: none needed, it keeps nothing. Without memory for a copy there is none, counted.
// Sources: smoltcp's fault injector; netem.
// Above: what bears duplicates. Below: anything. No header. Page: docs/layers/fault.md.
#pragma once

#include <harness/layers/fault/support.hpp>

namespace harness::layers {

class FaultDuplicate {
 public:
  enum Option : std::size_t { rate, toward, seed };
  static constexpr std::array options{
      OptionSpec{"rate", OptionKind::rate, 0, 1'000'000, 10'000, "messages that come twice"},
      fault::toward_option, fault::seed_option};
  static constexpr Descriptor descriptor{
      .name = "fault_duplicate",
      .summary = "hands received messages up twice on purpose",
      .options = options,
      .headers = {},
      .header_bytes_max = 0,
      .contract = {.requires_below = property::message,
                   .forbids_below = {},
                   .adds = {},
                   .clears = property::no_duplicates | property::whole(Axis::replay),
                   .cost = {.round_trips = 0, .nominal_ns = 4, .header_bytes = 0}},
      .swap = SwapClass::full,
      .segment = Segment::epoch,
      .pump = false,
      .place = 91};

  FaultDuplicate(const OptionValues& values, LayerContext& context)
      : context_(context), rate_ppm_(static_cast<std::uint64_t>(values[rate])),
        dice_(values[seed], values[toward], context) {}
  FaultDuplicate(const FaultDuplicate&) = delete;
  FaultDuplicate& operator=(const FaultDuplicate&) = delete;

  template <class Above>
  void up(Message& message, Above above) {
    if (dice_.strikes(rate_ppm_)) [[unlikely]]
      hand_up_first(message);
    above(message);
  }

  void describe(Describer& describer) const {
    describer.value("duplicated_messages", duplicated_messages_);
    describer.value("without_memory", without_memory_);
  }
  bool take_state(FaultDuplicate& old) {
    duplicated_messages_ = old.duplicated_messages_;
    without_memory_ = old.without_memory_;
    return true;
  }

 private:
  void hand_up_first(Message& message);

  LayerContext& context_;
  std::uint64_t rate_ppm_;
  fault::Dice dice_;
  std::uint64_t duplicated_messages_ = 0;
  std::uint64_t without_memory_ = 0;
};

}  // namespace harness::layers
