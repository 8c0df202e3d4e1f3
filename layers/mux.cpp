// SPDX-License-Identifier: Apache-2.0
// The slow paths of mux: channels without credit, paused receivers, grants, events.
#include <harness/layers/mux.hpp>

#include <algorithm>

namespace harness::layers {

namespace {

constexpr std::uint64_t forever = ~std::uint64_t{0};
constexpr std::uint64_t retry_ns = 1'000'000;
constexpr std::uint64_t window_share = 64;  // of the receiver's quota

constexpr std::uint32_t bit(unsigned channel) { return std::uint32_t{1} << channel; }

}  // namespace

Mux::Mux(const OptionValues& values, LayerContext& context)
    : context_(context), priority_(static_cast<Priority>(values[priority])),
      credit_(context.given.covers(property::reliable)),
      again_([](void* self) { static_cast<Mux*>(self)->resume(); }, this) {
  // Both ends must begin with the same number: the smaller quota decides for both.
  const std::uint64_t ours = context.quota != nullptr ? context.quota->limit_bytes() : forever;
  window_bytes_ = std::min(static_cast<std::uint64_t>(values[window]),
                           std::min(ours, context.peer_quota_bytes) / window_share);
  limit_bytes_.fill(credit_ ? window_bytes_ : forever);
  grant_at_bytes_.fill(credit_ ? window_bytes_ / 2 : forever);
}

Mux::~Mux() { drop_all(); }

// ---- down ----

void Mux::keep(Message& message) {
  if (refusing_) return;
  const unsigned channel = message.note().channel % channels_max;
  if (message.is_control()) {
    wire::encode(wire::MuxMessage{wire::MuxForm::control, static_cast<std::uint8_t>(channel)},
                 message.push(wire::bytes_of<wire::MuxMessage>));
    return context_.below(message);
  }
  const bool has_credit = sent_bytes_[channel] < limit_bytes_[channel];
  const bool was_held = context_.gate.held_channel(context_.pump, channel);
  if (has_credit && !was_held && !context_.held_below(channel)) {
    mark(message, channel);
    return context_.below(message);
  }
  if (!has_credit) ++out_of_credit_;
  auto* kept = new_pooled<Kept>(context_.pool, nullptr, std::move(message));
  if (kept == nullptr) return refuse(Errc::exhausted, "mux has no memory to keep a message");
  if (priority_ != Priority::message) urge(kept->message, channel);
  kept_.push_back(*kept);
  context_.gate.hold_channel(context_.pump, channel);
}

void Mux::pump() {
  if (pumping_) return;
  pumping_ = true;
  while (Kept* kept = next_to_send()) {
    Message message = std::move(kept->message);
    const unsigned channel = message.note().channel % channels_max;
    kept_.erase(KeptList::s_iterator_to(*kept));
    free_pooled(kept);
    const bool more = std::any_of(kept_.begin(), kept_.end(),
                                  [&](const Kept& other) { return other.message.note().channel == channel; });
    if (!more) {
      context_.gate.release_channel(context_.pump, channel);
      released_ |= bit(channel);
    }
    mark(message, channel);
    context_.below(message);
  }
  pumping_ = false;
}

// The most urgent of those that have credit and room below; of equal ones, and in a channel, the oldest.
Mux::Kept* Mux::next_to_send() noexcept {
  Kept* best = nullptr;
  std::uint32_t seen = 0;
  for (Kept& kept : kept_) {
    const unsigned channel = kept.message.note().channel % channels_max;
    if ((std::exchange(seen, seen | bit(channel)) & bit(channel)) != 0) continue;
    if (sent_bytes_[channel] >= limit_bytes_[channel] || context_.held_below(channel)) continue;
    if (best == nullptr || kept.message.note().priority < best->message.note().priority) best = &kept;
  }
  return best;
}

void Mux::resume() {
  grant_due();
  pump();
  if (std::exchange(released_, 0) != 0) context_.events({EventKind::writable});
  close_when_empty();
}

void Mux::close_when_empty() {
  if (kept_.empty() && std::exchange(closing_, false)) context_.events({EventKind::close});
}

// ---- up ----

void Mux::sort(Message& message) {
  if (refusing_) return;
  const std::byte* raw = message.peek(wire::bytes_of<wire::MuxMessage>);
  if (raw == nullptr) return malformed();
  const auto header = wire::decode<wire::MuxMessage>(raw);
  if (header.channel >= channels_max) {
    ++unknown_channels_;
    return;
  }
  if (header.form == wire::MuxForm::credit) return take_credit(message, header.channel);
  message.pull(wire::bytes_of<wire::MuxMessage>);
  name(message, header.channel);
  if (header.form == wire::MuxForm::message) return receive(message, header.channel);
  if (header.form != wire::MuxForm::control) return malformed();
  context_.above(message);
}

void Mux::receive(Message& message, unsigned channel) {
  received_bytes_[channel] += cost(message);
  if ((paused_ & bit(channel)) != 0) return hold_back(message, channel);
  if (received_bytes_[channel] >= grant_at_bytes_[channel]) grant(channel);
  context_.above(message);
}

void Mux::take_credit(Message& message, unsigned channel) {
  const std::byte* raw = message.pull(wire::bytes_of<wire::MuxCredit>);
  if (raw == nullptr || message.size() != 0) return malformed();
  ++grants_received_;
  const std::uint64_t limit = wire::decode<wire::MuxCredit>(raw).limit_bytes;
  if (limit <= limit_bytes_[channel]) return;  // overtaken by a later one
  limit_bytes_[channel] = limit;
  if (!kept_.empty()) resume();
}

// What a paused channel may keep: its window and one message beyond. A peer that ignores its credit is cut
// off.
void Mux::hold_back(Message& message, unsigned channel) {
  const std::uint64_t bytes = cost(message);
  const bool room = waiting_bytes_[channel] < window_bytes_;
  if (credit_ && !room) return refuse(Errc::corrupt, "the peer sends beyond its credit");
  Kept* kept = room ? new_pooled<Kept>(context_.pool, context_.quota, std::move(message)) : nullptr;
  if (kept == nullptr) {
    ++overrun_messages_;
    if (credit_) refuse(Errc::exhausted, "mux has no memory to keep a message for a paused channel");
    return;
  }
  waiting_[channel].push_back(*kept);
  waiting_bytes_[channel] += bytes;
  ++waiting_messages_;
  context_.gate.owe_delivery(context_.gate_bit, true);
}

void Mux::set_paused(unsigned channel, bool paused) {
  if (paused) {
    stopped_ |= bit(channel);
    paused_ |= bit(channel);
    return;
  }
  stopped_ &= ~bit(channel);
  release_waiting(channel);
}

// Hands up what waited, until the receiver pauses the channel again.
void Mux::release_waiting(unsigned channel) {
  KeptList& waiting = waiting_[channel];
  while (!waiting.empty() && (stopped_ & bit(channel)) == 0) {
    Kept* kept = &waiting.front();
    waiting.pop_front();
    Message message = std::move(kept->message);
    free_pooled(kept);
    waiting_bytes_[channel] -= cost(message);
    if (--waiting_messages_ == 0) context_.gate.owe_delivery(context_.gate_bit, false);
    context_.above(message);
  }
  if ((stopped_ & bit(channel)) != 0) return;
  paused_ &= ~bit(channel);
  if (received_bytes_[channel] >= grant_at_bytes_[channel]) grant(channel);
}

// A whole window from here on. RFC 9000 §4.1: limits are absolute, the largest counts.
void Mux::grant(unsigned channel) {
  const bool held = context_.gate.held_deep(context_.gate_bit);  // the reserve is not for 32 of these
  Message credit = held ? Message() : Message::make(context_.pool, 0);
  if (!credit) {
    ungranted_ |= bit(channel);
    if (!held) context_.env.timers().arm(again_, context_.env.now_ns() + retry_ns);
    return;
  }
  const std::uint64_t limit = received_bytes_[channel] + window_bytes_;
  grant_at_bytes_[channel] = limit - window_bytes_ / 2;
  credit.note().flags = flag_control;
  wire::encode(wire::MuxCredit{wire::MuxForm::credit, static_cast<std::uint8_t>(channel), limit},
               credit.push(wire::bytes_of<wire::MuxCredit>));
  ++grants_sent_;
  context_.below(credit);
}

void Mux::grant_due() {
  for (std::uint32_t due = std::exchange(ungranted_, 0); due != 0; due &= due - 1)
    grant(static_cast<unsigned>(std::countr_zero(due)));
}

void Mux::malformed() {
  ++malformed_frames_;
  if (credit_) refuse(Errc::corrupt, "a frame has an unknown form of mux");
}

void Mux::refuse(Errc code, std::string_view detail) {
  if (std::exchange(refusing_, true)) return;
  context_.events({EventKind::corrupt, code, detail});
}

// ---- events, state ----

void Mux::on(const Event& event, Onward onward) {
  switch (event.kind) {
    case EventKind::writable:
      grant_due();
      pump();
      released_ = 0;
      onward(event);
      return close_when_empty();
    case EventKind::up: resume(); break;
    case EventKind::pause:
    case EventKind::resume:
      if (event.value == 0 || event.value > channels_max) break;  // the whole link
      return set_paused(static_cast<unsigned>(event.value - 1), event.kind == EventKind::pause);
    case EventKind::close:
      closing_ = !kept_.empty();
      if (closing_) return;
      break;
    case EventKind::peer_lost:
    case EventKind::corrupt:
    case EventKind::closed:
      refusing_ = true;
      drop_all();
      break;
    default: break;
  }
  onward(event);
}

void Mux::drop_all() noexcept {
  again_.cancel();
  closing_ = false;
  released_ = ungranted_ = 0;
  kept_.clear_and_dispose([this](Kept* kept) {
    context_.gate.release_channel(context_.pump, kept->message.note().channel);
    free_pooled(kept);
  });
  for (KeptList& waiting : waiting_) waiting.clear_and_dispose([](Kept* kept) { free_pooled(kept); });
  waiting_bytes_ = {};
  waiting_messages_ = 0;
  context_.gate.owe_delivery(context_.gate_bit, false);
}

void Mux::describe(Describer& describer) const {
  describer.value("window_bytes", window_bytes_);
  describer.value("kept_messages", kept_.size());
  describer.value("waiting_messages", waiting_messages_);
  describer.value("paused_channels", static_cast<std::uint64_t>(std::popcount(stopped_)));
  describer.value("out_of_credit", out_of_credit_);
  describer.value("grants_sent", grants_sent_);
  describer.value("grants_received", grants_received_);
  describer.value("unknown_channels", unknown_channels_);
  describer.value("malformed_frames", malformed_frames_);
  describer.value("overrun_messages", overrun_messages_);
}

bool Mux::take_state(Mux& old) {
  if (&context_.pool != &old.context_.pool || !kept_.empty() || waiting_messages_ != 0) return false;
  old.again_.cancel();
  paused_ = old.paused_;
  stopped_ = old.stopped_;
  ungranted_ = std::exchange(old.ungranted_, 0);
  window_bytes_ = old.window_bytes_;
  sent_bytes_ = old.sent_bytes_;
  limit_bytes_ = old.limit_bytes_;
  received_bytes_ = old.received_bytes_;
  grant_at_bytes_ = old.grant_at_bytes_;
  waiting_bytes_ = std::exchange(old.waiting_bytes_, {});
  for (const Kept& kept : old.kept_) {
    const unsigned channel = kept.message.note().channel;
    old.context_.gate.release_channel(old.context_.pump, channel);
    context_.gate.hold_channel(context_.pump, channel);
  }
  kept_.swap(old.kept_);
  for (unsigned channel = 0; channel < channels_max; ++channel) waiting_[channel].swap(old.waiting_[channel]);
  waiting_messages_ = std::exchange(old.waiting_messages_, 0);
  old.context_.gate.owe_delivery(old.context_.gate_bit, false);
  context_.gate.owe_delivery(context_.gate_bit, waiting_messages_ != 0);
  released_ |= std::exchange(old.released_, 0);
  context_.env.timers().arm(again_, context_.env.now_ns());  // what waits goes on, who waits is told
  return true;
}

}  // namespace harness::layers
