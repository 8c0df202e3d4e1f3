// SPDX-License-Identifier: Apache-2.0
// resume: keeping, sending again, telling what was got; events and the move to the next stack.
#include <harness/layers/resume.hpp>

namespace harness::layers {

namespace {

constexpr std::uint32_t all_channels = ~std::uint32_t{0};
constexpr std::uint32_t bit(unsigned channel) { return std::uint32_t{1} << channel; }

}  // namespace

Resume::Resume(const OptionValues& values, LayerContext& context)
    : context_(context), retain_bytes_(static_cast<std::uint64_t>(values[retain])),
      delay_ns_(static_cast<std::uint64_t>(values[delay]) * 1000),
      tell_([](void* self) { static_cast<Resume*>(self)->tell_untold(); }, this) {}

Resume::~Resume() { drop_all(); }

// ---- down ----

// Numbers and marks the message and keeps its body; false, and the link closes, when there is no memory.
bool Resume::keep(Message& message) {
  const unsigned channel = message.note().channel % channels_max;
  if (kept_bytes_ >= 2 * retain_bytes_ + context_.max_message)
    return refuse(Errc::exhausted, "the layers above resume send without end while it holds them"), false;
  Message copy = message.share(context_.pool);
  Kept* kept = copy ? new_pooled<Kept>(context_.pool, nullptr, sent_[channel] + 1, std::move(copy)) : nullptr;
  if (kept == nullptr) return refuse(Errc::exhausted, "resume has no memory to keep a message"), false;
  kept_[channel].push_back(*kept);
  kept_bytes_ += cost(message);
  out_[channel] = ++sent_[channel];
  if (kept_bytes_ >= retain_bytes_) hold_or_release();
  wire::encode(
      wire::ResumeMessage{wire::ResumeForm::message, static_cast<std::uint8_t>(channel), sent_[channel]},
      message.push(wire::bytes_of<wire::ResumeMessage>));
  return true;
}

// What comes between two connections, or before those that must go again, is kept and sent in its turn. A
// control message of a layer above may not be lost with a connection either, so it becomes one like the
// others; it comes also while the layers below are held, and then waits here.
void Resume::down_slowly(Message& message) {
  const unsigned channel = message.note().channel % channels_max;
  message.note().flags &= static_cast<std::uint8_t>(~flag_control);
  const std::uint64_t out = out_[channel];
  if (!keep(message)) return;
  if (in_contact_ && !awaits_have_ && missing_ == 0 && !context_.held_below(channel))
    return context_.below(message);
  out_[channel] = out;
  missing_ |= bit(channel);
  if (in_contact_ && !awaits_have_) send_again();
}

// What the peer misses, each channel as far as the layers below take it; the rest goes on `writable`.
void Resume::send_again() {
  if (sending_again_) return;
  sending_again_ = true;
  for (unsigned channel = 0; channel < channels_max; ++channel)
    if ((missing_ & bit(channel)) != 0 && send_missing(channel)) missing_ &= ~bit(channel);
  sending_again_ = false;
  hold_or_release();
}

// True when nothing of the channel is missing any more.
bool Resume::send_missing(unsigned channel) {
  auto at = kept_[channel].begin();
  while (at != kept_[channel].end() && at->sequence <= out_[channel]) ++at;
  for (; at != kept_[channel].end(); ++at) {
    if (context_.held_below(channel)) return false;
    Message again = at->message.share(context_.pool);
    if (!again) return refuse(Errc::exhausted, "resume has no memory to send a message again"), false;
    wire::encode(
        wire::ResumeMessage{wire::ResumeForm::message, static_cast<std::uint8_t>(channel), at->sequence},
        again.push(wire::bytes_of<wire::ResumeMessage>));
    out_[channel] = at->sequence;
    ++resent_messages_;
    context_.below(again);
    if (refusing_ || !in_contact_) return false;  // found out below: the list is gone or stands still
  }
  return true;
}

// Holds those above while too much is kept, something must go first, or a close waits for the peer.
void Resume::hold_or_release() {
  const bool hold = !in_contact_ || awaits_have_ || missing_ != 0 || kept_bytes_ >= retain_bytes_ || closing_;
  if (hold == held_) return;
  held_ = hold;
  if (hold) return context_.gate.hold(context_.gate_bit);
  context_.gate.release(context_.gate_bit);
  context_.events({EventKind::writable});
}

void Resume::close_when_told() {
  if (!closing_ || kept_bytes_ != 0) return;
  closing_ = false;
  hold_or_release();
  context_.events({EventKind::close});
}

// ---- up ----

// Whatever is not the next message of its channel, or is and must be told of.
void Resume::sort(Message& message) {
  if (refusing_) return;
  const std::byte* raw = message.peek(1);
  if (raw == nullptr) return refuse(Errc::corrupt, "a frame is shorter than the header of resume");
  const auto form = wire::decode<wire::ResumeHave>(raw).form;
  if (form == wire::ResumeForm::have || form == wire::ResumeForm::have_first) return take_have(message);
  raw = message.pull(wire::bytes_of<wire::ResumeMessage>);
  const wire::ResumeMessage header =
      raw != nullptr ? wire::decode<wire::ResumeMessage>(raw) : wire::ResumeMessage{};
  if (raw == nullptr || header.channel >= channels_max)
    return refuse(Errc::corrupt, "a frame of resume is cut short, or its channel above 31");
  message.note().channel = header.channel;
  if (form != wire::ResumeForm::message)
    return refuse(Errc::corrupt, "a frame has an unknown form of resume");
  if (header.sequence <= got_[header.channel]) {
    ++duplicate_messages_;  // sent again although we had it
    return;
  }
  if (header.sequence != got_[header.channel] + 1)
    return refuse(Errc::corrupt, "a message is missing below resume, where all must arrive in order");
  deliver(message, header);
}

void Resume::deliver(Message& message, wire::ResumeMessage header) {
  got_[header.channel] = header.sequence;
  untold_ |= bit(header.channel);
  untold_bytes_ += cost(message);
  if (!tell_.armed()) context_.env.timers().arm(tell_, context_.env.now_ns() + delay_ns_);
  const bool tell_now = untold_bytes_ >= retain_bytes_ / 4;
  context_.above(message);
  if (tell_now) tell_untold();
}

void Resume::take_have(Message& message) {
  const std::byte* raw = message.pull(wire::bytes_of<wire::ResumeHave>);
  const auto header = wire::decode<wire::ResumeHave>(raw);
  ++haves_received_;
  while (message.size() != 0) {
    raw = message.pull(wire::bytes_of<wire::ResumeGot>);
    if (raw == nullptr || !give_back(wire::decode<wire::ResumeGot>(raw)))
      return refuse(Errc::corrupt, "the peer claims to have what resume never sent");
  }
  if (header.form == wire::ResumeForm::have_first) awaits_have_ = false;
  if (header.asks != 0) tell(wire::ResumeForm::have, all_channels, false);
  if (missing_ != 0 && !awaits_have_) send_again();
  hold_or_release();
  close_when_told();
}

// Gives back what the peer has; false when it claims more than was ever sent.
bool Resume::give_back(wire::ResumeGot got) {
  if (got.channel >= channels_max || got.sequence > sent_[got.channel]) return false;
  KeptList& kept = kept_[got.channel];
  while (!kept.empty() && kept.front().sequence <= got.sequence) {
    Kept* first = &kept.front();
    kept.pop_front();
    kept_bytes_ -= cost(first->message);
    free_pooled(first);
  }
  if (out_[got.channel] < got.sequence) out_[got.channel] = got.sequence;
  if (out_[got.channel] == sent_[got.channel]) missing_ &= ~bit(got.channel);
  return true;
}

// One frame with the last number of each of `channels` that had any. Without memory it is tried again.
void Resume::tell(wire::ResumeForm form, std::uint32_t channels, bool asks) {
  if (!in_contact_ || refusing_) return;
  // Held below, only what the peer waits for goes: the reserve is a few frames for the whole stack.
  if (form == wire::ResumeForm::have && !asks && context_.gate.held_deep(context_.gate_bit))
    return context_.env.timers().arm(tell_, context_.env.now_ns() + delay_ns_);
  std::array<std::byte, channels_max * wire::bytes_of<wire::ResumeGot>> body;
  std::size_t bytes = 0;
  for (unsigned channel = 0; channel < channels_max; ++channel) {
    if ((channels & bit(channel)) == 0 || got_[channel] == 0) continue;
    wire::encode(wire::ResumeGot{static_cast<std::uint8_t>(channel), got_[channel]}, body.data() + bytes);
    bytes += wire::bytes_of<wire::ResumeGot>;
  }
  Message have = Message::copy_of(context_.pool, Bytes{body.data(), bytes});
  if (!have) {
    if (form == wire::ResumeForm::have_first) return refuse(Errc::exhausted, "resume has no memory to begin");
    return context_.env.timers().arm(tell_, context_.env.now_ns() + delay_ns_);
  }
  untold_ &= ~channels;
  if (untold_ == 0) untold_bytes_ = 0;
  have.note().flags = flag_control;
  wire::encode(wire::ResumeHave{form, static_cast<std::uint8_t>(asks ? 1 : 0)},
               have.push(wire::bytes_of<wire::ResumeHave>));
  ++haves_sent_;
  context_.below(have);
}

void Resume::tell_untold() {
  tell_.cancel();
  if (untold_ != 0) tell(wire::ResumeForm::have, untold_, false);
}

void Resume::refuse(Errc code, std::string_view detail) {
  if (std::exchange(refusing_, true)) return;
  context_.events({EventKind::corrupt, code, detail});
}

// ---- events, state ----

void Resume::on(const Event& event, Onward onward) {
  switch (event.kind) {
    case EventKind::up:
      in_contact_ = true;
      if (contacts_++ != 0) tell(wire::ResumeForm::have_first, all_channels, closing_);
      if (!awaits_have_ && missing_ != 0) send_again();
      hold_or_release();
      break;
    case EventKind::writable:
      if (missing_ != 0 && in_contact_ && !awaits_have_) send_again();
      if (held_) return;  // it follows when our bit is released
      break;
    case EventKind::close:
      closing_ = kept_bytes_ != 0;
      hold_or_release();
      if (!closing_) break;
      return tell(wire::ResumeForm::have, untold_, true);
    case EventKind::corrupt:  // below: what was damaged there is sent again over the next connection
    case EventKind::peer_lost:
      if (!std::exchange(in_contact_, false)) return;  // it was told
      tell_.cancel();
      hold_or_release();
      return onward(
          {contacts_ != 0 ? EventKind::resuming : event.kind, event.code, event.detail, event.value});
    case EventKind::closed:
      refusing_ = true;
      drop_all();
      break;
    default: break;
  }
  onward(event);
}

void Resume::drop_all() noexcept {
  tell_.cancel();
  for (KeptList& kept : kept_) kept.clear_and_dispose([](Kept* one) { free_pooled(one); });
  kept_bytes_ = 0;
  missing_ = 0;
  closing_ = false;
}

void Resume::describe(Describer& describer) const {
  describer.value("contacts", contacts_);
  describer.value("kept_bytes", kept_bytes_);
  describer.value("retain_bytes", retain_bytes_);
  describer.value("resent_messages", resent_messages_);
  describer.value("duplicate_messages", duplicate_messages_);
  describer.value("haves_sent", haves_sent_);
  describer.value("haves_received", haves_received_);
}

// The next connection's stack, or another stack on the same one: what is kept goes along, and is sent again
// as far as the peer has not got it.
bool Resume::take_state(Resume& old) {
  if (&context_.pool != &old.context_.pool || kept_bytes_ != 0 || sent_ != decltype(sent_){}) return false;
  old.tell_.cancel();
  sent_ = old.sent_;
  got_ = old.got_;
  contacts_ = old.contacts_;
  closing_ = std::exchange(old.closing_, false);
  kept_bytes_ = std::exchange(old.kept_bytes_, 0);
  resent_messages_ = old.resent_messages_;
  duplicate_messages_ = old.duplicate_messages_;
  haves_sent_ = old.haves_sent_;
  haves_received_ = old.haves_received_;
  for (unsigned channel = 0; channel < channels_max; ++channel) kept_[channel].swap(old.kept_[channel]);
  if (old.in_contact_) {  // a swap under it: the layers below take over, too, what is under way
    in_contact_ = true;
    out_ = old.out_;
    missing_ = old.missing_;
    awaits_have_ = old.awaits_have_;
  } else {
    for (unsigned channel = 0; channel < channels_max; ++channel)
      if (!kept_[channel].empty()) missing_ |= bit(channel);
    awaits_have_ = true;
  }
  untold_ = old.untold_;
  untold_bytes_ = old.untold_bytes_;
  if (untold_ != 0) context_.env.timers().arm(tell_, context_.env.now_ns() + delay_ns_);
  hold_or_release();
  return true;
}

}  // namespace harness::layers
