// SPDX-License-Identifier: Apache-2.0
// A live swap: another stack, over another transport if wanted, takes a link over while traffic flows.
//
//   initiator                                   responder
//     HELLO{swaps: the epoch that stands} ──▶   another endpoint; the old stack carries on
//     cuts                    ◀── ACCEPT
//     READY, CUT{n}, data …   ──▶               cuts
//                             ◀── CUT{m}, data …
//     old epoch: FIN{successor} both ways, as a link closes; its endpoint lingers and goes
//
// Make before break: until ACCEPT (READY at the responder) nothing of the old epoch is touched, and to give
// up costs nothing. Each side cuts its own direction between two messages, so that no sender ever waits: what
// it sent before goes by the old stack, which flushes, what it sends later by the new one. CUT tells how many
// those before are. The receiver keeps what comes by the new stack until the old one has delivered that
// many (the gate), so order holds over both; a stack that may lose messages gets three round trips instead.
// Two shorter ways, when the stacks share their upper layers:
//   from the top through `reliable` (transform): the cut moves these layers' state into the new stack, and
//   what still arrives by the old endpoint is handed up into them. One sequence of packets over both, so
//   there is no gate, nothing waits, and what the old endpoint loses is sent again by the new one. Only
//   between two stacks that encrypt, or two that do not: what was sent encrypted is never sent again in
//   clear, and what was received in clear never stands in line behind what was proved.
//   down to `resume`: the session is handed on as after lost contact (link_resume.cpp), what was under way
//   is sent again.
//
// Only the initiator dials: it knows addresses, and two swaps never meet. A responder that wants one says
// PROPOSE. A swap asked while another is under way waits, the last asked wins.
// Rejected: agreeing over the old stack (another transport needs its own set-up anyway, and this one is
// checked); stopping senders until the old stack has drained (a round trip of silence at least); one counter
// in every message (bytes on each for what happens rarely).
// Bounds: two epochs; what waits at the gate is at most the new epoch's receive quota; a swap that has not
// cut ends after LinkOptions::timeout_ns; the old epoch of a transform ends after linger_ns at the latest.
// Failure: the peer dies before the cut: the old stack stands. After it: the link is lost, since either stack
// may hold messages that nobody can deliver any more. Only the old path of a transform may die at any time.
// Sources: SP switching of Ensemble (the count of messages as cut); QUIC connection migration and key phases.
#pragma once

#include <deque>
#include <optional>

#include <harness/stack/link.hpp>

namespace harness {

struct Link::Swap {
  enum class Stage : std::uint8_t {
    proposing,   // responder: the initiator is asked to dial
    dialing,     // initiator: HELLO is out, or an address is tried next
    confirming,  // initiator: sent READY; the medium keeps no order, so the peer's READY is awaited
    answered,    // responder: ACCEPT is out
    draining,    // we have cut: `other` is the old epoch
    lingering,   // … which has ended, and answers repeated FINs for a while
  };

  explicit Swap(std::uint64_t quota_bytes) : other(quota_bytes) {}

  /// Nothing of ours depends on it yet: the peer has not been told that we go on with it.
  [[nodiscard]] bool is_abortable() const noexcept { return stage <= Stage::dialing; }
  /// The peer is dialled, to take the session over.
  [[nodiscard]] bool dials_session() const noexcept {
    return stage == Stage::dialing && session && other.endpoint != nullptr && opening != nullptr;
  }
  [[nodiscard]] bool has_cut() const noexcept { return stage >= Stage::draining; }
  [[nodiscard]] bool proposes(std::uint64_t id) const noexcept {
    return stage == Stage::proposing && proposal == id;
  }

  Epoch other;  // the next one, after the cut the one before
  Stage stage = Stage::dialing;
  bool asked = false;    // by this end's application: it hears when nothing comes of it
  bool session = false;  // the new stack takes the session over, as after lost contact
  bool runs_on = false;  // … or its layers take over those of the old one, which go on meanwhile
  std::vector<Offer> offers;
  std::size_t group = 0;
  std::unique_ptr<Opening> opening;
  std::optional<setup::Accept> accept;  // ours, to repeat it
  std::uint64_t proposal = 0;           // its id, at either end; 0: the initiator's own idea
  std::uint64_t started_ns = 0;         // HELLO or ACCEPT was sent
  std::uint64_t deadline_ns = 0;
  std::uint64_t back_off_ns = 0;

  // after the cut
  std::optional<std::uint64_t> peer_messages;  // that the peer sent by the old epoch
  bool open = false;                           // the gate: the old epoch has delivered what it will
  std::uint64_t settle_ns = 0;                 // three round trips
  std::uint64_t settled_at_ns = 0;             // when they are over; 0: not begun
  unsigned fins = 0;                           // repeated
  std::deque<Message> held;                    // came by the new epoch before that

  // asked meanwhile
  std::vector<Offer> queued;
  std::uint64_t queued_proposal = 0;
};

}  // namespace harness
