// SPDX-License-Identifier: Apache-2.0
// What a link, and the transport for all of its links, does about operations that are overdue (overdue.hpp).
#include <harness/transports/ofi/overdue.hpp>

#include <harness/transports/ofi/transport.hpp>

namespace harness::transports::ofi {

using wire::OfiNote;

// The completion queue has been read in this turn, and the note came before that.
void Connection::answer() noexcept {
  answer_due_ = !note(OfiNote::Kind::polled, 0) && !control_lost_;
  if (answer_due_) ofi_.blocked(*this);
}

// Of a peer that closed and went, what it sent before is still to be handed up: that waits for reads alone.
void Connection::see(Operation& operation, std::uint32_t look) noexcept {
  if (!control_lost_ || operation.kind == Operation::Kind::read)
    overdue_.see(operation.seen, operation.kind, look);
}

// A gap before a frame is seen by its number; one behind the last frame is not.
void Connection::see_lacking(std::uint32_t look) noexcept {
  if (!lacks_frames()) return;
  if (std::exchange(seen_frames_, received_frames_) != received_frames_) lacking_since_ = 0;
  overdue_.see(lacking_since_, Operation::Kind::receive, look);
}

// Nobody is left who might send the last frames of a peer that went: they are here, or on a wire. Before each
// look the completion queue was found empty, so one that is late itself tells nothing wrong.
void Connection::judge(std::uint32_t look, bool all_answer, std::uint64_t bytes) noexcept {
  if (!is_judged()) return;
  if (control_lost_ && lacks_frames() && look - lacking_since_ >= Overdue::looks_gone)
    return end(EventKind::peer_lost, Errc::peer_lost, "the peer closed and went before its last frames came");
  const Overdue::Verdict verdict = overdue_.judge(control_lost_, all_answer, bytes);
  if (verdict == Overdue::Verdict::lost) return end(EventKind::peer_lost, Errc::peer_lost, never_completed());
  if (verdict == Overdue::Verdict::ask && note(OfiNote::Kind::ask, 0)) overdue_.asked();
}

std::string Connection::never_completed() const {
  using Kind = Operation::Kind;
  const Kind kind = overdue_.kind();
  const char* const what = kind == Kind::receive  ? "a receive of a frame that was sent"
                           : kind == Kind::send   ? "a send"
                           : kind == Kind::read   ? "a read of an offered frame"
                           : kind == Kind::put    ? "a put"
                           : kind == Kind::get    ? "a get"
                           : kind == Kind::atomic ? "an atomic"
                                                  : "a check behind puts and gets";
  const std::string times = std::to_string(overdue_.answers());
  const std::string since = control_lost_ ? " in " + times + " s since its peer closed the link"
                                          : ", though the peer has polled its own " + times + " times since";
  return "the provider " + std::string(fabric_.provider()) + " has not completed " + what + since +
         ": another one may, ofi(provider=tcp)";
}

// ---- the transport ----

// Armed again by the next turn that finds nothing, while something is under way.
void Ofi::look_for_overdue() noexcept {
  ++overdue_looks_;
  std::uint64_t bytes = 0;
  const auto see = [this, &bytes](Operation& operation) {
    bytes += operation.bytes;
    if (operation.link != nullptr) operation.link->see(operation, overdue_looks_);
  };
  slots_.each(see);
  reads_.each(see);
  direct_slots_.each(see);
  bool all_answer = true;
  lacks_frames_ = false;
  for (Connection& connection : connections_) {
    connection.see_lacking(overdue_looks_);
    lacks_frames_ = lacks_frames_ || connection.lacks_frames();
    bytes += connection.offered_bytes();
    all_answer = all_answer && !connection.is_asking();
  }
  for (auto at = connections_.begin(); at != connections_.end();)
    (at++)->judge(overdue_looks_, all_answer, bytes);
}

}  // namespace harness::transports::ofi
