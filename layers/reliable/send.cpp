// SPDX-License-Identifier: Apache-2.0
// reliable, sending: what may go now, in which packets, and what waits.
#include <algorithm>

#include <harness/layers/reliable.hpp>

namespace harness::layers {

namespace {
constexpr std::uint64_t retry_ns = 1'000'000;    // memory comes back when messages go
constexpr std::uint32_t reserve_packets = 64;    // of the table, for control messages and probes
constexpr std::uint64_t skip_between_min = 256;  // packets between two numbers left out
}  // namespace

// ---- what may go ----

void Reliable::update_window() noexcept {
  window_ = controller_.window(rtt_.measured() ? rtt_.smoothed_ns() : 0, mtu_.bytes());
  pacer_.set(window_.bytes_per_s, window_.window_bytes, mtu_.bytes(), context_.env.now_ns());
}

// May a packet of `bytes` join those in flight?
bool Reliable::window_open(std::uint64_t bytes) noexcept {
  if (context_.held_below()) return false;
  if (in_flight_bytes_ != 0 && in_flight_bytes_ + bytes > window_.window_bytes) {
    limited_ = true;
    return false;
  }
  if (pacer_.ready_bytes(context_.env.now_ns()) == 0) {
    limited_ = true;  // RFC 9002 §7.7: what waits for its pace would have used the window
    if (!pace_timer_.armed()) context_.env.timers().arm(pace_timer_, pacer_.ready_at_ns());
    return false;
  }
  return true;
}

// May `payload` bytes that were never sent leave?
bool Reliable::fresh_allowed(std::uint64_t payload) noexcept {
  if (sent_cost_ + cost_of(payload) > credit_cost_) return false;
  if (next_message_ - acked_.floor() >= Numbers::window - reserve_packets) return false;
  const std::uint64_t span = sent_.next() - sent_.first();
  return span < SentTable::packets_max - reserve_packets && sent_.make_room(context_.pool);
}

// How much may go through `down` without a look at anything.
void Reliable::refresh() noexcept {
  ready_bytes_ = ready_packets_ = 0;
  const bool busy = ended_ || !up_ || ack_due_ || in_flight_bytes_ == 0 || !timer_.armed();
  if (busy || !queue_.empty() || !sent_.lost().empty() || sent_.next() >= skip_at_) return;
  if (in_flight_bytes_ >= window_.window_bytes || sent_cost_ >= credit_cost_) return;
  const std::uint64_t span = next_message_ - acked_.floor();
  if (span + reserve_packets >= Numbers::window) return;
  const std::uint32_t to_zero = 0u - static_cast<std::uint32_t>(sent_.next());  // that number is left out
  ready_packets_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(
      {sent_.room(), Numbers::window - reserve_packets - span, skip_at_ - sent_.next(), to_zero}));
  if (ready_packets_ == 0) return;
  ready_bytes_ = std::min({window_.window_bytes - in_flight_bytes_, credit_cost_ - sent_cost_,
                           pacer_.ready_bytes(context_.env.now_ns())});
}

// ---- the way down ----

void Reliable::send_slowly(Message& message) {
  if (ended_) return;  // the link is closing: whoever hears of it knows that nothing more leaves
  const std::uint32_t bytes = message.size() + data_bytes;
  const bool fits = bytes <= mtu_.bytes();
  if (message.is_control() && fits && sent_.make_room(context_.pool)) return send_now(message);
  const bool free_way = up_ && queue_.empty() && sent_.lost().empty() &&
                        !context_.held_below(message.note().channel % Gate::channels_max);
  if (fits && free_way && window_open(bytes) && fresh_allowed(message.size())) return send_now(message);
  enqueue(message);
}

// The first transmission of a whole message takes the message itself.
void Reliable::send_now(Message& message) {
  const std::uint32_t bytes = message.size() + data_bytes;
  Retained kept = Retained::of(message, 0, message.size(), context_.pool);
  if (!kept) return refuse(Errc::exhausted, "reliable has no memory to keep a message");
  Sent& sent = append(bytes);
  sent.data = std::move(kept);
  sent.channel = static_cast<std::uint8_t>(message.note().channel);
  sent.priority = message.note().priority;
  sent.message = static_cast<std::uint32_t>(next_message_++);
  sent_cost_ += cost_of(message.size());
  transmit(static_cast<std::uint32_t>(sent_.next() - 1), message);
  refresh();
}

