// SPDX-License-Identifier: Apache-2.0
// The slow paths of frag: the pump on the way down, reassembly on the way up, events.
#include <harness/layers/frag.hpp>

#include <algorithm>

namespace harness::layers {

namespace {

constexpr std::uint64_t retry_ns = 1'000'000;  // memory comes back when messages go; look once a millisecond

constexpr std::uint64_t key_of(std::uint32_t id, std::uint32_t offset) {
  return std::uint64_t{id} << 32 | offset;
}

std::uint32_t piece_bytes(std::uint32_t below, std::int64_t wanted) {
  const std::uint32_t fits = below > 2 * Frag::slack_bytes ? below - Frag::slack_bytes : below;
  return wanted == 0 ? fits : std::clamp<std::uint32_t>(static_cast<std::uint32_t>(wanted), 1, fits);
}

}  // namespace

Frag::Frag(const OptionValues& values, LayerContext& context)
    : context_(context), piece_bytes_(piece_bytes(context.max_below, values[0])),
      reassembly_bytes_max_(context.quota != nullptr ? context.quota->limit_bytes() : message_bytes_max),
      again_([](void* self) { static_cast<Frag*>(self)->resume(); }, this) {}

Frag::~Frag() { drop_all(); }

// ---- down: what cannot go now, or not in one frame ----

void Frag::keep(Message& message) {
  if (refusing_) return;  // the link is closing: whoever hears of it knows that nothing more leaves
  const unsigned channel = message.note().channel % Gate::channels_max;
  const bool fits = message.size() <= piece_bytes_;
  if (fits && (message.is_control() || (sending_.empty() && !context_.held_below(channel)))) {
    mark_whole(message, next_id_++);
    return context_.below(message);
  }
  const bool was_held = context_.gate.held_channel(context_.pump, channel);
  auto* sending = new_pooled<Sending>(context_.pool, nullptr, std::move(message));
  if (sending == nullptr) return refuse(Errc::exhausted, "frag has no memory to keep a message");
  enqueue(*sending);
  context_.gate.hold_channel(context_.pump, channel);
  pump();
  // Holding and letting go within one call is no news; of other channels those above hear in the next turn.
  if (!was_held) released_ &= ~(1u << channel);
  if (released_ != 0) context_.env.timers().arm(again_, context_.env.now_ns());
}

// Most urgent first; behind what the same channel still has (a pump above holds back, so most often nothing).
void Frag::enqueue(Sending& sending) noexcept {
  sending.id = next_id_++ & 0x0fffffff;
  const Annotation& note = sending.message.note();
  auto at = sending_.end();
  while (at != sending_.begin()) {
    const Annotation& before = std::prev(at)->message.note();
    if (before.channel == note.channel || before.priority <= note.priority) break;
    --at;
  }
  sending_.insert(at, sending);
}

void Frag::pump() {
  if (pumping_) return;
  pumping_ = true;
  while (!context_.held_below()) {
    Sending* sending = next_to_send();
    if (sending == nullptr) break;
    if (!send_some(*sending)) {
      ++waited_for_memory_;
      context_.env.timers().arm(again_, context_.env.now_ns() + retry_ns);
      break;
    }
  }
  pumping_ = false;
}

// Pumps when there is room again, then tells those above which wait and lets a waiting close through.
void Frag::resume() {
  pump();
  if (std::exchange(released_, 0) != 0) context_.events({EventKind::writable});
  close_when_empty();
}

void Frag::close_when_empty() {
  if (sending_.empty() && std::exchange(closing_, false)) context_.events({EventKind::close});
}

// The first that may go: small, begun, or a large one that the peer has room for beside the begun ones.
Frag::Sending* Frag::next_to_send() noexcept {
  std::uint32_t passed_channels = 0;
  for (Sending& sending : sending_) {
    const unsigned channel = sending.message.note().channel % Gate::channels_max;
    const std::uint32_t bit = 1u << channel;
    const bool fits_peer = sending.begun || sending.total <= piece_bytes_ || begun_bytes_ == 0 ||
                           begun_bytes_ + sending.total <= context_.peer_quota_bytes / 2;
    if (fits_peer && (passed_channels & bit) == 0 && !context_.held_below(channel)) return &sending;
    passed_channels |= bit;
  }
  return nullptr;
}

// One frame of one message; false, and nothing changed, when the pool is at its limit. Handing down is the
// last act: the layer below may find the peer gone, and then nothing of the message is left here.
bool Frag::send_some(Sending& sending) {
  if (sending.total > piece_bytes_) return send_part(sending);
  if (!sending.message.make_head_room(wire::bytes_of<wire::FragWhole>)) return false;
  Message whole = std::move(sending.message);
  mark_whole(whole, sending.id);
  finish(sending, whole.note().channel);
  context_.below(whole);
  return true;
}

bool Frag::send_part(Sending& sending) {
  Message& message = sending.message;
  if (message.header_size() != 0) {  // the headers of the layers above are cut like the body
    const Annotation note = message.note();
    if (!message.as_received(context_.pool)) return false;
    message.note() = note;
  }
  const std::uint32_t bytes = std::min(piece_bytes_, sending.total - sending.offset);
  Message part;
  if (bytes <= copied_bytes_max) part = message.copied_slice(context_.pool, sending.offset, bytes);
  if (!part) part = message.slice(context_.pool, sending.offset, bytes);
  if (!part) return false;
  if (!std::exchange(sending.begun, true)) {
    begun_bytes_ += sending.total;
    ++split_messages_;
  }
  const wire::FragPart header{.id = sending.id, .offset = sending.offset, .total = sending.total};
  wire::encode(header, part.push(wire::bytes_of<wire::FragPart>));
  sending.offset += bytes;
  ++sent_parts_;
  if (sending.offset == sending.total) {
    finish(sending, part.note().channel);
  } else {
    let_others_go(sending);
  }
  context_.below(part);
  return true;
}

// Equal ones in turn: behind the last of the same urgency, never past one of the same channel.
void Frag::let_others_go(Sending& sending) noexcept {
  const Annotation& note = sending.message.note();
  const auto at = SendingList::s_iterator_to(sending);
  auto end = std::next(at);
  while (end != sending_.end() && end->message.note().priority == note.priority &&
         end->message.note().channel != note.channel)
    ++end;
  sending_.splice(end, sending_, at);
}

void Frag::finish(Sending& sending, unsigned channel) noexcept {
  if (sending.begun) begun_bytes_ -= sending.total;
  sending_.erase(SendingList::s_iterator_to(sending));
  free_pooled(&sending);
  for (const Sending& other : sending_)
    if (other.message.note().channel == channel) return;
  context_.gate.release_channel(context_.pump, channel);
  released_ |= 1u << (channel % Gate::channels_max);
}

// ---- up: parts ----

// Takes whatever is not plainly a whole message in one run of bytes.
void Frag::assemble(Message& message) {
  if (refusing_) {
    ++refused_frames_;
    return;
  }
  const std::byte* raw = message.peek(wire::bytes_of<wire::FragWhole>);
  if (raw == nullptr) return refuse(Errc::corrupt, "a frame is shorter than the header of frag");
  if (wire::decode<wire::FragWhole>(raw).form == wire::FragForm::whole) {
    message.pull(wire::bytes_of<wire::FragWhole>);
    context_.above(message);
  } else if (take_part(message)) {
    context_.above(message);
  }
}

// True when the part completed a message: `message` is then that message.
bool Frag::take_part(Message& message) {
  const std::byte* raw = message.pull(wire::bytes_of<wire::FragPart>);
  if (raw == nullptr) return refuse(Errc::corrupt, "a frame is shorter than the header of frag"), false;
  const auto part = wire::decode<wire::FragPart>(raw);
  if (part.form != wire::FragForm::part)
    return refuse(Errc::corrupt, "a frame has an unknown form of frag"), false;
  const std::uint32_t bytes = message.body_size();
  if (part.total > context_.max_message + Message::headroom_bytes)
    return refuse(Errc::corrupt, "a part names a total above the largest message"), false;
  if (bytes == 0 || part.offset > part.total || bytes > part.total - part.offset)
    return refuse(Errc::corrupt, "a part lies outside its message"), false;
  if (arrived_bytes_ + bytes > reassembly_bytes_max_)
    return refuse(Errc::exhausted, "unfinished messages are larger than the quota"), false;
  ++received_parts_;

  auto at = reassemblies_.find(part.id);
  if (at == reassemblies_.end()) {
    Reassembly* fresh = nullptr;
    if (reassemblies_.size() < reassemblies_max)
      fresh = new_pooled<Reassembly>(context_.pool, context_.quota, part.id, part.total);
    if (fresh == nullptr) return refuse(Errc::exhausted, "too many messages are under way"), false;
    at = reassemblies_.insert(*fresh).first;
  }
  if (at->total != part.total) return refuse(Errc::corrupt, "two parts name different totals"), false;
  if (!place_part(*at, part, message)) return false;
  at->arrived += bytes;
  arrived_bytes_ += bytes;
  if (at->arrived < at->total) return false;
  complete(*at, message);
  return true;
}

// Puts the bytes between their neighbours; false when they overlap one or memory is short (the link then
// closes).
bool Frag::place_part(Reassembly& whole, const wire::FragPart& part, Message& message) {
  const std::uint64_t key = key_of(whole.id, part.offset);
  const std::uint64_t end = key + message.body_size();
  auto after = runs_.lower_bound(key);
  auto before = after == runs_.begin() ? runs_.end() : std::prev(after);
  const bool follows = before != runs_.end() && before->key >> 32 == whole.id;
  const bool followed = after != runs_.end() && after->key >> 32 == whole.id;
  if ((follows && before->end() > key) || (followed && after->key < end))
    return refuse(Errc::corrupt, "two parts of a message overlap"), false;

  Run* run = nullptr;
  if (follows && before->end() == key) {
    run = &*before;
    if (!join(*run, std::move(message))) return false;
  } else {
    if (runs_.size() < runs_max)
      run = new_pooled<Run>(context_.pool, context_.quota, key, std::move(message));
    if (run == nullptr) return refuse(Errc::exhausted, "too many separate parts are under way"), false;
    runs_.insert(after, *run);
  }
  if (!followed || after->key != end) return true;
  Run* next = &*after;
  runs_.erase(after);
  const bool joined = join(*run, std::move(next->bytes));
  free_pooled(next);
  return joined;
}

bool Frag::join(Run& run, Message&& bytes) noexcept {
  if (run.bytes.append(context_.pool, std::move(bytes))) return true;
  refuse(Errc::exhausted, "no memory to chain the parts of a message");
  return false;
}

void Frag::complete(Reassembly& whole, Message& message) noexcept {
  auto run = runs_.find(key_of(whole.id, 0));
  message = std::move(run->bytes);
  arrived_bytes_ -= whole.total;
  runs_.erase_and_dispose(run, [](Run* done) { free_pooled(done); });
  reassemblies_.erase(Reassemblies::s_iterator_to(whole));
  free_pooled(&whole);
  ++joined_messages_;
}

// Below is reliable: what is wrong now stays wrong, so the link closes, with the cause told once.
void Frag::refuse(Errc code, std::string_view detail) {
  ++refused_frames_;
  if (std::exchange(refusing_, true)) return;
  context_.events({EventKind::corrupt, code, detail});
}

// ---- events, state ----

void Frag::on(const Event& event, Onward onward) {
  switch (event.kind) {
    case EventKind::writable:
      pump();
      released_ = 0;
      onward(event);
      return close_when_empty();
    case EventKind::up: resume(); break;
    case EventKind::close:
      closing_ = !sending_.empty();
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

void Frag::drop_all() noexcept {
  again_.cancel();
  closing_ = false;
  released_ = 0;
  sending_.clear_and_dispose([this](Sending* sending) {
    context_.gate.release_channel(context_.pump, sending->message.note().channel);
    free_pooled(sending);
  });
  runs_.clear_and_dispose([](Run* run) { free_pooled(run); });
  reassemblies_.clear_and_dispose([](Reassembly* whole) { free_pooled(whole); });
  begun_bytes_ = arrived_bytes_ = 0;
}

void Frag::describe(Describer& describer) const {
  describer.value("piece_bytes", piece_bytes_);
  describer.value("sent_messages", next_id_);
  describer.value("split_messages", split_messages_);
  describer.value("sent_parts", sent_parts_);
  describer.value("unfinished_messages", sending_.size());
  describer.value("waited_for_memory", waited_for_memory_);
  describer.value("received_parts", received_parts_);
  describer.value("joined_messages", joined_messages_);
  describer.value("reassemblies", reassemblies_.size());
  describer.value("reassembly_bytes", arrived_bytes_);
  describer.value("refused_frames", refused_frames_);
}

// Takes over what is unfinished in both directions; the rest of it then travels with this layer's frame size.
bool Frag::take_state(Frag& old) {
  if (&context_.pool != &old.context_.pool || !sending_.empty() || !reassemblies_.empty()) return false;
  old.again_.cancel();
  next_id_ = old.next_id_;
  begun_bytes_ = std::exchange(old.begun_bytes_, 0);
  arrived_bytes_ = std::exchange(old.arrived_bytes_, 0);
  for (Sending& sending : old.sending_) {
    const unsigned channel = sending.message.note().channel;
    old.context_.gate.release_channel(old.context_.pump, channel);
    context_.gate.hold_channel(context_.pump, channel);
  }
  sending_.swap(old.sending_);
  runs_.swap(old.runs_);
  reassemblies_.swap(old.reassemblies_);
  split_messages_ += old.split_messages_;
  sent_parts_ += old.sent_parts_;
  received_parts_ += old.received_parts_;
  joined_messages_ += old.joined_messages_;
  released_ |= std::exchange(old.released_, 0);
  context_.env.timers().arm(again_, context_.env.now_ns());  // what waits goes on, who waits is told
  return true;
}

}  // namespace harness::layers
