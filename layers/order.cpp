// SPDX-License-Identifier: Apache-2.0
// The slow paths of order: early, late, doubted and malformed messages, ageing gaps, events.
#include <harness/layers/order.hpp>

#include <algorithm>

namespace harness::layers {

namespace {

constexpr unsigned sequence_bits = 48;
constexpr std::uint64_t sequence_mask = (std::uint64_t{1} << sequence_bits) - 1;

constexpr std::uint64_t key_of(unsigned channel, std::uint64_t sequence) {
  return std::uint64_t{channel} << sequence_bits | sequence;
}
constexpr unsigned channel_of(std::uint64_t key) { return static_cast<unsigned>(key >> sequence_bits); }

}  // namespace

Order::Order(const OptionValues& values, LayerContext& context)
    : context_(context), window_(static_cast<std::size_t>(values[window])),
      patience_ns_(static_cast<std::uint64_t>(values[patience]) * 1000),
      reliable_(context.given.covers(property::reliable)),
      aging_([](void* self) { static_cast<Order*>(self)->give_up_aged(); }, this) {}

Order::~Order() { drop_all(); }

// Everything that is not simply the next of its channel.
void Order::sort_in(Message& message) {
  if (refusing_) return;
  const std::byte* raw = message.pull(wire::bytes_of<wire::Order>);
  const wire::Order header = raw != nullptr ? wire::decode<wire::Order>(raw) : wire::Order{no_channel, 0};
  if (header.channel >= Gate::channels_max) {
    ++malformed_frames_;
    if (reliable_) refuse(Errc::corrupt, "a frame has no header of order, or a channel above 31");
    return;
  }
  if (header.sequence == 0) {  // control: outside every sequence
    message.note().channel = header.channel;
    return context_.above(message);
  }
  const std::uint64_t next = delivered_[header.channel] + 1;
  if (header.sequence < next) {
    ++late_messages_;
  } else if (header.sequence == next) {
    deliver(message, header);
    deliver_run(header.channel);
  } else if (believes(header)) {
    keep(message, header);
  } else {
    ++doubted_messages_;
  }
}

// RFC 3550 A.1: a leap beyond dropout_max counts when two in a row agree on it. A reliable layer below never
// leaps.
bool Order::believes(wire::Order header) noexcept {
  if (reliable_ || header.sequence - delivered_[header.channel] <= dropout_max) return true;
  const std::uint64_t key = key_of(header.channel, header.sequence);
  const bool confirmed = witness_ == key;
  witness_ = key + 1;
  return confirmed;
}

void Order::keep(Message& message, wire::Order header) {
  const std::uint64_t key = key_of(header.channel, header.sequence);
  WaitingSet::insert_commit_data place;
  if (!waiting_.insert_check(key, place).second) {
    ++duplicate_messages_;
    return;
  }
  if (waiting_.size() >= window_ && reliable_)
    return refuse(Errc::exhausted, "more messages wait for a gap than the window of order allows");
  auto* waiting =
      new_pooled<Waiting>(context_.pool, context_.quota, key, context_.env.now_ns(), std::move(message));
  if (waiting == nullptr) {
    ++given_up_messages_;  // a lossy layer below may lose it as well; a reliable one may not
    if (reliable_) refuse(Errc::exhausted, "order has no memory to keep a message");
    return;
  }
  waiting_.insert_commit(*waiting, place);
  context_.gate.owe_delivery(context_.gate_bit, true);
  ++early_messages_;
  if (reliable_) return;
  // When the window is full, the first gap of the channel that wants more is given up.
  if (waiting_.size() > window_) give_up_to(waiting_.lower_bound(key_of(header.channel, 0))->key);
  if (!aging_.armed()) arm();
}

void Order::deliver(Message& message, wire::Order header) {
  delivered_[header.channel] = header.sequence;
  message.note().channel = header.channel;
  context_.above(message);
}

// Delivers what waited for exactly the sequence just delivered, and its followers.
void Order::deliver_run(unsigned channel) {
  for (;;) {
    const auto first = waiting_.find(key_of(channel, delivered_[channel] + 1));
    if (first == waiting_.end()) return;
    Waiting* waiting = &*first;
    waiting_.erase(first);
    if (waiting_.empty()) context_.gate.owe_delivery(context_.gate_bit, false);
    Message message = std::move(waiting->message);
    const std::uint64_t sequence = waiting->key & sequence_mask;
    free_pooled(waiting);
    deliver(message, wire::Order{static_cast<std::uint16_t>(channel), sequence});
  }
}

// Gives up every gap before the waiting message `key` and delivers up to it and its run.
void Order::give_up_to(std::uint64_t key) {
  const unsigned channel = channel_of(key);
  while (key_of(channel, delivered_[channel]) < key) {
    const auto first = waiting_.lower_bound(key_of(channel, delivered_[channel] + 1));
    if (first == waiting_.end() || channel_of(first->key) != channel) return;  // dropped meanwhile
    const std::uint64_t sequence = first->key & sequence_mask;
    given_up_messages_ += sequence - delivered_[channel] - 1;
    delivered_[channel] = sequence - 1;
    deliver_run(channel);
  }
}

// The timer: no message of a lossy link waits longer than `patience`.
void Order::give_up_aged() {
  const std::uint64_t now_ns = context_.env.now_ns();
  std::array<std::uint64_t, Gate::channels_max> up_to{};
  for (const Waiting& waiting : waiting_)
    if (waiting.since_ns + patience_ns_ <= now_ns) up_to[channel_of(waiting.key)] = waiting.key;
  for (const std::uint64_t key : up_to)
    if (key != 0) give_up_to(key);
  arm();
}

// For the longest-waiting message; a look at all of them, at most once a `patience`.
void Order::arm() noexcept {
  if (waiting_.empty()) return;
  std::uint64_t oldest_ns = ~std::uint64_t{0};
  for (const Waiting& waiting : waiting_) oldest_ns = std::min(oldest_ns, waiting.since_ns);
  context_.env.timers().arm(aging_, oldest_ns + patience_ns_);
}

void Order::refuse(Errc code, std::string_view detail) {
  if (std::exchange(refusing_, true)) return;
  context_.events({EventKind::corrupt, code, detail});
}

void Order::on(const Event& event, Onward onward) {
  if (event.kind == EventKind::peer_lost || event.kind == EventKind::corrupt ||
      event.kind == EventKind::closed) {
    refusing_ = true;
    drop_all();
  }
  onward(event);
}

void Order::drop_all() noexcept {
  aging_.cancel();
  waiting_.clear_and_dispose([](Waiting* waiting) { free_pooled(waiting); });
  context_.gate.owe_delivery(context_.gate_bit, false);
}

void Order::describe(Describer& describer) const {
  std::uint64_t sent = 0;
  std::uint64_t passed = 0;
  for (const std::uint64_t sequence : sent_) sent += sequence;
  for (const std::uint64_t sequence : delivered_) passed += sequence;
  describer.value("sent_messages", sent);
  describer.value("delivered_messages", passed - given_up_messages_);
  describer.value("waiting_messages", waiting_.size());
  describer.value("early_messages", early_messages_);
  describer.value("late_messages", late_messages_);
  describer.value("duplicate_messages", duplicate_messages_);
  describer.value("given_up_messages", given_up_messages_);
  describer.value("doubted_messages", doubted_messages_);
  describer.value("malformed_frames", malformed_frames_);
}

bool Order::take_state(Order& old) {
  if (&context_.pool != &old.context_.pool || !waiting_.empty()) return false;
  sent_ = old.sent_;
  delivered_ = old.delivered_;
  waiting_.swap(old.waiting_);
  old.context_.gate.owe_delivery(old.context_.gate_bit, false);
  context_.gate.owe_delivery(context_.gate_bit, !waiting_.empty());
  old.aging_.cancel();
  witness_ = old.witness_;
  early_messages_ = old.early_messages_;
  late_messages_ = old.late_messages_;
  duplicate_messages_ = old.duplicate_messages_;
  given_up_messages_ = old.given_up_messages_;
  doubted_messages_ = old.doubted_messages_;
  malformed_frames_ = old.malformed_frames_;
  if (!reliable_) arm();
  return true;
}

}  // namespace harness::layers