void Reliable::enqueue(Message& message) {
  const unsigned channel = message.note().channel % Gate::channels_max;
  const Annotation note = message.note();
  if (!message.as_received(context_.pool))
    return refuse(Errc::exhausted, "reliable has no memory for a message");
  message.note() = note;
  const bool was_held = context_.gate.held_channel(context_.pump, channel);
  auto* waiting = new_pooled<Waiting>(context_.pool, nullptr, std::move(message));
  if (waiting == nullptr) return refuse(Errc::exhausted, "reliable has no memory to keep a message");
  // First in, first out, urgent or not: frag counts what it has handed down as under way, and a part that
  // more urgent ones overtook for ever would keep its message's credit.
  queue_.push_back(*waiting);
  ready_bytes_ = ready_packets_ = 0;
  context_.gate.hold_channel(context_.pump, channel);
  pump();
  if (ended_) return;
  // Holding and letting go within one call is no news; of other channels those above hear in the next turn.
  if (!was_held) released_ &= ~(1u << channel);
  if (released_ != 0) context_.env.timers().arm(pace_timer_, 0);
}

// Sends what may go: first what was lost, then what waits.
void Reliable::pump() {
  if (pumping_ || ended_ || !up_) return;
  pumping_ = true;
  limited_ = false;
  while (!ended_ && (!sent_.lost().empty() ? send_lost() : send_queued())) {
  }
  pumping_ = false;
  if (ended_) return;
  arm_timer();
  refresh();
}

// Pumps when there is room again, then tells those above which wait and lets a waiting close through.
void Reliable::resume() {
  hand_up_kept();
  pump();
  if (!ended_ && std::exchange(released_, 0) != 0) context_.events({EventKind::writable});
  release_closing();
}

bool Reliable::send_queued() {
  if (queue_.empty()) return false;
  Waiting& waiting = queue_.front();
  const std::uint32_t left = waiting.message.size() - waiting.offset;
  const bool whole = waiting.offset == 0 && left + data_bytes <= mtu_.bytes();
  const std::uint32_t payload = whole ? left : std::min(left, mtu_.bytes() - part_bytes);
  const std::uint32_t bytes = payload + (whole ? data_bytes : part_bytes);
  if (!window_open(bytes) || !fresh_allowed(payload)) return false;
  return send_part_of(waiting, payload);
}

// The next `payload` bytes of a waiting message; false, and nothing changed, at the pool's limit. Handing
// down is the last act: the layer below may find the peer gone, and then nothing is left here.
bool Reliable::send_part_of(Waiting& waiting, std::uint32_t payload) {
  Message& message = waiting.message;
  const std::uint32_t total = message.size();
  const bool whole = waiting.offset == 0 && payload == total;
  if (!whole && waiting.split == nullptr) {
    waiting.split = new_pooled<Split>(context_.pool, nullptr, Split{total});
    if (waiting.split != nullptr) ++split_messages_;
  }
  Retained kept = Retained::of(message, waiting.offset, payload, context_.pool);
  Message packet = kept ? kept.slice(0, payload, context_.pool) : Message();
  if (!packet || (!whole && waiting.split == nullptr)) {
    ++waited_for_memory_;
    context_.env.timers().arm(pace_timer_, context_.env.now_ns() + retry_ns);
    return false;
  }
  if (waiting.offset == 0) waiting.number = next_message_++;
  const std::uint32_t bytes = payload + (whole ? data_bytes : part_bytes);
  Sent& sent = append(bytes);
  sent.data = std::move(kept);
  sent.split = waiting.split;
  sent.channel = static_cast<std::uint8_t>(message.note().channel);
  sent.priority = message.note().priority;
  sent.message = static_cast<std::uint32_t>(waiting.number);
  sent.offset = waiting.offset;
  waiting.offset += payload;
  sent.more = waiting.offset != total;
  sent_cost_ += sent.offset == 0 ? cost_of(payload) : payload;
  if (!sent.more) finish(waiting);
  transmit(static_cast<std::uint32_t>(sent_.next() - 1), packet);
  return true;
}

void Reliable::finish(Waiting& waiting) noexcept {
  const unsigned channel = waiting.message.note().channel % Gate::channels_max;
  queue_.erase(Queue::s_iterator_to(waiting));
  free_pooled(&waiting);
  for (const Waiting& other : queue_)
    if (other.message.note().channel % Gate::channels_max == channel) return;
  context_.gate.release_channel(context_.pump, channel);
  released_ |= 1u << channel;
}

// ---- again ----

bool Reliable::send_lost() {
  const std::uint32_t number = sent_.lost().front;
  const Sent& sent = sent_.at(number);
  const std::uint32_t left = sent.data.size() - sent.cut;
  if (!window_open(std::min(left + part_bytes, mtu_.bytes())) || !sent_.make_room(context_.pool))
    return false;
  return send_again(number, false);
}

