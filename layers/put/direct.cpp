// SPDX-License-Identifier: Apache-2.0
// put, the origin where the transport reaches the peer's memory itself: operations are handed to it.
//
// What it does at once ends at once; what it begins has a ticket and ends by it. The two ways may be mixed:
// a fence waits until nothing is under way on either, a flush for both, and a signal that the transport does
// not give follows its bytes as a message, when they are there. What comes back as not found, a region that
// was withdrawn meanwhile, or is lost with an endpoint while the link goes on over another, goes once more as
// a message, so that the target itself says what is wrong; unless that could do something twice.
#include <algorithm>

#include <harness/layers/put.hpp>

namespace harness::layers {

// ---- joining and leaving the transport ----

void Put::use(Direct& direct) noexcept {
  set_direct(&direct);
  direct.attach({.self = this,
                 .ended = [](void* self, std::uint64_t ticket, Errc code,
                             Bytes result) { static_cast<Put*>(self)->take_ended(ticket, code, result); },
                 .room = [](void* self) { static_cast<Put*>(self)->go_on(); },
                 .gone = [](void* self, Direct& which) { static_cast<Put*>(self)->forget(which); }});
}

void Put::forget(const Direct& direct) noexcept {
  if (direct_ == &direct) set_direct(nullptr);
  if (old_direct_ == &direct) old_direct_ = nullptr;
}

void Put::leave_direct() noexcept {
  Direct* const mine = direct_;
  set_direct(nullptr);
  for (Direct* direct : {mine, std::exchange(old_direct_, nullptr)})
    if (direct != nullptr) direct->leave();
}

// What the former stack has under way ends by its own endpoint, to which no new operation goes.
void Put::take_direct(Put& old) noexcept {
  old.unwatch();
  carried_.splice(carried_.end(), old.carried_);
  tickets_ = old.tickets_;
  for (Operation& operation : sending_)
    if (operation.work.pieces != 0 && !operation.work.by_messages) redo(operation.work);
  Direct* const mine = direct_;
  Direct* const theirs = old.direct_;
  old.set_direct(nullptr);
  if (theirs != nullptr) use(*theirs);
  set_direct(mine);
  old_direct_ = theirs;
}

void Put::unwatch() noexcept {
  if (Regions::Watcher::is_linked()) context_.regions->unwatch(*this);
}

void Put::exposed(const Exposed& region) noexcept {
  if (direct_ != nullptr) direct_->share(region);
}

void Put::revoked(std::uint64_t key) noexcept {
  for (Direct* direct : {direct_, old_direct_})
    if (direct != nullptr) direct->withdraw(key);
}

// ---- operations ----

Put::Step Put::step_directly(Operation& operation) {
  Operation::Work& work = operation.work;
  if (work.kind == Operation::Kind::flush) return carried_.empty() ? Step::by_messages : Step::waits;
  if (work.flying != 0 && work.by_messages) return Step::waits;
  if (work.failed != Errc::ok) {
    operation.end(work.failed);
    return Step::went;
  }
  const bool fenced = work.fence != fence_passed_;
  if (fenced && !tickets_.all_ended()) return Step::waits;
  if (!goes_directly(work)) {
    if (work.pieces != 0 && !work.by_messages) redo(work);  // it did, until now
    return work.flying != 0 ? Step::waits : Step::by_messages;
  }
  if (floor_ < messages_before(fenced)) ask_for_floor();
  if (ended_ || floor_ < messages_before(fenced)) return Step::waits;
  fence_passed_ = work.fence;
  switch (work.kind) {
    case Operation::Kind::write: return write_directly(operation);
    case Operation::Kind::read: return get_directly(operation);
    default: return change_directly(operation);
  }
}

bool Put::goes_directly(const Operation::Work& work) const noexcept {
  if (direct_ == nullptr || work.by_messages || work.end != 0 || !direct_->reaches(work.region.key))
    return false;
  if (work.kind == Operation::Kind::atomic) return direct_->changes(work.region);
  if (work.kind != Operation::Kind::write) return true;
  const bool signalled_apart = work.signal.kind != Signal::Kind::none && !direct_->signals(work.signal);
  return work.source.size() >= direct_->put_bytes_min(signalled_apart);
}

Put::Step Put::write_directly(Operation& operation) {
  Operation::Work& work = operation.work;
  const bool signals = work.signal.kind != Signal::Kind::none;
  const bool signals_there = signals && direct_->signals(work.signal);
  for (bool last = false; !last;) {
    const Bytes left = work.source.subspan(work.done_bytes);
    const std::uint64_t bytes = std::min<std::uint64_t>(left.size(), direct_->put_bytes_max(left));
    last = bytes == left.size();
    const bool with_signal = last && signals_there;
    if (tickets_.full() || (with_signal && work.flying != 0)) return Step::waits;
    const auto outcome = direct_->put(tickets_.next(), work.region, work.offset + work.done_bytes,
                                      left.first(bytes), with_signal ? work.signal : Signal{});
    if (const Step step = begun(operation, outcome); step != Step::went) return step;
    work.done_bytes += bytes;
    bytes_out_ += bytes;
  }
  work.by_messages = signals && !signals_there;
  if (work.by_messages && work.flying == 0) return Step::by_messages;
  const bool stays = work.by_messages || work.lent || work.done == Done::delivered;
  if (work.flying != 0 && stays) return keep(operation);
  operation.end(Errc::ok);
  return Step::went;
}

Put::Step Put::get_directly(Operation& operation) {
  Operation::Work& work = operation.work;
  while (work.done_bytes < work.into.size()) {
    if (tickets_.full()) return Step::waits;
    const std::uint64_t bytes =
        std::min<std::uint64_t>(work.into.size() - work.done_bytes, direct_->piece_bytes_max());
    const auto outcome = direct_->get(tickets_.next(), work.region, work.offset + work.done_bytes,
                                      work.into.subspan(work.done_bytes, bytes));
    if (const Step step = begun(operation, outcome); step != Step::went) return step;
    work.done_bytes += bytes;
  }
  if (work.flying != 0) return keep(operation);
  bytes_in_ += work.into.size();
  operation.end(Errc::ok);
  return Step::went;
}

Put::Step Put::change_directly(Operation& operation) {
  Operation::Work& work = operation.work;
  const bool for_the_card = changes_for_the_card(work);
  if (for_the_card && floor_ < card_pieces_) ask_for_floor();
  if (ended_ || tickets_.full() || (for_the_card && floor_ < card_pieces_)) return Step::waits;
  std::uint64_t before = 0;
  const auto outcome =
      direct_->atomic(tickets_.next(), work.op, work.region, work.offset, work.operand, work.compare, before);
  if (const Step step = begun(operation, outcome); step != Step::went) return step;
  if (for_the_card) card_tickets_ = tickets_.next();
  if (work.flying != 0) return keep(operation);
  operation.end(Errc::ok, before);
  return Step::went;
}

// Books what the transport says of one piece.
Put::Step Put::begun(Operation& operation, Direct::Outcome outcome) noexcept {
  Operation::Work& work = operation.work;
  if (outcome == Direct::Outcome::full) return Step::waits;
  if (outcome == Direct::Outcome::no) {
    redo(work);
    return work.flying != 0 ? Step::waits : Step::by_messages;
  }
  ++by_transport_;
  if (outcome == Direct::Outcome::begun || outcome == Direct::Outcome::lent) {
    work.lent = work.lent || outcome == Direct::Outcome::lent;
    if (work.pieces++ == 0) {
      work.ticket = tickets_.next();
      work.piece_bytes = direct_->piece_bytes_max();
    }
    ++work.flying;
    tickets_.take();
  }
  return Step::went;
}

// From the start again, by messages: what was written already is written once more.
void Put::redo(Operation::Work& work) noexcept {
  work.by_messages = true;
  work.done_bytes = 0;
}

Put::Step Put::keep(Operation& operation) noexcept {
  operation.unlink();
  carried_.push_back(operation);
  return Step::went;
}

// ---- what has ended ----

Operation* Put::find_flying(Operations& operations, std::uint64_t ticket) noexcept {
  const auto found = std::find_if(operations.begin(), operations.end(), [&](const Operation& operation) {
    const Operation::Work& work = operation.work;
    return ticket - work.ticket < work.pieces;
  });
  return found != operations.end() ? &*found : nullptr;
}

void Put::take_ended(std::uint64_t ticket, Errc code, Bytes result) {
  if (ended_ || !tickets_.end(ticket)) return;
  Operation* const carried = find_flying(carried_, ticket);
  Operation* const operation = carried != nullptr ? carried : find_flying(sending_, ticket);
  if (operation == nullptr) {
    if (code != Errc::ok && failed_ == Errc::ok) failed_ = code;
  } else {
    take_piece(*operation, ticket, code, result);
    if (carried != nullptr) end_carried(*carried);
  }
  go_on();
}

void Put::take_piece(Operation& operation, std::uint64_t ticket, Errc code, Bytes result) noexcept {
  Operation::Work& work = operation.work;
  --work.flying;
  const bool repeatable = work.kind == Operation::Kind::read || work.signal.kind == Signal::Kind::none;
  if (code != Errc::ok) {
    redo(work);
    const bool lost = code == Errc::peer_lost && repeatable && work.kind != Operation::Kind::atomic;
    if (code != Errc::not_found && !lost) work.failed = code;
  } else if (work.kind == Operation::Kind::read) {
    std::memcpy(work.into.data() + (ticket - work.ticket) * work.piece_bytes, result.data(), result.size());
    bytes_in_ += result.size();
  } else if (work.kind == Operation::Kind::atomic) {
    std::memcpy(&work.operand, result.data(), sizeof work.operand);
  }
}

// Its last piece has ended: it ends, or goes on by messages before what was begun after it.
void Put::end_carried(Operation& operation) {
  Operation::Work& work = operation.work;
  if (work.flying != 0) return;
  if (work.failed != Errc::ok) return operation.end(work.failed);
  if (!work.by_messages) return operation.end(Errc::ok, work.operand);
  operation.unlink();
  const auto front = sending_.begin();
  const bool is_cut = front != sending_.end() && front->work.end != 0;  // its numbers stay together
  sending_.insert(is_cut ? std::next(front) : front, operation);
}

}  // namespace harness::layers
