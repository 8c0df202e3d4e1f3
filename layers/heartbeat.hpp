// SPDX-License-Identifier: Apache-2.0
// heartbeat: a peer that has fallen silent is noticed within a stated time.
//
// Whoever has sent nothing for an `interval` sends a sign of life of one byte; whoever has received nothing
// for `missed` intervals in a row reports `peer_lost` (timed_out). Everything received is a sign of life. A
// message costs one byte and sets one flag: no clock is read and no timer armed for it. One timer a link
// looks at the two flags once an interval, from `up` on; its first turn is at a random time, so that many
// links of a process take turns. What is no silence of the peer: intervals in which this side does not
// receive at all
// (the application paused the link, the quota is used up), and a stop of the whole process, which counts as
// one interval however long. Held below, no sign is sent: frames of ours are on their way anyhow.
// Rejected: answering each sign (twice the frames); a timer armed by every message; intervals measured from
// the last frame (a clock read a message); adaptive suspicion (phi): its bound is no number a contract can
// state.
// Bounds: one timer, at most one frame an interval. Death is noticed within (missed + 1) × interval.
// Sources: Ensemble `suspect`; RFC 6520; Hayashibara et al., The φ accrual failure detector, SRDS 2004.
// Above: reliable, frag. Below: checksum, encrypt. Wire: layers/wire/heartbeat.hpp. Checked by: check_death.
// Page: docs/layers/heartbeat.md.
#pragma once

#include <harness/layers/wire/heartbeat.hpp>
#include <harness/stack/layer.hpp>

namespace harness::layers {

class Heartbeat {
 public:
  enum Option : std::size_t { interval, missed };
  static constexpr std::array options{
      OptionSpec{"interval", OptionKind::duration, 1'000, 3'600'000'000, 1'000'000,
                 "how long nothing may be sent before a sign of life is"},
      OptionSpec{"missed", OptionKind::count, 2, 1000, 3,
                 "silent intervals in a row after which the peer is reported lost"}};
  static constexpr std::array headers{HeaderInfo{"heartbeat", wire::info_of<wire::Heartbeat>}};
  static constexpr Descriptor descriptor{
      .name = "heartbeat",
      .summary = "notices within a stated time that the peer is gone",
      .options = options,
      .headers = headers,
      .header_bytes_max = wire::bytes_of<wire::Heartbeat>,
      .contract = {.requires_below = property::message,
                   .forbids_below = {},
                   .adds = property::death_within,
                   .clears = property::place,
                   .emits_control = true,
                   .state_on_rx = true,
                   .cost = {.round_trips = 0, .nominal_ns = 2, .header_bytes = 1}},
      .swap = SwapClass::transform,
      .segment = Segment::epoch,
      .pump = false,
      .place = 70};

  Heartbeat(const OptionValues& values, LayerContext& context);
  Heartbeat(const Heartbeat&) = delete;
  Heartbeat& operator=(const Heartbeat&) = delete;

  template <class Below>
  void down(Message& message, Below below) {
    sent_ = true;
    wire::encode(wire::Heartbeat{}, message.push(wire::bytes_of<wire::Heartbeat>));
    below(message);
  }

  template <class Above>
  void up(Message& message, Above above) {
    heard_ = true;
    const std::byte* raw = message.front_run(wire::bytes_of<wire::Heartbeat>);
    if (raw == nullptr || wire::decode<wire::Heartbeat>(raw).kind != wire::HeartbeatKind::message)
        [[unlikely]]
      return take_sign(message);
    message.drop_front(wire::bytes_of<wire::Heartbeat>);
    above(message);
  }

  void on(const Event& event, Onward onward);
  void describe(Describer& describer) const;
  bool take_state(Heartbeat& old);

 private:
  void take_sign(Message& message);
  void look();
  void send_sign();

  LayerContext& context_;
  std::uint64_t interval_ns_;
  std::uint32_t missed_;
  std::uint32_t silent_ = 0;  // intervals in a row
  bool sent_ = false;         // since the last look
  bool heard_ = false;
  bool paused_ = false;  // by the application: nothing can be received
  bool judging_ = true;  // false once the peer is lost or the link closes
  Timer look_;

  std::uint64_t sent_signs_ = 0;
  std::uint64_t received_signs_ = 0;
  std::uint64_t silent_intervals_ = 0;
  std::uint64_t unknown_frames_ = 0;
};

}  // namespace harness::layers
