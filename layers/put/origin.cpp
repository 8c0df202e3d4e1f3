// SPDX-License-Identifier: Apache-2.0
// put, the origin: operations become pieces, and end when the target's floor or an answer says so.
#include <algorithm>

#include <harness/layers/put.hpp>

namespace harness::layers {

namespace {

Errc code_of(wire::PutCode code) noexcept {
  switch (code) {
    case wire::PutCode::ok: return Errc::ok;
    case wire::PutCode::no_region: return Errc::not_found;
    case wire::PutCode::denied: return Errc::denied;
    case wire::PutCode::out_of_range:
    case wire::PutCode::not_aligned: break;
  }
  return Errc::invalid;
}

template <class H>
void push(Message& message, const H& header) {
  wire::encode(header, message.push(wire::bytes_of<H>));
}

// The first write with a piece among these numbers.
template <class List>
Operation* find_write(List& operations, std::uint64_t first, std::uint64_t end) noexcept {
  for (Operation& operation : operations) {
    const Operation::Work& work = operation.work;
    if (work.kind == Operation::Kind::write && work.first < end && work.end > first) return &operation;
  }
  return nullptr;
}

}  // namespace

// ---- what the application begins ----

// What can be told here already; the target judges again.
inline Errc Put::may(const RegionHandle& region, std::uint64_t offset, std::uint64_t bytes,
                     Access access) const noexcept {
  if (ended_ || begins_no_more_) return Errc::closed;
  if (!region.covers(offset, bytes)) return Errc::invalid;
  return allows(region.access, access) ? Errc::ok : Errc::denied;
}

// Nothing waits and no fence is open, and the transport does at once what it does: nothing is queued. What
// ends may begin the next one, which then waits until this call is over: a chain of puts needs no deep stack.
inline bool Put::put_at_once(Operation& operation, const RegionHandle& to, std::uint64_t offset, Bytes source,
                             const Signal& signal) {
  if (!at_once_ || pumping_ || !sending_.empty() || signal.kind == Signal::Kind::immediate) return false;
  const bool fenced = fences_ != fence_passed_;
  if (floor_ < messages_before(fenced) || (fenced && !tickets_.all_ended())) return false;
  if (direct_->put(tickets_.next(), to, offset, source, signal) != Direct::Outcome::done) return false;
  fence_passed_ = fences_;
  ++by_transport_;
  bytes_out_ += source.size();
  if (!operation.tells()) {
    operation.end(Errc::ok);
    return true;
  }
  pumping_ = true;
  operation.end(Errc::ok);
  pumping_ = false;
  if (!sending_.empty() || closing_) go_on();
  return true;
}

Errc Put::put(Operation& operation, const RegionHandle& to, std::uint64_t offset, Bytes source,
              const PutOptions& how) {
  const Signal& signal = how.signal;
  if (operation.busy()) return Errc::invalid;
  if (const Errc code = may(to, offset, source.size(), Access::write); code != Errc::ok) return code;
  if (signal.kind == Signal::Kind::word) {
    if (!signal.region.covers(signal.offset, 8) || signal.offset % 8 != 0) return Errc::invalid;
    if (!allows(signal.region.access, Access::atomic) || signal.region.atomics == AtomicDomain::nic)
      return Errc::denied;
  }
  if (how.after_previous) fence();
  if (put_at_once(operation, to, offset, source, signal)) return Errc::ok;
  operation.work = {.kind = Operation::Kind::write,
                    .done = how.done,
                    .region = to,
                    .offset = offset,
                    .source = source,
                    .signal = signal};
  return queue(operation);
}

Errc Put::get(Operation& operation, const RegionHandle& from, std::uint64_t offset, MutableBytes into) {
  if (operation.busy() || into.empty()) return Errc::invalid;
  if (into.size() > ~std::uint32_t{0}) return Errc::too_large;
  if (const Errc code = may(from, offset, into.size(), Access::read); code != Errc::ok) return code;
  operation.work = {.kind = Operation::Kind::read, .region = from, .offset = offset, .into = into};
  return queue(operation);
}

Errc Put::atomic(Operation& operation, AtomicOp op, const RegionHandle& at, std::uint64_t offset,
                 std::uint64_t operand, std::uint64_t compare) {
  if (operation.busy() || offset % 8 != 0) return Errc::invalid;
  if (const Errc code = may(at, offset, 8, Access::atomic); code != Errc::ok) return code;
  operation.work = {.kind = Operation::Kind::atomic,
                    .op = op,
                    .region = at,
                    .offset = offset,
                    .operand = operand,
                    .compare = compare};
  return queue(operation);
}

Errc Put::flush(Operation& operation) {
  if (operation.busy()) return Errc::invalid;
  if (ended_ || begins_no_more_) return Errc::closed;
  operation.work = {.kind = Operation::Kind::flush};
  return queue(operation);
}

std::size_t Put::operations() const noexcept {
  return sending_.size() + carried_.size() + flying_.size() + asking_.size();
}

Errc Put::queue(Operation& operation) {
  operation.begin();
  operation.work.fence = fences_;
  sending_.push_back(operation);
  go_on();
  return Errc::ok;
}

// ---- pieces ----

bool Put::may_send(const Operation& operation) const noexcept {
  if (context_.held_below(0) || next_ - floor_ >= pieces_max) return false;
  if (changes_for_the_card(operation.work) && tickets_.floor() < card_tickets_) return false;
  const bool writes = operation.work.kind == Operation::Kind::write;
  return writes || operation.work.kind == Operation::Kind::flush || asking_count_ < reads_max;
}

// Each of the three hands down as its last act: what is below may find the peer gone, and then every
// operation has ended; and an operation that has ended may be gone.
void Put::pump() {
  if (pumping_ || ended_) return;
  pumping_ = true;
  while (!ended_ && !sending_.empty()) {
    Operation& operation = sending_.front();
    const Step step = step_directly(operation);
    if (step == Step::went) continue;
    if (step == Step::waits || !may_send(operation)) break;
    const Operation::Kind kind = operation.work.kind;
    const bool sent = kind == Operation::Kind::write   ? send_write(operation)
                      : kind == Operation::Kind::flush ? send_flush(operation)
                                                       : send_read(operation);
    if (sent) continue;
    try_again();
    break;
  }
  pumping_ = false;
}

// Gives the piece the next number, and says what is carried out before it.
void Put::number(Operation& operation, wire::PutOp& op) noexcept {
  Operation::Work& work = operation.work;
  if (work.end == 0) work.first = next_;
  if (work.fence != fence_passed_) {
    fence_passed_ = work.fence;
    fence_at_ = next_;
  }
  op.number = next_++;
  op.after = fence_at_;
  work.end = next_;
}

// The last piece signals, and waits for the others of its put.
void Put::add_signal(const Operation::Work& work, wire::PutOp& op, Message& message) {
  const Signal& signal = work.signal;
  if (signal.kind == Signal::Kind::none) return;
  if (op.number != work.first) op.after = op.number;
  if (signal.kind == Signal::Kind::immediate) {
    op.kind = wire::put_immediate;
    op.immediate = signal.immediate;
    return;
  }
  op.kind = signal.op == SignalOp::set ? wire::put_set : wire::put_add;
  push(message, wire::PutValue{signal.value, 0});
  push(message, wire::PutPlace{signal.region.key, signal.offset});
}

bool Put::send_write(Operation& operation) {
  Operation::Work& work = operation.work;
  const std::uint64_t left = work.source.size() - work.done_bytes;
  const auto bytes = static_cast<std::uint32_t>(std::min<std::uint64_t>(piece_bytes_, left));
  Message message = Message::make(context_.pool, bytes);
  if (!message) return false;
  if (bytes != 0) std::memcpy(message.writable().data(), work.source.data() + work.done_bytes, bytes);

  wire::PutOp op{.what = wire::PutWhat::write};
  number(operation, op);
  const wire::PutPlace place{work.region.key, work.offset + work.done_bytes};
  work.done_bytes += bytes;
  bytes_out_ += bytes;
  const bool last = bytes == left;
  const bool delivered = last && work.done == Done::delivered;
  if (last) add_signal(work, op, message);
  push(message, place);
  if (delivered) {
    operation.unlink();
    flying_.push_back(operation);
  } else if (last) {
    operation.end(Errc::ok);
  }
  hand_down(op, delivered, message);
  return true;
}

bool Put::send_read(Operation& operation) {
  Operation::Work& work = operation.work;
  Message message = Message::make(context_.pool, 0);
  if (!message) return false;
  wire::PutOp op{.what = wire::PutWhat::read};
  number(operation, op);
  if (work.kind == Operation::Kind::atomic) {
    op.what = wire::PutWhat::atomic;
    op.kind = static_cast<std::uint8_t>(work.op);
    push(message, wire::PutValue{work.operand, work.compare});
    if (changes_for_the_card(work)) card_pieces_ = next_;
  } else {
    push(message, wire::PutValue{work.into.size(), 0});
  }
  push(message, wire::PutPlace{work.region.key, work.offset});
  operation.unlink();
  asking_.push_back(operation);
  ++asking_count_;
  hand_down(op, false, message);
  return true;
}

// A flush asks how far the target is, if nothing before it has.
bool Put::send_flush(Operation& operation) {
  Operation::Work& work = operation.work;
  work.first = work.end = next_;
  work.ticket = tickets_.next();
  const bool told = is_told();
  Message message;
  wire::PutOp op{.what = wire::PutWhat::nop};
  if (!told) {
    message = Message::make(context_.pool, 0);
    if (!message) return false;
    number(operation, op);
  }
  operation.unlink();
  flying_.push_back(operation);
  if (told) {
    settle();
  } else {
    hand_down(op, true, message);
  }
  return true;
}

// The target tells its floor for all that has left, without being asked again.
bool Put::is_told() const noexcept { return rides_ || asked_ == next_ || floor_ == next_; }

void Put::ask_for_floor() {
  if (is_told() || context_.held_below(0) || next_ - floor_ >= pieces_max) return;
  Message message = Message::make(context_.pool, 0);
  if (!message) return try_again();
  wire::PutOp op{.what = wire::PutWhat::nop, .number = next_++, .after = fence_at_};
  hand_down(op, true, message);
}

void Put::hand_down(wire::PutOp& op, bool awaited, Message& message) {
  op.ask = !rides_ && (awaited || next_ - asked_ >= ask_every);
  if (op.ask) asked_ = next_;
  push(message, op);
  context_.below(message);
}

// ---- what comes back ----

void Put::go_on() {
  settle();
  pump();
  close_when_idle();
}

void Put::take_answer(Message& message) {
  const std::byte* raw = message.pull(answer_bytes);
  if (raw == nullptr) return refuse(Errc::corrupt, "a frame is shorter than the answer of put");
  const auto answer = wire::decode<wire::PutAnswer>(raw);
  if (answer.number >= next_) return refuse(Errc::corrupt, "the peer answers what was not asked");
  if (answer.last && asking_count_ != 0) --asking_count_;  // others may come later: below has no order
  const auto asked = std::find_if(asking_.begin(), asking_.end(),
                                  [&](const Operation& one) { return one.work.first == answer.number; });
  Operation* operation = asked != asking_.end() ? &*asked : nullptr;
  if (operation == nullptr) return go_on();  // the caller has destroyed it, or it has failed
  Operation::Work& work = operation->work;
  const std::uint32_t bytes = message.body_size();
  const bool reads = work.kind == Operation::Kind::read;
  const std::uint64_t room = reads ? work.into.size() : sizeof(std::uint64_t);
  const bool fits =
      answer.offset <= room && bytes <= room - answer.offset && (reads || bytes == room || bytes == 0);
  if (!fits) return refuse(Errc::corrupt, "the peer answers with other bytes than were asked for");
  if (answer.code != wire::PutCode::ok) {
    operation->end(code_of(answer.code));
  } else if (!reads) {
    std::uint64_t before = 0;
    if (bytes == sizeof before) message.copy_to(reinterpret_cast<std::byte*>(&before));
    operation->end(Errc::ok, before);
  } else {
    message.copy_to(work.into.data() + answer.offset);
    work.done_bytes += bytes;
    bytes_in_ += bytes;
    if (work.done_bytes >= work.into.size()) operation->end(Errc::ok);
  }
  go_on();
}

void Put::take_refused(Message& message) {
  const std::byte* raw = message.pull(refused_bytes);
  if (raw == nullptr) return refuse(Errc::corrupt, "a frame is shorter than the refusal of put");
  const auto refused = wire::decode<wire::PutRefused>(raw);
  const std::uint64_t end = refused.number + refused.count;
  if (end > next_ || refused.count == 0) return refuse(Errc::corrupt, "the peer refuses what was not sent");
  refusals_in_ += refused.count;
  for (std::uint64_t i = 0; i < refused.count; ++i) {
    const auto answer = heard_refused_.insert(refused.index + i, context_.pool, context_.quota);
    if (answer == Numbers::Answer::no_memory)
      return refuse(Errc::exhausted, "put has no memory to note a refusal");
    if (answer != Numbers::Answer::fresh) return refuse(Errc::corrupt, "the peer refuses a piece twice");
  }
  const Errc code = code_of(refused.code);
  bool told = false;
  const auto fail = [&](Operations& operations) {
    while (Operation* operation = find_write(operations, refused.number, end)) {
      told = true;
      operation->end(code);
    }
  };
  fail(flying_);
  fail(sending_);
  if (!told && failed_ == Errc::ok) failed_ = code;
  go_on();
}

void Put::take_placed(std::uint64_t floor, std::uint16_t refused) {
  const auto newer = static_cast<std::int16_t>(refused - static_cast<std::uint16_t>(told_refused_));
  if (floor > next_ || (newer > 0 && told_refused_ + static_cast<std::uint64_t>(newer) > next_))
    return refuse(Errc::corrupt, "the peer has carried out what was not sent");
  if (floor < floor_ || newer < 0) return;  // overtaken by a later one
  floor_ = floor;
  told_refused_ += static_cast<std::uint64_t>(newer);
  go_on();
}

// Nothing is delivered before every refusal among it is known.
void Put::settle() {
  while (!flying_.empty() && flying_.front().work.end <= floor_) {
    if (heard_refused_.floor() < told_refused_) return;
    Operation& operation = flying_.front();
    const bool flush = operation.work.kind == Operation::Kind::flush;
    if (flush && !asking_.empty() && asking_.front().work.first < operation.work.end) return;
    if (flush && tickets_.floor() < operation.work.ticket) return;
    operation.end(flush ? std::exchange(failed_, Errc::ok) : Errc::ok);
  }
}

void Put::fail_all(Errc code) {
  for (Operations* operations : {&sending_, &carried_, &flying_, &asking_})
    while (!operations->empty()) operations->front().end(code);
  asking_count_ = 0;
}

}  // namespace harness::layers
