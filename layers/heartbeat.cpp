// SPDX-License-Identifier: Apache-2.0
// What heartbeat does once an interval, and with frames that are no message.
#include <harness/layers/heartbeat.hpp>

namespace harness::layers {

Heartbeat::Heartbeat(const OptionValues& values, LayerContext& context)
    : context_(context), interval_ns_(static_cast<std::uint64_t>(values[interval]) * 1000),
      missed_(static_cast<std::uint32_t>(values[missed])),
      look_([](void* self) { static_cast<Heartbeat*>(self)->look(); }, this) {}

// A message whose header lies alone in its piece, a sign of life, or neither.
void Heartbeat::take_sign(Message& message) {
  const std::byte* raw = message.pull(wire::bytes_of<wire::Heartbeat>);
  const auto kind = raw != nullptr ? wire::decode<wire::Heartbeat>(raw).kind : wire::HeartbeatKind{0xff};
  if (kind == wire::HeartbeatKind::message) return context_.above(message);
  if (kind == wire::HeartbeatKind::beat && message.size() == 0) {
    ++received_signs_;
    return;
  }
  ++unknown_frames_;
  if (context_.given.covers(property::reliable) && judging_) {
    judging_ = false;
    context_.events({EventKind::corrupt, Errc::corrupt, "a frame has an unknown kind of heartbeat"});
  }
}

void Heartbeat::look() {
  context_.env.timers().arm(look_, context_.env.now_ns() + interval_ns_);
  if (!std::exchange(sent_, false) && !context_.gate.held_deep(context_.gate_bit)) send_sign();
  const bool deaf = paused_ || (context_.quota != nullptr && context_.quota->exhausted());
  if (std::exchange(heard_, false) || deaf || !judging_) {
    silent_ = 0;
    return;
  }
  ++silent_intervals_;
  if (++silent_ < missed_) return;
  judging_ = false;
  look_.cancel();
  context_.events(
      {EventKind::peer_lost, Errc::timed_out, "heartbeat: nothing came from the peer for too long", silent_});
}

void Heartbeat::send_sign() {
  Message sign = Message::make(context_.pool, 0);
  if (!sign) return;  // at the pool's limit: the next interval tries again
  sign.note().flags = flag_control;
  wire::encode(wire::Heartbeat{wire::HeartbeatKind::beat}, sign.push(wire::bytes_of<wire::Heartbeat>));
  ++sent_signs_;
  context_.below(sign);
}

void Heartbeat::on(const Event& event, Onward onward) {
  switch (event.kind) {
    case EventKind::up:  // not before: the peer may not have its stack yet
      heard_ = true;
      context_.env.timers().arm(look_, context_.env.now_ns() + context_.env.random().below(interval_ns_));
      break;
    case EventKind::pause:
      if (event.value == 0) paused_ = true;
      break;
    case EventKind::resume:
      if (event.value == 0) paused_ = false;
      heard_ = true;  // a whole interval before silence is counted again
      break;
    case EventKind::close: judging_ = false; break;  // still sends signs: the peer may have much to flush
    case EventKind::peer_lost:
    case EventKind::corrupt:
    case EventKind::closed:
      judging_ = false;
      look_.cancel();
      break;
    default: break;
  }
  onward(event);
}

void Heartbeat::describe(Describer& describer) const {
  describer.value("interval_us", interval_ns_ / 1000);
  describer.value("sent_signs", sent_signs_);
  describer.value("received_signs", received_signs_);
  describer.value("silent_intervals", silent_intervals_);
  describer.value("silent_now", silent_);
  describer.value("unknown_frames", unknown_frames_);
}

bool Heartbeat::take_state(Heartbeat& old) {
  silent_ = old.silent_;
  paused_ = old.paused_;
  judging_ = old.judging_;
  heard_ = old.heard_;
  sent_signs_ = old.sent_signs_;
  received_signs_ = old.received_signs_;
  silent_intervals_ = old.silent_intervals_;
  unknown_frames_ = old.unknown_frames_;
  if (old.look_.armed()) context_.env.timers().arm(look_, context_.env.now_ns() + interval_ns_);
  old.look_.cancel();
  old.judging_ = false;
  return true;
}

}  // namespace harness::layers