// Sends the data of a packet again under a new number, or as much of it as fits one packet now.
bool Reliable::send_again(std::uint32_t number, bool as_probe) {
  Sent* old = &sent_.at(number);
  const std::uint32_t total = old->data.size();
  const std::uint32_t left = total - old->cut;
  const bool as_it_is = old->cut == 0 && old->bytes <= mtu_.bytes();
  const std::uint32_t payload = as_it_is ? left : std::min(left, mtu_.bytes() - part_bytes);
  const bool part = old->split != nullptr || !as_it_is;
  Message packet = old->data.slice(old->cut, payload, context_.pool);
  Retained kept = as_it_is ? Retained() : old->data.part(old->cut, payload, context_.pool);
  if (part && old->split == nullptr && packet)
    old->split = new_pooled<Split>(context_.pool, nullptr, Split{total});
  if (!packet || (!as_it_is && !kept) || (part && old->split == nullptr)) {
    ++waited_for_memory_;
    context_.env.timers().arm(pace_timer_, context_.env.now_ns() + retry_ns);
    return false;
  }
  Sent& sent = append(payload + (part ? part_bytes : data_bytes));
  old = &sent_.at(number);
  sent.split = old->split;
  sent.channel = old->channel;
  sent.priority = old->priority;
  sent.message = old->message;
  sent.offset = old->offset + old->cut;
  sent.more = old->more || old->cut + payload != total;
  const auto next = static_cast<std::uint32_t>(sent_.next() - 1);
  if (as_it_is) {
    sent_.hand_over(number, next);
  } else {
    sent.data = std::move(kept);
    old->cut += payload;
    if (old->cut == total) sent_.forget_data(number);
  }
  ++resent_packets_;
  if (as_probe) packet.note().flags |= flag_control;
  transmit(next, packet);
  return true;
}

// ---- every packet ----

// A record of the next number. A probe for the packet size takes no place in the window and in the pace: data
// go on while the search does. Requires: room in the table.
Sent& Reliable::append(std::uint32_t bytes, bool mtu_probe) noexcept {
  if (sent_.next() >= skip_at_ && sent_.room() > 1) {
    skipped_ = sent_.next();
    sent_.skip();
    skip_at_ = sent_.next() + skip_between_min + context_.env.random().below(3 * skip_between_min);
    sent_.make_room(context_.pool);
  }
  if (in_flight_bytes_ == 0) controller_.on_sent({context_.env.now_ns()});
  Sent& sent = sent_.append(context_.env.now_ns());
  sent.bytes = bytes;
  sent.mtu_probe = mtu_probe;
  if (mtu_probe) return sent;
  in_flight_bytes_ += bytes;
  pacer_.spend(bytes);
  return sent;
}

// Puts the headers before a packet's bytes and hands it down.
void Reliable::transmit(std::uint32_t number, Message& packet) {
  const Sent& sent = sent_.at(number);
  packet.note().channel = sent.channel;
  packet.note().priority = sent.priority;
  if (sent.split != nullptr) {
    wire::encode(
        wire::ReliablePart{
            .packet = number, .message = sent.message, .offset = sent.offset, .more = sent.more},
        packet.push(part_bytes));
  } else {
    wire::encode(wire::ReliableData{.packet = number, .message = sent.message}, packet.push(data_bytes));
  }
  if (ack_due_ && arrived_.count() == 1 && packet.size() + ack_bytes_now() <= mtu_.bytes()) {
    push_ack(packet, make_ack());
    note_ack_sent();
  }
  packet.note().flags |= flag_whole;
  if (!timer_.armed()) arm_timer();
  context_.below(packet);
}

// Asks for an acknowledgement; a larger one finds out whether its size passes.
void Reliable::send_probe(std::uint32_t bytes, bool for_mtu) {
  if (!sent_.make_room(context_.pool)) return;
  Message packet = Message::make(context_.pool, bytes - probe_bytes);
  if (!packet) return;
  if (bytes > probe_bytes) std::fill_n(packet.writable().data(), bytes - probe_bytes, std::byte{0});
  Sent& sent = append(bytes, for_mtu);
  sent.message = 0;
  const auto number = static_cast<std::uint32_t>(sent_.next() - 1);
  wire::encode(wire::ReliableProbe{.packet = number}, packet.push(probe_bytes));
  packet.note().flags = flag_control | flag_whole;
  if (!timer_.armed()) arm_timer();
  context_.below(packet);
}

void Reliable::search_mtu() {
  const std::uint64_t now_ns = context_.env.now_ns();
  const std::uint32_t bytes = mtu_.wanted(now_ns);
  if (bytes == 0 || ended_ || !up_ || context_.held_below()) return;
  mtu_.on_probe_sent();
  const std::uint64_t before = sent_.next();
  send_probe(bytes, true);
  if (sent_.next() == before) mtu_.on_probe_unsent();
}

}  // namespace harness::layers
