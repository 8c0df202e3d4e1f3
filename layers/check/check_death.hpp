// SPDX-License-Identifier: Apache-2.0
// check_death: watches that a peer reported lost is lost: nothing more is handed up after `peer_lost`.
//
// Whether a peer that really died is reported in time cannot be seen from above without traffic of one's own,
// which a checker has not: silence is no breach. The simulation, which kills the peer, looks at that
// (tests/sim/run.cpp).
// Bounds: one flag. Sources: Ensemble's checking layers.
// Stands above: what claims a death notice (heartbeat, a stream). No header. Page: docs/layers/check.md.
#pragma once

#include <harness/layers/check/support.hpp>

namespace harness::layers {

class CheckDeath {
 public:
  static constexpr Descriptor descriptor{
      .name = "check_death",
      .summary = "watches that nothing comes from a peer reported lost",
      .options = {},
      .headers = {},
      .header_bytes_max = 0,
      .contract = {.requires_below = property::message | property::death_within,
                   .forbids_below = {},
                   .adds = {},
                   .clears = {},
                   .cost = {.round_trips = 0, .nominal_ns = 1, .header_bytes = 0}},
      .swap = SwapClass::full,
      .segment = Segment::session,
      .pump = false,
      .place = 15};

  CheckDeath(const OptionValues&, LayerContext& context) : context_(context) {}
  CheckDeath(const CheckDeath&) = delete;
  CheckDeath& operator=(const CheckDeath&) = delete;

  template <class Above>
  void up(Message& message, Above above) {
    if (lost_) [[unlikely]]
      breaches_.report(context_, "death: a message came from a peer that was reported lost");
    above(message);
  }

  void on(const Event& event, Onward onward) {
    if (event.kind == EventKind::peer_lost) lost_ = true;
    onward(event);
  }
  void describe(Describer& describer) const { describer.value("breaches", breaches_.count()); }
  bool take_state(CheckDeath& old) {
    lost_ = old.lost_;
    breaches_ = old.breaches_;
    return true;
  }

 private:
  LayerContext& context_;
  bool lost_ = false;
  check::Breaches breaches_;
};

}  // namespace harness::layers
