// SPDX-License-Identifier: Apache-2.0
// reliable: construction, events, closing, what a person sees. Sending, receiving and recovering are files of
// their own in layers/reliable/.
#include <harness/layers/reliable.hpp>

#include <algorithm>

namespace harness::layers {

namespace {

constexpr std::uint64_t no_quota_bytes = std::uint64_t{1} << 40;
constexpr std::uint64_t mtu_bytes_min = 256;  // less is no path but a lie

}  // namespace

Reliable::Reliable(const OptionValues& values, LayerContext& context)
    : context_(context), mtu_(context.max_below + descriptor.header_bytes_max),
      controller_(static_cast<congestion::Kind>(values[cc]),
                  values[window] != 0 ? static_cast<std::uint64_t>(values[window])
                                      : std::min(context.peer_quota_bytes, no_quota_bytes),
                  mtu_.bytes()),
      credit_cost_(span_of(std::min(context.peer_quota_bytes, no_quota_bytes))), advertised_cost_(own_span()),
      message_bytes_max_(context.max_below), skip_at_(64 + context.env.random().below(64)),
      patience_ns_(static_cast<std::uint64_t>(values[patience]) * 1000),
      timer_([](void* self) { static_cast<Reliable*>(self)->on_timer(); }, this),
      ack_timer_([](void* self) { static_cast<Reliable*>(self)->send_ack(); }, this),
      pace_timer_([](void* self) { static_cast<Reliable*>(self)->resume(); }, this),
      idle_timer_([](void* self) { static_cast<Reliable*>(self)->keep_alive(); }, this) {
  context.ack_note->rides = true;
  update_window();
}

Reliable::~Reliable() { drop_all(); }

std::uint64_t Reliable::own_span() const noexcept {
  return span_of(context_.quota != nullptr ? std::min(context_.quota->limit_bytes(), no_quota_bytes)
                                           : no_quota_bytes);
}

void Reliable::on(const Event& event, Onward onward) {
  switch (event.kind) {
    case EventKind::writable:
      acked_while_held_ = false;
      if (ack_due_) send_ack();
      pump();
      released_ = 0;
      onward(event);
      return release_closing();
    case EventKind::up: start(); break;
    case EventKind::mtu: limit_mtu(event.value); break;
    case EventKind::close:
      closing_ = !ended_ && (acked_.floor() != next_message_ || !queue_.empty());
      if (closing_) return context_.gate.hold(context_.gate_bit);
      idle_timer_.cancel();
      break;
    case EventKind::pause:
    case EventKind::resume:
      if (event.value != 0) break;
      paused_ = event.kind == EventKind::pause;
      usual_cost_ = 0;
      return hand_up_kept();  // and no further: the endpoint carries acknowledgements, too
    case EventKind::peer_lost:
    case EventKind::corrupt:
    case EventKind::closed:
      ended_ = true;
      drop_all();
      break;
    default: break;
  }
  onward(event);
}

// The peer has its stack, or will have it soon: the search for the packet size measures the path, too.
void Reliable::start() {
  up_ = true;
  heard_ns_ = context_.env.now_ns();
  late_at_heard_ns_ = late_seen_ns_ = context_.env.late_ns();
  context_.env.timers().arm(idle_timer_, heard_ns_ + patience_ns_ / 4);
  search_mtu();
  if (!ended_) resume();
}

// What can leave this host, less what the layers below add. The window is sized in packets anew.
void Reliable::limit_mtu(std::uint64_t frame_bytes) {
  const std::uint32_t below_bytes = context_.max_frame - (context_.max_below + descriptor.header_bytes_max);
  const std::uint64_t bytes = frame_bytes > below_bytes ? frame_bytes - below_bytes : 0;
  mtu_.limit(static_cast<std::uint32_t>(std::clamp<std::uint64_t>(bytes, mtu_bytes_min, context_.max_frame)));
  update_window();
  search_mtu();
  if (!ended_) refresh();
}

// A layer above may have answers for the peer's requests still, which then are to arrive first.
void Reliable::release_closing() {
  const auto all_acked = [this] { return acked_.floor() == next_message_ && queue_.empty(); };
  if (!closing_ || ended_ || !all_acked()) return;
  closing_ = false;
  context_.gate.release(context_.gate_bit);
  context_.events({EventKind::writable});
  if (ended_) return;
  closing_ = !all_acked();
  if (closing_) return context_.gate.hold(context_.gate_bit);
  idle_timer_.cancel();
  context_.events({EventKind::close});
}

// What cannot be the network's doing: the link closes, and the cause is told once.
void Reliable::refuse(Errc code, std::string_view detail) {
  ++refused_packets_;
  if (std::exchange(ended_, true)) return;
  drop_all();
  context_.events({EventKind::corrupt, code, detail});
}

void Reliable::drop_split(Split* split, std::uint32_t bytes) noexcept {
  if (split != nullptr && (split->left_bytes -= bytes) == 0) free_pooled(split);
}

void Reliable::drop_all() noexcept {
  for (Timer* timer : {&timer_, &ack_timer_, &pace_timer_, &idle_timer_}) timer->cancel();
  if (context_.quota != nullptr && context_.quota->watched_by(this))
    context_.quota->when_below(0, nullptr, nullptr);
  if (std::exchange(closing_, false)) context_.gate.release(context_.gate_bit);
  ready_bytes_ = ready_packets_ = released_ = 0;
  usual_cost_ = 0;
  ack_due_ = false;
  kept_.clear_and_dispose([](Waiting* kept) { free_pooled(kept); });
  context_.gate.owe_delivery(context_.gate_bit, false);
  queue_.clear_and_dispose([this](Waiting* waiting) {
    context_.gate.release_channel(context_.pump, waiting->message.note().channel);
    drop_split(waiting->split, waiting->message.size() - waiting->offset);
    free_pooled(waiting);
  });
  for (std::uint64_t number = sent_.first(); number != sent_.next(); ++number) {
    Sent& sent = sent_.at(static_cast<std::uint32_t>(number));
    if (sent.data) drop_split(sent.split, sent.data.size() - sent.cut);
  }
  sent_.clear();
  in_flight_bytes_ = 0;
  loss_due_ns_ = 0;
  acked_.clear();
  received_.clear();
  joiner_.clear();
}

void Reliable::describe(Describer& describer) const {
  describer.value("srtt_us", rtt_.measured() ? rtt_.smoothed_ns() / 1000 : 0);
  describer.value("rttvar_us", rtt_.measured() ? rtt_.variation_ns() / 1000 : 0);
  describer.value("min_rtt_us", rtt_.measured() ? rtt_.min_ns() / 1000 : 0);
  describer.value("mtu_bytes", mtu_.bytes());
  describer.value("black_holes", mtu_.black_holes());
  describer.value("window_bytes", window_.window_bytes);
  describer.value("pace_bytes_per_s", window_.bytes_per_s);
  describer.value("in_flight_bytes", in_flight_bytes_);
  describer.value("credit_bytes", credit_cost_ - std::min(credit_cost_, sent_cost_));
  describer.value("advertised_bytes", advertised_cost_ - received_cost_);
  describer.value("waiting_messages", queue_.size());
  describer.value("kept_messages", kept_.size());
  describer.value("sent_messages", next_message_);
  describer.value("acked_messages", acked_.floor());
  describer.value("sent_packets", sent_.next() - 1);
  describer.value("lost_packets", lost_packets_);
  describer.value("retransmitted_packets", resent_packets_);
  describer.value("spurious_packets", spurious_packets_);
  describer.value("probe_timeouts", probe_timeouts_);
  describer.value("persistent_congestion", persistent_);
  describer.value("split_messages", split_messages_);
  describer.value("sent_acks", acks_sent_);
  describer.value("duplicate_packets", duplicate_packets_);
  describer.value("refused_packets", refused_packets_);
  describer.value("over_credit_packets", over_credit_packets_);
  describer.value("credit_regressions", credit_regressions_);
  describer.value("congested_packets", congested_);
  describer.value("reordering", reordering_.multiplier());
  describer.value("waited_for_memory", waited_for_memory_);
}

// Takes over both directions: the packets under way, what waits, what has arrived. The path is new.
bool Reliable::take_state(Reliable& old) {
  if (&context_.pool != &old.context_.pool || next_message_ != 0) return false;
  sent_.take(old.sent_);
  for (Waiting& waiting : old.queue_) {
    const unsigned channel = waiting.message.note().channel;
    old.context_.gate.release_channel(old.context_.pump, channel);
    context_.gate.hold_channel(context_.pump, channel);
  }
  queue_.swap(old.queue_);
  kept_.swap(old.kept_);
  acked_.take(old.acked_);
  received_.take(old.received_);
  joiner_.take_over(old.joiner_);
  arrived_ = old.arrived_;
  rtt_ = old.rtt_;
  reordering_ = old.reordering_;
  in_flight_bytes_ = old.in_flight_bytes_;
  sent_cost_ = old.sent_cost_;
  next_message_ = old.next_message_;
  received_cost_ = old.received_cost_;
  credit_cost_ = old.credit_cost_;
  advertised_cost_ = old.advertised_cost_;
  message_bytes_max_ = std::max(message_bytes_max_, old.message_bytes_max_);  // the peer may have begun it
  largest_acked_ = old.largest_acked_;
  largest_at_ns_ = old.largest_at_ns_;
  skipped_ = old.skipped_;
  skip_at_ = old.skip_at_;
  measured_ns_ = old.measured_ns_;
  congested_ = old.congested_;
  peer_congested_ = old.peer_congested_;
  paused_ = old.paused_;
  lost_packets_ = old.lost_packets_;
  resent_packets_ = old.resent_packets_;
  spurious_packets_ = old.spurious_packets_;
  up_ = old.up_;
  heard_ns_ = old.heard_ns_;
  late_at_heard_ns_ = old.late_at_heard_ns_;
  late_seen_ns_ = old.late_seen_ns_;
  woke_ns_ = old.woke_ns_;
  released_ |= std::exchange(old.released_, 0);  // those above have not heard yet
  if (old.ack_due_) want_ack();
  old.ended_ = true;
  old.drop_all();
  context_.gate.owe_delivery(context_.gate_bit, !kept_.empty());
  if (!up_) return true;
  context_.env.timers().arm(idle_timer_, context_.env.now_ns() + patience_ns_ / 4);
  context_.env.timers().arm(pace_timer_, 0);  // what waits goes on, and the packet size is searched for
  arm_timer();
  return true;
}

}  // namespace harness::layers
