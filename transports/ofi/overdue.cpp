// SPDX-License-Identifier: Apache-2.0
// See overdue.hpp.
#include <harness/transports/ofi/overdue.hpp>

#include <algorithm>
#include <utility>

#include <harness/transports/ofi/transport.hpp>

namespace harness::transports::ofi {

using wire::OfiNote;

void Overdue::see(Operation& operation, std::uint32_t look) noexcept {
  if (operation.seen == 0) {
    operation.seen = look;
    return;
  }
  if (operation.seen == Operation::not_under_way || operation.seen > seen_.look) return;
  if (operation.seen < seen_.look) seen_ = {operation.seen, 0, 0, operation.kind};
  ++seen_.count;
  seen_.bytes = std::max(seen_.bytes, operation.bytes);
}

Overdue::Verdict Overdue::judge(bool gone) noexcept {
  const Oldest seen = std::exchange(seen_, {});
  if (question_ == Question::out && !gone) return Verdict::fine;
  const bool answered = question_ == Question::answered || gone;
  question_ = Question::none;
  if (seen.count == 0 || seen.look != oldest_.look || seen.count != oldest_.count) {
    answers_ = 0;
  } else if (answered && ++answers_ >= answers_max + seen.bytes / bytes_an_answer) {
    return Verdict::lost;
  }
  oldest_ = seen;
  return seen.count != 0 ? Verdict::ask : Verdict::fine;
}

// ---- the link ----

// The completion queue has been read in this turn, and the note came before that.
void Connection::answer() noexcept {
  answer_due_ = !note(OfiNote::Kind::polled, 0) && !control_lost_;
  if (answer_due_) ofi_.blocked(*this);
}

// Of a peer that closed and went, what it sent before is still to be handed up: that waits for reads alone.
void Connection::see(Operation& operation, std::uint32_t look) noexcept {
  if (!control_lost_ || operation.kind == Operation::Kind::read) overdue_.see(operation, look);
}

void Connection::judge() noexcept {
  if (state_ != State::open && state_ != State::lingering) return;
  const Overdue::Verdict verdict = overdue_.judge(control_lost_);
  if (verdict == Overdue::Verdict::lost) return end(EventKind::peer_lost, Errc::peer_lost, never_completed());
  if (verdict == Overdue::Verdict::ask && note(OfiNote::Kind::ask, 0)) overdue_.asked();
}

std::string Connection::never_completed() const {
  using Kind = Operation::Kind;
  const Kind kind = overdue_.kind();
  const char* const what = kind == Kind::send     ? "a send"
                           : kind == Kind::read   ? "a read of an offered frame"
                           : kind == Kind::put    ? "a put"
                           : kind == Kind::get    ? "a get"
                           : kind == Kind::atomic ? "an atomic"
                                                  : "a check behind puts and gets";
  return "the provider " + std::string(fabric_.provider()) + " has not completed " + what +
         ", though the peer has polled its own " + std::to_string(overdue_.answers()) +
         " times since: another one may, ofi(provider=tcp)";
}

// ---- the transport ----

// Armed again by the next turn that finds nothing, while something is under way.
void Ofi::look_for_overdue() noexcept {
  ++overdue_looks_;
  const auto see = [this](Operation& operation) {
    if (operation.link != nullptr) operation.link->see(operation, overdue_looks_);
  };
  slots_.each(see);
  reads_.each(see);
  direct_slots_.each(see);
  for (auto at = connections_.begin(); at != connections_.end();) (at++)->judge();
}

}  // namespace harness::transports::ofi
