// SPDX-License-Identifier: Apache-2.0
// put: what belongs to neither end: sorting frames, pauses, events, state.
#include <harness/layers/put.hpp>

#include <algorithm>

namespace harness::layers {

namespace {

constexpr Properties by_transport = property::put_native.without(property::put_emulated);
constexpr std::uint64_t retry_ns = 1'000'000;  // memory comes back when messages go

// Pieces pass frag whole, or as messages that the link takes.
std::uint32_t piece_bytes(const LayerContext& context, std::int64_t wanted) {
  std::uint32_t most = std::min(context.max_below, Put::piece_bytes_max);
  if (wanted != 0) most = std::min(static_cast<std::uint32_t>(wanted), context.max_below);
  return context.max_message != 0 ? std::min(most, context.max_message) : most;
}

}  // namespace

Put::Put(const OptionValues& values, LayerContext& context)
    : context_(context), again_([](void* self) { static_cast<Put*>(self)->resume(); }, this),
      tell_([](void* self) { static_cast<Put*>(self)->tell_late(); }, this), rides_(context.ack_note->rides),
      piece_bytes_(piece_bytes(context, values[option_piece])) {
  if (context.regions == nullptr) return;
  if (context.direct != nullptr && context.given.covers(by_transport)) use(*context.direct);
  context.regions->watch(*this);  // without a direct, too: it changes words for messages
}

Put::~Put() {
  drop_all(Errc::closed);
  unwatch();
}

// ---- what comes up, when it is not plainly a message ----

void Put::sort(Message& message) {
  if (ended_) return;
  const std::byte* raw = message.peek(message_bytes);
  if (raw == nullptr) return refuse(Errc::corrupt, "a frame is shorter than the header of put");
  switch (static_cast<wire::PutForm>(*raw)) {
    case wire::PutForm::message: {
      message.pull(message_bytes);
      if (!paused_) return context_.above(message);
      auto* kept = new_pooled<Kept>(context_.pool, nullptr, std::move(message));
      if (kept == nullptr) return refuse(Errc::exhausted, "put has no memory to keep a message");
      kept_.push_back(*kept);
      return context_.gate.owe_delivery(context_.gate_bit, true);
    }
    case wire::PutForm::op: return take_op(message);
    case wire::PutForm::answer: return take_answer(message);
    case wire::PutForm::refused: return take_refused(message);
    case wire::PutForm::placed: {
      raw = message.pull(placed_bytes);
      if (raw == nullptr) return refuse(Errc::corrupt, "a frame is shorter than what put tells");
      const auto placed = wire::decode<wire::PutPlaced>(raw);
      return take_placed(placed.floor, placed.refused);
    }
  }
  refuse(Errc::corrupt, "a frame has an unknown form of put");
}

// ---- pauses: of messages alone ----

void Put::set_paused(bool paused) {
  paused_ = paused;
  if (!paused) hand_up_kept();
}

void Put::hand_up_kept() {
  while (!ended_ && !paused_ && !kept_.empty()) {
    Kept* kept = &kept_.front();
    kept_.pop_front();
    Message message = std::move(kept->message);
    free_pooled(kept);
    context_.above(message);
  }
  context_.gate.owe_delivery(context_.gate_bit, !kept_.empty());
}

// ---- events ----

void Put::resume() {
  if (ended_) return;
  tell_placed();
  send_answers();
  if (!ended_) release_early();
  go_on();
  if (closing_) context_.env.timers().arm(again_, context_.env.now_ns() + retry_ns);
}

void Put::try_again() noexcept {
  ++waited_for_memory_;
  context_.env.timers().arm(again_, context_.env.now_ns() + retry_ns);
}

bool Put::idle() const noexcept {
  return !pumping_ && operations() == 0 && tickets_.all_ended() && answers_.empty();
}

void Put::close_when_idle() {
  if (ended_ || !closing_ || !idle()) return;
  closing_ = false;
  context_.gate.release(context_.gate_bit);
  context_.events({EventKind::writable});
  if (!ended_) context_.events({EventKind::close});
}

void Put::on(const Event& event, Onward onward) {
  switch (event.kind) {
    case EventKind::writable:
    case EventKind::up: resume(); break;
    case EventKind::noted:
      return take_placed(event.value & ((std::uint64_t{1} << 48) - 1),
                         static_cast<std::uint16_t>(event.value >> 48));
    case EventKind::pause:
      if (event.value != 0) break;
      return set_paused(true);
    case EventKind::resume:
      if (event.value != 0) break;
      return set_paused(false);
    case EventKind::close:
      begins_no_more_ = true;
      if (idle()) break;
      closing_ = true;  // the link counts its last frame when nothing is held
      context_.env.timers().arm(again_, context_.env.now_ns() + retry_ns);  // one may be destroyed
      return context_.gate.hold(context_.gate_bit);
    case EventKind::peer_lost:
    case EventKind::corrupt:
    case EventKind::closed: drop_all(event.kind == EventKind::closed ? Errc::closed : Errc::peer_lost); break;
    default: break;
  }
  onward(event);
}

// Below is reliable: what is wrong now stays wrong, so the link closes, with the cause told once.
void Put::refuse(Errc code, std::string_view detail) {
  if (ended_) return;
  drop_all(Errc::peer_lost);
  context_.events({EventKind::corrupt, code, detail});
}

// The transport is left first: whoever is told that a put has ended may change its source.
void Put::drop_all(Errc code) {
  ended_ = true;
  leave_direct();
  if (std::exchange(closing_, false)) context_.gate.release(context_.gate_bit);
  again_.cancel();
  tell_.cancel();
  asks_in_ = 0;
  early_.clear_and_dispose([](Early* early) { free_pooled(early); });
  answers_.clear_and_dispose([](Answer* answer) { free_pooled(answer); });
  kept_.clear_and_dispose([](Kept* kept) { free_pooled(kept); });
  carried_out_.clear();
  heard_refused_.clear();
  fail_all(code);
}

void Put::describe(Describer& describer) const {
  describer.value("piece_bytes", piece_bytes_);
  describer.value("regions", context_.regions != nullptr ? context_.regions->size() : 0);
  describer.value("operations", operations());
  describer.value("by_transport", by_transport_);
  describer.value("pieces_sent", next_);
  describer.value("pieces_carried_out", floor_);
  describer.value("pieces_received", pieces_in_);
  describer.value("pieces_waiting", early_.size());
  describer.value("bytes_out", bytes_out_);
  describer.value("bytes_in", bytes_in_);
  describer.value("signals_received", signals_in_);
  describer.value("refusals_sent", refused_);
  describer.value("refusals_received", refusals_in_);
  describer.value("placed_sent", placed_sent_);
  describer.value("kept_messages", kept_.size());
  describer.value("waited_for_memory", waited_for_memory_);
}

// Takes over everything under way, at both ends.
bool Put::take_state(Put& old) {
  if (&context_.pool != &old.context_.pool || !idle()) return false;
  old.again_.cancel();
  old.tell_.cancel();
  old.ended_ = true;
  sending_.splice(sending_.end(), old.sending_);
  flying_.splice(flying_.end(), old.flying_);
  take_direct(old);
  asking_.splice(asking_.end(), old.asking_);
  asking_count_ = std::exchange(old.asking_count_, 0);
  next_ = old.next_;
  asked_ = old.asked_;
  fence_at_ = old.fence_at_;
  fences_ = old.fences_;
  fence_passed_ = old.fence_passed_;
  floor_ = old.floor_;
  card_pieces_ = old.card_pieces_;
  told_refused_ = old.told_refused_;
  heard_refused_.take(old.heard_refused_);
  failed_ = old.failed_;
  carried_out_.take(old.carried_out_);
  early_.swap(old.early_);
  answers_.swap(old.answers_);
  asks_in_ = std::exchange(old.asks_in_, 0);
  refused_ = old.refused_;
  wanted_floor_ = old.wanted_floor_;
  told_floor_ = old.told_floor_;
  kept_.swap(old.kept_);
  paused_ = old.paused_;
  begins_no_more_ = old.begins_no_more_;
  closing_ = std::exchange(old.closing_, false);
  if (closing_) context_.gate.hold(context_.gate_bit);
  context_.gate.owe_delivery(context_.gate_bit, !kept_.empty());
  note_floor();
  context_.env.timers().arm(again_, context_.env.now_ns());
  return true;
}

}  // namespace harness::layers
