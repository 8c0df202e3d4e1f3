// SPDX-License-Identifier: Apache-2.0
// fault_drop: loses messages on purpose.
//
// Each received message is lost with a probability of `rate`, independently. Bursts are fault_partition's.
// Bounds: none needed, it keeps nothing. Sources: Aeron's loss interceptors; smoltcp's fault injector.
// Above: what bears loss. Below: anything. No header. Page: docs/layers/fault.md.
#pragma once

#include <harness/layers/fault/support.hpp>

namespace harness::layers {

class FaultDrop {
 public:
  enum Option : std::size_t { rate, toward, seed };
  static constexpr std::array options{
      OptionSpec{"rate", OptionKind::rate, 0, 1'000'000, 10'000, "messages lost"}, fault::toward_option,
      fault::seed_option};
  static constexpr Descriptor descriptor{
      .name = "fault_drop",
      .summary = "loses received messages on purpose",
      .options = options,
      .headers = {},
      .header_bytes_max = 0,
      .contract = {.requires_below = property::message,
                   .forbids_below = {},
                   .adds = {},
                   .clears = property::whole(Axis::loss),
                   .cost = {.round_trips = 0, .nominal_ns = 4, .header_bytes = 0}},
      .swap = SwapClass::full,
      .segment = Segment::epoch,
      .pump = false,
      .place = 90};

  FaultDrop(const OptionValues& values, LayerContext& context)
      : rate_ppm_(static_cast<std::uint64_t>(values[rate])), dice_(values[seed], values[toward], context) {}
  FaultDrop(const FaultDrop&) = delete;
  FaultDrop& operator=(const FaultDrop&) = delete;

  template <class Above>
  void up(Message& message, Above above) {
    if (dice_.strikes(rate_ppm_)) [[unlikely]] {
      ++lost_messages_;
      return;
    }
    ++passed_messages_;
    above(message);
  }

  void describe(Describer& describer) const {
    describer.value("passed_messages", passed_messages_);
    describer.value("lost_messages", lost_messages_);
  }
  bool take_state(FaultDrop& old) {
    passed_messages_ = old.passed_messages_;
    lost_messages_ = old.lost_messages_;
    return true;
  }

 private:
  std::uint64_t rate_ppm_;
  fault::Dice dice_;
  std::uint64_t passed_messages_ = 0;
  std::uint64_t lost_messages_ = 0;
};

}  // namespace harness::layers
