// SPDX-License-Identifier: Apache-2.0
// fault_partition: the wire is cut now and then, for a while.
//
// About `every` after the last one a cut begins, and lasts 1 µs … `length`; what is received meanwhile is
// lost. Each end cuts what it receives, on its own: `toward` leaves one direction whole. Both times are drawn
// evenly, from nothing to twice `every`, and to `length`. Cuts come by the clock, whether or not somebody
// sends: if each began with the first message after its time, a sender that tries ever more rarely would lose
// every try. No timer runs: the cuts of a silence are caught up with when it ends.
// Bounds: silence_cuts cuts are caught up with at once; it keeps nothing. Sources: netem's loss states
// (Gilbert 1960).
// Above: what bears loss, heartbeat. Below: anything. No header. Page: docs/layers/fault.md.
#pragma once

#include <harness/layers/fault/support.hpp>

namespace harness::layers {

class FaultPartition {
 public:
  enum Option : std::size_t { every, length, toward, seed };
  static constexpr std::array options{
      OptionSpec{"every", OptionKind::duration, 1, 3'600'000'000, 1'000'000,
                 "time between two cuts, on average"},
      OptionSpec{"length", OptionKind::duration, 1, 60'000'000, 10'000, "how long a cut lasts at most"},
      fault::toward_option, fault::seed_option};
  static constexpr Descriptor descriptor{
      .name = "fault_partition",
      .summary = "cuts the wire now and then on purpose",
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
      .place = 95};

  FaultPartition(const OptionValues& values, LayerContext& context);
  FaultPartition(const FaultPartition&) = delete;
  FaultPartition& operator=(const FaultPartition&) = delete;

  template <class Above>
  void up(Message& message, Above above) {
    if (dice_.here() && is_cut()) [[unlikely]] {
      ++lost_messages_;
      return;
    }
    above(message);
  }

  void describe(Describer& describer) const;
  bool take_state(FaultPartition& old);

 private:
  static constexpr std::uint64_t silence_cuts = 16;
  bool is_cut() noexcept;
  [[nodiscard]] std::uint64_t some_time() noexcept { return dice_.random().below(2 * every_ns_); }

  LayerContext& context_;
  std::uint64_t every_ns_;
  std::uint64_t length_ns_;
  fault::Dice dice_;
  std::uint64_t next_cut_ns_;
  std::uint64_t healed_ns_ = 0;  // end of the last cut
  bool met_ = false;             // it has lost something
  std::uint64_t cuts_ = 0;
  std::uint64_t lost_messages_ = 0;
};

}  // namespace harness::layers
