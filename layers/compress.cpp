// SPDX-License-Identifier: Apache-2.0
// compress at work: packing, unpacking, jobs. The libraries are called in compress/codec.cpp; events and
// state are in compress/state.cpp.
#include <harness/layers/compress.hpp>

#include <algorithm>

#include <harness/layers/compress/codec.hpp>

namespace harness::layers {

namespace {

constexpr std::uint64_t retry_ns = 1'000'000;
constexpr std::uint32_t in_vain_max = 8;
constexpr std::uint32_t skip_max = 63;
constexpr std::uint32_t lz4_ratio_max = 255;
// What stays under 50 µs on the reference machine: see bench/micro.
constexpr std::uint32_t unpack_now_bytes_max[] = {0, 64 << 10, 32 << 10};
std::uint32_t pack_now_bytes(wire::CompressMethod method, int level) {
  if (method == wire::CompressMethod::lz4) return 24 << 10;
  return level <= 3 ? 8 << 10 : 1 << 10;
}

}  // namespace

Compress::Compress(const OptionValues& values, LayerContext& context)
    : context_(context),
      method_(static_cast<Method>(values[method]) == Method::lz4 ? wire::CompressMethod::lz4
                                                                 : wire::CompressMethod::zstd),
      level_(static_cast<int>(values[level])), min_bytes_(static_cast<std::uint32_t>(values[min])),
      pack_now_bytes_max_(pack_now_bytes(method_, level_)),
      expanding_bytes_max_(context.quota != nullptr ? context.quota->limit_bytes() / 2 : message_bytes_max),
      reliable_(context.given.covers(property::reliable)),
      again_([](void* self) { static_cast<Compress*>(self)->resume(); }, this) {}

Compress::~Compress() { drop_all(); }

Codec& Compress::codec() {
  if (codec_ == nullptr) codec_ = std::make_unique<Codec>();
  return *codec_;
}

bool Compress::busy(const WorkList& list, unsigned channel) const noexcept {
  return std::any_of(list.begin(), list.end(),
                     [&](const Work& work) { return work.message.note().channel == channel; });
}

// ---- down ----

void Compress::pack(Message& message) {
  if (refusing_) return;
  const unsigned channel = message.note().channel;
  if (message.is_control()) {
    mark_stored(message);
    return context_.below(message);
  }
  if (!worth_trying(message.size())) {
    ++stored_messages_;
    mark_stored(message);
  } else if (message.size() <= pack_now_bytes_max_) {
    Message output = Message::make(context_.pool, message.size());
    std::uint32_t packed = 0;
    if (output)
      packed =
          codec().compress(method_, level_, message,
                           output.writable().first(message.size() - wire::bytes_of<wire::CompressPacked>));
    settle_packed(message, output, packed);
  } else {
    if (keep(message, Work::State::waiting, false)) start_jobs();
    return;
  }
  if (!busy(sending_, channel) && !context_.held_below(channel)) return context_.below(message);
  keep(message, Work::State::ready, false);
}

// After `in_vain_max` messages in a row that did not shrink, most of the following ones are not even tried.
bool Compress::worth_trying(std::uint32_t bytes) noexcept {
  if (bytes < min_bytes_) return false;
  if (skip_left_ == 0) return true;
  --skip_left_;
  return false;
}

// Makes `message` what goes down: the packed bytes when there are fewer, else itself.
void Compress::settle_packed(Message& message, Message& output, std::uint32_t packed_bytes) {
  const std::uint32_t original = message.size();
  if (packed_bytes == 0) {
    if (++in_vain_ >= in_vain_max) skip_left_ = std::min(in_vain_, skip_max);
    ++stored_messages_;
    return mark_stored(message);
  }
  in_vain_ = 0;
  ++packed_messages_;
  original_bytes_ += original;
  packed_bytes_ += packed_bytes;
  output.note() = message.note();
  output.truncate(packed_bytes);
  message = std::move(output);
  wire::encode(wire::CompressPacked{method_, original}, message.push(wire::bytes_of<wire::CompressPacked>));
}

bool Compress::keep(Message& message, Work::State state, bool up) {
  const unsigned channel = message.note().channel;
  auto* work = new_pooled<Work>(context_.pool, up ? context_.quota : nullptr, std::move(message), state, up);
  if (work == nullptr) {
    damaged("compress has no memory to keep a message", Errc::exhausted);
    return false;
  }
  (up ? receiving_ : sending_).push_back(*work);
  if (up) {
    context_.gate.owe_delivery(context_.gate_bit, true);
  } else {
    context_.gate.hold_channel(context_.pump, channel);
  }
  return true;
}

// The most urgent of those that are ready and have room below; the first of each channel only.
Compress::Work* Compress::next_to_send() noexcept {
  Work* best = nullptr;
  std::uint32_t seen = 0;
  for (Work& work : sending_) {
    const Annotation& note = work.message.note();
    const std::uint32_t bit = 1u << (note.channel % Gate::channels_max);
    if ((std::exchange(seen, seen | bit) & bit) != 0) continue;
    if (work.state != Work::State::ready || context_.held_below(note.channel)) continue;
    if (best == nullptr || note.priority < best->message.note().priority) best = &work;
  }
  return best;
}

void Compress::pump() {
  if (pumping_) return;
  pumping_ = true;
  while (Work* work = next_to_send()) {
    Message message = std::move(work->message);
    sending_.erase(WorkList::s_iterator_to(*work));
    free_pooled(work);
    release_channel_of(message);
    context_.below(message);
  }
  pumping_ = false;
}

void Compress::release_channel_of(const Message& sent) noexcept {
  const unsigned channel = sent.note().channel;
  if (busy(sending_, channel)) return;
  context_.gate.release_channel(context_.pump, channel);
  released_ |= 1u << (channel % Gate::channels_max);
}

void Compress::work() {
  start_jobs();
  pump();
  deliver_ready();
}

void Compress::resume() {
  work();
  if (std::exchange(released_, 0) != 0) context_.events({EventKind::writable});
  close_when_empty();
}

void Compress::close_when_empty() {
  if (sending_.empty() && std::exchange(closing_, false)) context_.events({EventKind::close});
}

// ---- up ----

void Compress::unpack(Message& message) {
  if (refusing_) return;
  wire::CompressPacked header;
  if (!read_header(message, header)) return;
  if (header.method != wire::CompressMethod::stored) return unpack_packed(message, header);
  if (!busy(receiving_, message.note().channel)) return context_.above(message);
  keep(message, Work::State::ready, true);
}

// Takes the header off; false when there is none that can be believed.
bool Compress::read_header(Message& message, wire::CompressPacked& header) {
  const std::byte* raw = message.peek(wire::bytes_of<wire::CompressStored>);
  if (raw == nullptr) return damaged("a frame is shorter than the header of compress"), false;
  header.method = wire::decode<wire::CompressStored>(raw).method;
  if (header.method == wire::CompressMethod::stored)
    return message.pull(wire::bytes_of<wire::CompressStored>) != nullptr;
  if (header.method > wire::CompressMethod::zstd)
    return damaged("a frame has an unknown method of compress"), false;
  raw = message.pull(wire::bytes_of<wire::CompressPacked>);
  if (raw == nullptr) return damaged("a frame is shorter than the header of compress"), false;
  header = wire::decode<wire::CompressPacked>(raw);
  const std::uint32_t most = context_.max_message + Message::headroom_bytes;
  const bool reachable =
      header.method != wire::CompressMethod::lz4 || header.original_bytes / lz4_ratio_max <= message.size();
  if (message.size() == 0 || message.size() >= header.original_bytes || header.original_bytes > most ||
      !reachable)
    return damaged("a packed message claims a length that cannot be"), false;
  return true;
}

void Compress::unpack_packed(Message& message, const wire::CompressPacked& header) {
  const bool now = header.original_bytes <= unpack_now_bytes_max[static_cast<std::size_t>(header.method)];
  if (!now) {
    if (!keep(message, Work::State::waiting, true)) return;
    receiving_.back().method = header.method;
    receiving_.back().original_bytes = header.original_bytes;
    return start_jobs();
  }
  Message output = Message::make(context_.pool, header.original_bytes, context_.quota);
  if (!output) return damaged("compress has no memory to unpack a message", Errc::exhausted);
  const std::uint32_t made = codec().decompress(header.method, message, output.writable());
  if (made != header.original_bytes) return damaged("a packed message does not unpack to its length");
  output.note() = message.note();
  message = std::move(output);
  ++unpacked_messages_;
  if (!busy(receiving_, message.note().channel)) return context_.above(message);
  keep(message, Work::State::ready, true);
}

// Hands up, of each channel, what is ready and has nothing before it.
void Compress::deliver_ready() {
  std::uint32_t blocked = 0;
  for (auto at = receiving_.begin(); at != receiving_.end();) {
    Work* work = &*at++;
    const std::uint32_t bit = 1u << (work->message.note().channel % Gate::channels_max);
    if (work->state != Work::State::ready) blocked |= bit;
    if ((blocked & bit) != 0) continue;
    Message message = std::move(work->message);
    receiving_.erase(WorkList::s_iterator_to(*work));
    free_pooled(work);
    if (receiving_.empty()) context_.gate.owe_delivery(context_.gate_bit, false);
    context_.above(message);
    if (refusing_) return;  // the list is gone
  }
}

// Over a lossy layer a message more is lost; over a reliable one the link closes.
void Compress::damaged(std::string_view detail, Errc code) {
  ++damaged_messages_;
  if (!reliable_ || std::exchange(refusing_, true)) return;
  context_.events({EventKind::corrupt, code, detail});
}

// ---- jobs ----

void Compress::start_jobs() {
  for (WorkList* list : {&receiving_, &sending_})
    for (Work& work : *list) {
      if (jobs_ == jobs_max) return;
      if (work.state != Work::State::waiting || !may_start(work) || start(work)) continue;
      if (!work.up) {  // no memory or no worker: it goes as it is
        settle_packed(work.message, work.output, 0);
        work.state = Work::State::ready;
      }
      context_.env.timers().arm(again_, context_.env.now_ns() + retry_ns);
      if (work.up) break;
    }
}

bool Compress::may_start(const Work& work) const noexcept {
  return !work.up || expanding_bytes_ == 0 || expanding_bytes_ + work.original_bytes <= expanding_bytes_max_;
}

// The job reads and writes bytes that nobody else touches meanwhile; whose they are is settled on the stack
// thread.
bool Compress::start(Work& work) {
  const std::uint32_t input = work.message.size();
  work.output =
      Message::make(context_.pool, work.up ? work.original_bytes : input, work.up ? context_.quota : nullptr);
  if (!work.output) return false;
  MutableBytes to = work.output.writable();
  if (!work.up) {
    work.method = method_;
    to = to.first(input - wire::bytes_of<wire::CompressPacked>);
  }
  work.ticket = std::make_shared<Ticket>(this, &work);
  auto job = [&work, to, level = level_] {
    Codec codec;
    work.result_bytes = work.up ? codec.decompress(work.method, work.message, to)
                                : codec.compress(work.method, level, work.message, to);
  };
  auto done = [ticket = work.ticket] {
    if (ticket->owner != nullptr) ticket->owner->ended(*ticket->work);
  };
  if (!context_.env.offload(job, done)) {
    work.ticket.reset();
    work.output.reset();
    return false;
  }
  work.state = Work::State::running;
  ++jobs_;
  ++offloaded_;
  if (work.up) expanding_bytes_ += work.original_bytes;
  return true;
}

void Compress::ended(Work& work) {
  --jobs_;
  work.ticket.reset();
  work.state = Work::State::ready;
  if (!work.up) {
    settle_packed(work.message, work.output, work.result_bytes);
    work.output.reset();
    return resume();
  }
  expanding_bytes_ -= work.original_bytes;
  if (work.result_bytes == work.original_bytes) {
    work.output.note() = work.message.note();
    work.message = std::move(work.output);
    ++unpacked_messages_;
  } else {
    receiving_.erase(WorkList::s_iterator_to(work));
    free_pooled(&work);
    if (receiving_.empty()) context_.gate.owe_delivery(context_.gate_bit, false);
    damaged("a packed message does not unpack to its length");
  }
  if (!refusing_) resume();
}

}  // namespace harness::layers
