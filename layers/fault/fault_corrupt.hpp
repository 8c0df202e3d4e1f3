// SPDX-License-Identifier: Apache-2.0
// fault_corrupt: damages messages on purpose.
//
// With a probability of `rate` a received message is copied and 1 … `bits` of its bits are turned over,
// headers of the layers above included. The copy is the layer's own: a body may be shared.
// Bounds: none needed, it keeps nothing. Without memory for a copy a message is left whole, counted.
// Rejected: cutting and padding (a transport that promises messages does neither).
// Sources: smoltcp's fault injector; netem.
// Above: checksum or encrypt. Below: anything. No header. Page: docs/layers/fault.md.
#pragma once

#include <harness/layers/fault/support.hpp>

namespace harness::layers {

class FaultCorrupt {
 public:
  enum Option : std::size_t { rate, bits, toward, seed };
  static constexpr std::array options{
      OptionSpec{"rate", OptionKind::rate, 0, 1'000'000, 10'000, "messages damaged"},
      OptionSpec{"bits", OptionKind::count, 1, 64, 3, "bits turned over in one of them at most"},
      fault::toward_option, fault::seed_option};
  static constexpr Descriptor descriptor{
      .name = "fault_corrupt",
      .summary = "damages received messages on purpose",
      .options = options,
      .headers = {},
      .header_bytes_max = 0,
      .contract = {.requires_below = property::message,
                   .forbids_below = {},
                   .adds = {},
                   .clears = property::whole(Axis::integrity),
                   .cost = {.round_trips = 0, .nominal_ns = 4, .header_bytes = 0}},
      .swap = SwapClass::full,
      .segment = Segment::epoch,
      .pump = false,
      .place = 94};

  FaultCorrupt(const OptionValues& values, LayerContext& context)
      : context_(context), rate_ppm_(static_cast<std::uint64_t>(values[rate])),
        bits_max_(static_cast<std::uint64_t>(values[bits])), dice_(values[seed], values[toward], context) {}
  FaultCorrupt(const FaultCorrupt&) = delete;
  FaultCorrupt& operator=(const FaultCorrupt&) = delete;

  template <class Above>
  void up(Message& message, Above above) {
    if (dice_.strikes(rate_ppm_)) [[unlikely]]
      damage(message);
    above(message);
  }

  void describe(Describer& describer) const {
    describer.value("damaged_messages", damaged_messages_);
    describer.value("without_memory", without_memory_);
  }
  bool take_state(FaultCorrupt& old) {
    damaged_messages_ = old.damaged_messages_;
    without_memory_ = old.without_memory_;
    return true;
  }

 private:
  void damage(Message& message);

  LayerContext& context_;
  std::uint64_t rate_ppm_;
  std::uint64_t bits_max_;
  fault::Dice dice_;
  std::uint64_t damaged_messages_ = 0;
  std::uint64_t without_memory_ = 0;
};

}  // namespace harness::layers
