// SPDX-License-Identifier: Apache-2.0
// fault_reorder: lets messages be overtaken on purpose.
//
// A received message is kept with a probability of `rate` until 1 … `distance` others have been handed up
// before it (drawn for each), or for `delay` when no more come.
// Bounds: at most `distance` messages wait, since each that is kept lets another one go that much nearer;
// they are counted to the link's quota. Without memory a message is not kept. What waits is handed up also to
// a channel that was paused meanwhile, so it takes `channels` away.
// Sources: netem (gap and delay).
// Above: what bears disorder. Below: anything. No header. Page: docs/layers/fault.md.
#pragma once

#include <harness/layers/fault/support.hpp>

namespace harness::layers {

class FaultReorder {
 public:
  enum Option : std::size_t { rate, distance, delay, toward, seed };
  static constexpr std::array options{
      OptionSpec{"rate", OptionKind::rate, 0, 1'000'000, 10'000, "messages that are overtaken"},
      OptionSpec{"distance", OptionKind::count, 1, 256, 8, "messages that may overtake one"},
      OptionSpec{"delay", OptionKind::duration, 1, 10'000'000, 2'000, "how long it waits for them"},
      fault::toward_option, fault::seed_option};
  static constexpr Descriptor descriptor{
      .name = "fault_reorder",
      .summary = "lets received messages be overtaken on purpose",
      .options = options,
      .headers = {},
      .header_bytes_max = 0,
      .contract = {.requires_below = property::message,
                   .forbids_below = {},
                   .adds = {},
                   .clears = property::whole(Axis::order) | property::channels,
                   .cost = {.round_trips = 0, .nominal_ns = 4, .header_bytes = 0}},
      .swap = SwapClass::full,
      .segment = Segment::epoch,
      .pump = false,
      .place = 92};

  FaultReorder(const OptionValues& values, LayerContext& context);
  FaultReorder(const FaultReorder&) = delete;
  FaultReorder& operator=(const FaultReorder&) = delete;

  template <class Above>
  void up(Message& message, Above above) {
    if (dice_.strikes(rate_ppm_) && keep(message)) [[unlikely]]
      return;
    if (!waiting_.empty()) [[unlikely]]
      return pass(message);
    above(message);
  }

  void on(const Event& event, Onward onward);
  void describe(Describer& describer) const;
  bool take_state(FaultReorder& old);

 private:
  bool keep(Message& message);
  void pass(Message& message);
  void release_overtaken();
  void release_due();
  void arm() noexcept;

  LayerContext& context_;
  std::uint64_t rate_ppm_;
  std::uint32_t distance_;
  std::uint64_t delay_ns_;
  fault::Dice dice_;
  fault::WaitingList waiting_;
  Timer due_;
  std::uint64_t overtaken_messages_ = 0;
  std::uint64_t timed_out_messages_ = 0;
  std::uint64_t without_memory_ = 0;
};

}  // namespace harness::layers
