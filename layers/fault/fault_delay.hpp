// SPDX-License-Identifier: Apache-2.0
// fault_delay: hands every message up later, in the order in which they came.
//
// A received message waits `delay` and up to `jitter` more, and never goes before one that came earlier: a
// long wire, not a disorderly one.
// Bounds: `queue` messages wait, counted to the link's quota; when there are more, or no memory for one, the
// first go early. What waits is handed up also to a channel that was paused meanwhile, so it takes `channels`
// away. An event overtakes what waits; one that ends the link drops it.
// Sources: netem; smoltcp's fault injector.
// Above: anything. Below: anything. No header. Page: docs/layers/fault.md.
#pragma once

#include <harness/layers/fault/support.hpp>

namespace harness::layers {

class FaultDelay {
 public:
  enum Option : std::size_t { delay, jitter, queue, toward, seed };
  static constexpr std::array options{
      OptionSpec{"delay", OptionKind::duration, 0, 10'000'000, 1'000, "how long each message waits"},
      OptionSpec{"jitter", OptionKind::duration, 0, 10'000'000, 0, "how much longer it may wait at most"},
      OptionSpec{"queue", OptionKind::count, 1, 65536, 1024, "messages that may wait"}, fault::toward_option,
      fault::seed_option};
  static constexpr Descriptor descriptor{
      .name = "fault_delay",
      .summary = "hands received messages up later on purpose",
      .options = options,
      .headers = {},
      .header_bytes_max = 0,
      .contract = {.requires_below = property::message,
                   .forbids_below = {},
                   .adds = {},
                   .clears = property::channels,
                   .cost = {.round_trips = 0, .nominal_ns = 60, .header_bytes = 0}},
      .swap = SwapClass::full,
      .segment = Segment::epoch,
      .pump = false,
      .place = 93};

  FaultDelay(const OptionValues& values, LayerContext& context);
  FaultDelay(const FaultDelay&) = delete;
  FaultDelay& operator=(const FaultDelay&) = delete;

  template <class Above>
  void up(Message& message, Above above) {
    if (dice_.here() && keep(message)) return;
    above(message);
  }

  void on(const Event& event, Onward onward);
  void describe(Describer& describer) const;
  bool take_state(FaultDelay& old);

 private:
  bool keep(Message& message);
  void release_first();
  void release_due();
  void arm() noexcept;

  LayerContext& context_;
  std::uint64_t delay_ns_;
  std::uint64_t jitter_ns_;
  std::size_t queue_;
  fault::Dice dice_;
  fault::WaitingList waiting_;
  Timer due_;
  std::uint64_t delayed_messages_ = 0;
  std::uint64_t early_messages_ = 0;  // handed up before their time
};

}  // namespace harness::layers
