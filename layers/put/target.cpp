// SPDX-License-Identifier: Apache-2.0
// put, the target: pieces are judged and carried out, and what comes of them is told.
#include <algorithm>
#include <atomic>

#include <harness/layers/put.hpp>

namespace harness::layers {

namespace {

constexpr std::uint64_t word_bytes = sizeof(std::uint64_t);
constexpr unsigned asks_max = 2 * Put::reads_max;   // the caller may have destroyed some
constexpr std::uint64_t tell_after_ns = 1'000'000;  // longer than an acknowledgement waits

wire::PutCode code_of(Errc code) noexcept {
  switch (code) {
    case Errc::ok: return wire::PutCode::ok;
    case Errc::not_found: return wire::PutCode::no_region;
    case Errc::denied: return wire::PutCode::denied;
    default: return wire::PutCode::out_of_range;
  }
}

template <class H>
bool take(Message& message, H& header) {
  const std::byte* raw = message.pull(wire::bytes_of<H>);
  if (raw != nullptr) header = wire::decode<H>(raw);
  return raw != nullptr;
}

std::atomic_ref<std::uint64_t> word_at(std::byte* at) noexcept {
  return std::atomic_ref<std::uint64_t>(*reinterpret_cast<std::uint64_t*>(at));
}

std::uint64_t change_word(std::byte* at, AtomicOp op, const wire::PutValue& value) noexcept {
  const auto word = word_at(at);
  if (op == AtomicOp::add) return word.fetch_add(value.operand);
  if (op == AtomicOp::swap) return word.exchange(value.operand);
  std::uint64_t before = value.compare;
  word.compare_exchange_strong(before, value.operand);
  return before;
}

}  // namespace

// ---- carrying out ----

// Carries a piece out, or keeps it until those it waits for have been.
void Put::take_op(Message& message) {
  wire::PutOp op;
  if (!take(message, op)) return refuse(Errc::corrupt, "a frame is shorter than an operation of put");
  if (cannot_be(op)) return refuse(Errc::corrupt, "the peer numbers a piece as none can be");
  ++pieces_in_;
  if (op.after <= carried_out_.floor()) {
    carry_out(op, message);
  } else {
    if (early_.size() == 2 * pieces_max)
      return refuse(Errc::corrupt, "more pieces wait than the peer may send");
    auto* early = new_pooled<Early>(context_.pool, nullptr, op, std::move(message));
    if (early == nullptr) return refuse(Errc::exhausted, "put has no memory to keep a piece");
    early_.insert(*early);
  }
  release_early();
}

bool Put::cannot_be(const wire::PutOp& op) const noexcept {
  return op.after > op.number || carried_out_.contains(op.number) ||
         op.number - carried_out_.floor() >= 2 * pieces_max;
}

void Put::release_early() {
  while (!ended_ && !early_.empty() && early_.begin()->op.after <= carried_out_.floor()) {
    Early* early = &*early_.begin();
    early_.erase(early_.begin());
    const wire::PutOp op = early->op;
    Message message = std::move(early->message);
    free_pooled(early);
    carry_out(op, message);
  }
}

void Put::carry_out(const wire::PutOp& op, Message& message) {
  switch (op.what) {
    case wire::PutWhat::write: return write(op, message);
    case wire::PutWhat::read: return read(op, message);
    case wire::PutWhat::atomic: return change(op, message);
    case wire::PutWhat::nop: return done(op);
  }
  refuse(Errc::corrupt, "the peer wants what put does not know");
}

// A piece is done with: whatever it says or asks may be told now.
void Put::done(const wire::PutOp& op) {
  switch (carried_out_.insert(op.number, context_.pool, context_.quota)) {
    case Numbers::Answer::fresh: break;
    case Numbers::Answer::no_memory: return refuse(Errc::exhausted, "put has no memory to note a piece");
    default: return refuse(Errc::corrupt, "the peer sends a piece twice");
  }
  note_floor();
  if (op.ask) wanted_floor_ = std::max(wanted_floor_, op.number + 1);
  tell_placed();
}

// ---- writes ----

// The handler comes last: what it sends takes the acknowledgement along, which is to tell of this piece.
void Put::write(const wire::PutOp& op, Message& message) {
  std::uint64_t key = 0;
  const wire::PutCode code = store(op, message, key);
  if (ended_) return;
  if (code != wire::PutCode::ok) return refuse_write(op, code);
  done(op);
  if (op.kind == wire::put_immediate && !ended_) context_.regions->tell(key, op.immediate);
}

// Nothing is stored unless all of the piece, and the word it signals, may be. The bytes may stand there
// already.
wire::PutCode Put::store(const wire::PutOp& op, Message& message, std::uint64_t& key) {
  const std::byte* raw = op.kind <= wire::put_add ? message.pull(wire::write_bytes_of(op)) : nullptr;
  if (raw == nullptr) {
    refuse(Errc::corrupt, "a frame is shorter than a write of put, or of no known kind");
    return wire::PutCode::out_of_range;
  }
  const wire::PutWrite write = wire::decode_write(op, raw);
  std::byte* at = nullptr;
  std::byte* word = nullptr;
  const std::uint32_t bytes = message.body_size();
  if (const auto code = judge(write, bytes, at, word); code != wire::PutCode::ok) return code;

  if (!message.stands_at(at)) message.copy_to(at);
  bytes_in_ += bytes;
  if (op.kind != 0) ++signals_in_;
  if (op.kind == wire::put_set) word_at(word).store(write.value.operand, std::memory_order_release);
  if (op.kind == wire::put_add) word_at(word).fetch_add(write.value.operand, std::memory_order_acq_rel);
  key = write.place.key;
  return wire::PutCode::ok;
}

// Finds where a write belongs, and the word that it signals.
wire::PutCode Put::judge(const wire::PutWrite& write, std::uint64_t bytes, std::byte*& at,
                         std::byte*& word) const noexcept {
  if (context_.regions == nullptr) return wire::PutCode::no_region;
  const Regions& regions = *context_.regions;
  Errc code = regions.find(write.place.key, write.place.offset, bytes, Access::write, at);
  if (code == Errc::ok && write.signals_word)
    code = regions.find(write.word.key, write.word.offset, word_bytes, Access::atomic, word);
  if (code != Errc::ok) return code_of(code);
  if (word != nullptr && regions.domain_of(write.word.key) == AtomicDomain::nic) return wire::PutCode::denied;
  const bool aligned = reinterpret_cast<std::uintptr_t>(word) % word_bytes == 0;
  return aligned ? wire::PutCode::ok : wire::PutCode::not_aligned;
}

std::uint32_t Put::place(Bytes front, std::uint32_t bytes, Placement& to) noexcept {
  if (ended_ || front.size() < op_bytes ||
      front[0] != std::byte{static_cast<std::uint8_t>(wire::PutForm::op)})
    return 0;
  const auto op = wire::decode<wire::PutOp>(front.data());
  if (op.what != wire::PutWhat::write || op.kind > wire::put_add || cannot_be(op) ||
      op.after > carried_out_.floor())
    return 0;
  const std::uint32_t header_bytes = op_bytes + wire::write_bytes_of(op);
  if (front.size() < header_bytes || bytes <= header_bytes) return 0;
  const wire::PutWrite write = wire::decode_write(op, front.data() + op_bytes);
  std::byte* at = nullptr;
  std::byte* word = nullptr;
  if (judge(write, bytes - header_bytes, at, word) != wire::PutCode::ok) return 0;
  context_.regions->place(write.place.key, at, to);
  return header_bytes;
}

// Counted before it is told: an origin that sees the count waits for the words. It is done with when they
// leave, so that the origin's window bounds how many wait here; neighbours go in one answer.
void Put::refuse_write(const wire::PutOp& op, wire::PutCode code) {
  ++refused_;
  Answer* const last = answers_.empty() ? nullptr : &answers_.back();
  const bool joins = last != nullptr && last->refused != 0 && last->refused != 0xffff &&
                     last->head.code == code && last->head.number + last->refused == op.number;
  if (joins) {
    ++last->refused;
    last->ask |= op.ask;
  } else {
    Answer* answer = new_answer(op);
    if (answer == nullptr) return;
    answer->head.code = code;
    answer->refused = 1;
    answer->index = refused_ - 1;
  }
  send_answers();
}

// ---- reads and atomics ----

void Put::read(const wire::PutOp& op, Message& message) {
  wire::PutPlace place;
  wire::PutValue value;
  if (!take(message, place) || !take(message, value) || value.operand == 0 ||
      value.operand > ~std::uint32_t{0})
    return refuse(Errc::corrupt, "a frame is shorter than a read of put, or reads nothing");
  Answer* answer = new_asked(op);
  if (answer == nullptr) return;
  answer->place = place;
  answer->bytes = value.operand;
  send_answers();
}

void Put::change(const wire::PutOp& op, Message& message) {
  wire::PutPlace place;
  wire::PutValue value;
  if (!take(message, place) || !take(message, value) ||
      op.kind > static_cast<std::uint8_t>(AtomicOp::compare_swap))
    return refuse(Errc::corrupt, "a frame is shorter than an atomic of put, or of no known kind");
  Answer* answer = new_asked(op);
  if (answer == nullptr) return;
  std::byte* at = nullptr;
  Errc code = Errc::not_found;
  if (context_.regions != nullptr)
    code = context_.regions->find(place.key, place.offset, word_bytes, Access::atomic, at);
  answer->head.code = code_of(code);
  if (code == Errc::ok && reinterpret_cast<std::uintptr_t>(at) % word_bytes != 0)
    answer->head.code = wire::PutCode::not_aligned;
  if (answer->head.code == wire::PutCode::ok) {
    context_.regions->take(place.key, *this);
    answer->word = change_word(at, static_cast<AtomicOp>(op.kind), value);
  }
  done(op);
  send_answers();
}

// ---- what goes back ----

Put::Answer* Put::new_answer(const wire::PutOp& op) noexcept {
  auto* answer = new_pooled<Answer>(context_.pool, nullptr);
  if (answer == nullptr) {
    refuse(Errc::exhausted, "put has no memory for an answer");
    return nullptr;
  }
  answer->head.number = op.number;
  answer->ask = op.ask;
  answers_.push_back(*answer);
  return answer;
}

// A read or an atomic: the peer has at most so many under way.
Put::Answer* Put::new_asked(const wire::PutOp& op) noexcept {
  if (asks_in_ == asks_max) {
    refuse(Errc::corrupt, "the peer asks for more at once than it may");
    return nullptr;
  }
  Answer* answer = new_answer(op);
  if (answer != nullptr) ++asks_in_;
  return answer;
}

void Put::send_answers() {
  if (answering_) return;
  answering_ = true;
  while (!ended_ && !answers_.empty() && !context_.held_below(0)) {
    Answer& answer = answers_.front();
    if (answer.refused != 0 ? send_refused(answer) : send_answer(answer)) continue;
    try_again();
    break;
  }
  answering_ = false;
}

bool Put::send_refused(Answer& answer) {
  Message message = Message::make(context_.pool, 0);
  if (!message) return false;
  const Answer told = answer;
  answers_.pop_front();
  free_pooled(&answer);
  const wire::PutRefused refused{
      .code = told.head.code, .count = told.refused, .number = told.head.number, .index = told.index};
  wire::encode(refused, message.push(refused_bytes));
  for (std::uint64_t i = 0; i < told.refused && !ended_; ++i)
    done({.ask = told.ask && i + 1 == told.refused, .number = told.head.number + i});
  if (!ended_) context_.below(message);
  if (!ended_) release_early();
  return true;
}

// One frame; false, and nothing changed, when the pool gives nothing. A read is looked up for each: it may
// have been revoked.
bool Put::send_answer(Answer& answer) {
  wire::PutAnswer& head = answer.head;
  const bool reads = answer.bytes != 0;
  std::byte* at = reinterpret_cast<std::byte*>(&answer.word);
  std::uint32_t bytes = head.code == wire::PutCode::ok ? static_cast<std::uint32_t>(word_bytes) : 0;
  if (reads) {
    const std::uint64_t left = answer.bytes - head.offset;
    bytes = static_cast<std::uint32_t>(std::min<std::uint64_t>(piece_bytes_, left));
    Errc code = Errc::not_found;
    if (context_.regions != nullptr)
      code =
          context_.regions->find(answer.place.key, answer.place.offset + head.offset, left, Access::read, at);
    head.code = code_of(code);
    head.last = bytes == left || code != Errc::ok;
    if (code != Errc::ok) bytes = 0;
  }
  Message message = Message::make(context_.pool, bytes);
  if (!message) return false;
  if (bytes != 0) std::memcpy(message.writable().data(), at, bytes);
  wire::encode(head, message.push(answer_bytes));
  head.offset += bytes;
  bytes_out_ += bytes;
  const wire::PutOp read{.ask = answer.ask, .number = head.number};
  const bool last = head.last;
  if (last) {
    --asks_in_;
    answers_.erase(Answers::s_iterator_to(answer));
    free_pooled(&answer);
  }
  if (last && reads) done(read);
  if (!ended_) context_.below(message);
  if (last && reads && !ended_) release_early();
  return true;
}

// What the origin reads from the next acknowledgement. When that has left already, nothing else would tell
// it.
void Put::note_floor() noexcept {
  context_.ack_note->bits = carried_out_.floor() | refused_ << 48;
  if (rides_ && !tell_.armed()) context_.env.timers().arm(tell_, context_.env.now_ns() + tell_after_ns);
}

void Put::tell_late() {
  if (!ended_ && context_.ack_note->told != context_.ack_note->bits) send_placed();
  const bool untold = context_.ack_note->told != context_.ack_note->bits;  // held, or no memory
  if (!ended_ && untold) context_.env.timers().arm(tell_, context_.env.now_ns() + tell_after_ns);
}

void Put::tell_placed() {
  if (rides_ || ended_) return;
  if (wanted_floor_ <= told_floor_ || carried_out_.floor() < wanted_floor_) return;
  send_placed();
}

void Put::send_placed() {
  if (context_.gate.held_deep(context_.gate_bit)) return;  // `writable` follows
  Message message = Message::make(context_.pool, 0);
  if (!message) return try_again();
  told_floor_ = carried_out_.floor();
  context_.ack_note->told = context_.ack_note->bits;
  ++placed_sent_;
  wire::encode(wire::PutPlaced{.floor = told_floor_, .refused = static_cast<std::uint16_t>(refused_)},
               message.push(placed_bytes));
  message.note().flags = flag_control;
  context_.below(message);
}

}  // namespace harness::layers
