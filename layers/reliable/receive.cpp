// SPDX-License-Identifier: Apache-2.0
// reliable, receiving: what arrives, what of it is new, and the acknowledgements that answer it.
#include <algorithm>

#include <harness/layers/reliable.hpp>

namespace harness::layers {

namespace {

constexpr std::uint64_t delay_unit_ns = 4096;
constexpr std::uint64_t delay_units_max = (1u << 14) - 1;
constexpr std::uint64_t first_max = (1u << 20) - 1;
constexpr std::uint64_t range_max = 0xffff;
constexpr unsigned kept_burst = 256;  // messages handed up in one turn after a pause

}  // namespace

// Everything that is not simply the next message.
void Reliable::receive(Message& message) {
  if (ended_) return;
  if ((message.note().flags & flag_congested) != 0) ++congested_;
  message.note().flags = 0;
  heard_ns_ = context_.env.now_ns();
  late_at_heard_ns_ = context_.env.late_ns();
  look_for_pause();
  const auto form_of = [&] {
    const std::byte* raw = message.peek(1);
    return raw != nullptr ? static_cast<std::uint8_t>(*raw) & 0xf : 0xf;
  };
  const auto form = form_of();
  const bool has_ack = form == static_cast<std::uint8_t>(wire::ReliableForm::ack) ||
                       form == static_cast<std::uint8_t>(wire::ReliableForm::noted_ack);
  std::uint64_t note = 0;
  if (has_ack && !take_ack(message, note)) return;
  if (!has_ack || message.size() != 0) {
    const bool whole = receive_packet(message);
    if (ended_) return;
    const bool usual = ack_due_ && arrived_.count() != 0 && !received_.has_gap();
    usual_cost_ = usual && !paused_ && kept_.empty() ? advertised_cost_ : 0;
    if (whole) hand_up(message);
  }
  if (note != 0 && !ended_) context_.events({EventKind::noted, Errc::ok, {}, note});
  if (has_ack && !ended_) resume();
}

// True when `message` is one to hand up.
bool Reliable::receive_packet(Message& message) {
  const std::byte* raw = message.peek(data_bytes);
  if (raw != nullptr) {
    switch (wire::decode<wire::ReliableData>(raw).form) {
      case wire::ReliableForm::data: return take_data(message);
      case wire::ReliableForm::part: return take_part(message);
      case wire::ReliableForm::probe: return take_probe(message);
      case wire::ReliableForm::ack:
      case wire::ReliableForm::noted_ack: break;  // one a packet
    }
  }
  ++refused_packets_;
  return false;
}

// Room for a message of `cost`? A sender within its credit never hears no, nor do control messages, which
// do not wait for it, up to a sixteenth of the span more; beyond that the link is as good as a lossy path.
bool Reliable::has_room(std::uint64_t cost) noexcept {
  const bool full = context_.quota != nullptr && context_.quota->exhausted();
  if (!full && received_cost_ + cost <= advertised_cost_ + own_span() / 16) return true;
  ++over_credit_packets_;
  return false;
}

bool Reliable::take_data(Message& message) {
  const auto header = wire::decode<wire::ReliableData>(message.pull(data_bytes));
  const std::uint64_t number = wire::complete(header.message, wire::reliable_number_bits, received_.floor());
  if (received_.contains(number)) {
    ++duplicate_packets_;
    note_arrival(header.packet);
    return false;
  }
  if (!has_room(cost_of(message.size()))) return false;
  if (received_.insert(number, context_.pool, context_.quota) != Numbers::Answer::fresh) {
    ++refused_packets_;
    return false;
  }
  received_cost_ += cost_of(message.size());
  note_arrival(header.packet);
  return true;
}

bool Reliable::take_part(Message& message) {
  const std::byte* raw = message.pull(part_bytes);
  if (raw == nullptr) return ++refused_packets_, false;
  const auto header = wire::decode<wire::ReliablePart>(raw);
  const std::uint64_t number = wire::complete(header.message, wire::reliable_number_bits, received_.floor());
  const std::uint32_t bytes = message.size();
  const bool outside = header.offset > message_bytes_max_ || bytes > message_bytes_max_ - header.offset;
  if (bytes == 0 || outside || number >= received_.floor() + Numbers::window)
    return ++refused_packets_, false;
  if (received_.contains(number)) {
    ++duplicate_packets_;
    note_arrival(header.packet);
    return false;
  }
  if (!has_room(cost_of(bytes))) return false;
  const std::uint64_t fresh_before = joiner_.fresh_bytes();
  const auto answer = joiner_.take(static_cast<std::uint32_t>(number), header.offset, !header.more, message,
                                   context_.pool, context_.quota);
  received_cost_ += joiner_.fresh_bytes() - fresh_before;
  switch (answer) {
    case Joiner::Answer::complete: break;
    case Joiner::Answer::kept: note_arrival(header.packet); return false;
    case Joiner::Answer::known:
      ++duplicate_packets_;
      note_arrival(header.packet);
      return false;
    case Joiner::Answer::full:
    case Joiner::Answer::malformed: ++refused_packets_; return false;
    case Joiner::Answer::no_memory:
      return refuse(Errc::exhausted, "reliable has no memory to join a message"), false;
  }
  if (received_.insert(number, context_.pool, context_.quota) != Numbers::Answer::fresh)
    return refuse(Errc::exhausted, "reliable has no memory to note a message"), false;
  received_cost_ += cost_of(0);
  note_arrival(header.packet);
  return true;
}

bool Reliable::take_probe(Message& message) {
  note_arrival(wire::decode<wire::ReliableProbe>(message.pull(probe_bytes)).packet);
  return false;
}

// A message for an application that has paused waits, acknowledged; its credit comes back when it goes. The
// node is not counted to the quota: what credit counts beside the bytes is the slab.
void Reliable::hand_up(Message& message) {
  if (!paused_ && kept_.empty()) return context_.above(message);
  auto* kept = new_pooled<Waiting>(context_.pool, nullptr, std::move(message));
  if (kept == nullptr) return refuse(Errc::exhausted, "reliable has no memory to keep a message in a pause");
  kept_.push_back(*kept);
  context_.gate.owe_delivery(context_.gate_bit, true);
}

// A burst a turn, until there are no more or the application pauses again.
void Reliable::hand_up_kept() {
  for (unsigned count = 0; !paused_ && !ended_ && !kept_.empty(); ++count) {
    if (count == kept_burst) return context_.env.timers().arm(pace_timer_, 0);
    Waiting& first = kept_.front();
    kept_.pop_front();
    Message message = std::move(first.message);
    free_pooled(&first);
    if (kept_.empty()) context_.gate.owe_delivery(context_.gate_bit, false);
    context_.above(message);
  }
}

void Reliable::note_arrival(std::uint32_t packet) noexcept {
  const std::uint64_t number = wire::complete(packet, wire::reliable_number_bits, arrived_.largest() + 1);
  const std::uint64_t largest = arrived_.largest();
  if (number == 0 || !arrived_.add(number)) ++duplicate_packets_;
  if (arrived_.largest() != largest) largest_at_ns_ = context_.env.now_ns();
  want_ack();
}

// At the end of this turn, unless a message of ours takes it along.
void Reliable::want_ack() noexcept {
  if (ended_ || std::exchange(ack_due_, true)) return;
  ready_bytes_ = ready_packets_ = 0;
  context_.env.timers().arm(ack_timer_, 0);
}

// ---- acknowledgements ----

void Reliable::send_ack() {
  if (!ack_due_ || ended_ || arrived_.empty()) return;
  if (context_.gate.held_deep(context_.gate_bit) && std::exchange(acked_while_held_, true)) return;
  std::array<wire::ReliableRange, AckRanges::further_max> ranges;
  unsigned count = 0;
  for (unsigned i = 1; i < arrived_.count(); ++i) {
    const std::uint64_t gap = arrived_[i - 1].first - arrived_[i].last - 2;
    const std::uint64_t length = arrived_[i].last - arrived_[i].first;
    if (gap > range_max || length > range_max) break;
    ranges[count++] = {static_cast<std::uint16_t>(gap), static_cast<std::uint16_t>(length)};
  }
  Message packet = Message::make(context_.pool, count * range_bytes);
  if (!packet) return context_.env.timers().arm(ack_timer_, context_.env.now_ns() + Rtt::granularity_ns);
  for (unsigned i = 0; i < count; ++i)
    wire::encode(ranges[i], packet.writable().data() + std::size_t{i} * range_bytes);
  wire::ReliableAck ack = make_ack();
  ack.ranges = static_cast<std::uint8_t>(count);
  push_ack(packet, ack);
  packet.note().flags = flag_control | flag_whole;
  ++acks_sent_;
  note_ack_sent();
  refresh();
  context_.below(packet);
}

wire::ReliableAck Reliable::make_ack() noexcept {
  const AckRanges::Range& newest = arrived_[0];
  const std::uint64_t held_ns = context_.env.now_ns() - largest_at_ns_;
  advertised_cost_ = credit_now();
  return {.largest = static_cast<std::uint32_t>(newest.last),
          .first = static_cast<std::uint32_t>(std::min(newest.last - newest.first, first_max)),
          .delay = static_cast<std::uint16_t>(std::min(held_ns / delay_unit_ns, delay_units_max)),
          .ranges = 0,
          .credit = advertised_cost_ / credit_unit_bytes,
          .congested = congested_};
}

// The note of a layer above stands behind the header of the acknowledgement, before its ranges.
void Reliable::push_ack(Message& packet, wire::ReliableAck ack) noexcept {
  const std::uint64_t note = context_.ack_note->told = context_.ack_note->bits;
  if (note != 0) {
    ack.form = wire::ReliableForm::noted_ack;
    wire::encode(wire::ReliableNote{note}, packet.push(note_bytes));
  }
  wire::encode(ack, packet.push(ack_bytes));
}

void Reliable::note_ack_sent() noexcept {
  ack_due_ = false;
  ack_timer_.cancel();
  usual_cost_ = 0;
  arrived_.note_told();
  watch_credit();
}

// What the peer may have sent in all: never less than it was told before.
std::uint64_t Reliable::credit_now() noexcept {
  const std::uint64_t span = own_span();
  const std::uint64_t used = context_.quota != nullptr ? context_.quota->used_bytes() : 0;
  return std::max(advertised_cost_, received_cost_ + (used < span ? span - used : 0));
}

// When little was told to be left, the peer is told once a quarter of the quota more is.
void Reliable::watch_credit() noexcept {
  const std::uint64_t span = own_span();
  const std::uint64_t left = advertised_cost_ - received_cost_;
  if (context_.quota == nullptr || left >= span / 2) return;
  context_.quota->when_below(
      span - span / 4 - left, [](void* self) noexcept { static_cast<Reliable*>(self)->want_ack(); }, this);
}

}  // namespace harness::layers
