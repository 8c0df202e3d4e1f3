// SPDX-License-Identifier: Apache-2.0
// A swap from the cut on: two epochs, the gate between them, and the end of the old one.
#include <algorithm>

#include <harness/stack/link_swap.hpp>
#include <harness/stack/node.hpp>

namespace harness {

namespace {
constexpr std::uint64_t look_ns = 500'000;  // how often the old epoch is looked at, at first
constexpr std::uint64_t settle_ns_max = 1'000'000'000;
}  // namespace

// How long a stack that may lose messages has for those under way: three round trips.
std::uint64_t Link::settle_after(std::uint64_t round_trip_ns) noexcept {
  return std::clamp<std::uint64_t>(3 * round_trip_ns, 4 * look_ns, settle_ns_max);
}

// Between two messages: what was sent so far went by the old stack, everything later goes by the new one.
void Link::cut() {
  const auto keep = shared_from_this();
  Swap& swap = *swap_;
  std::swap(epoch_, swap.other);
  Epoch& old = swap.other;
  swap.opening.reset();
  if (role_ == Role::initiator) {
    options_.offers = std::move(swap.offers);
    group_ = swap.group;
    failures_.clear();
  } else {
    if (swap.settle_ns == 0) swap.settle_ns = settle_after(node_.engine().now_ns() - swap.started_ns);
    hash_ = epoch_.stack->spec().hash();
  }
  swap.stage = Swap::Stage::draining;
  if (old.fin_received) swap.peer_messages = old.peer_messages;  // it has cut, and ended, before us
  session_ = epoch_.is_resumable() ? epoch_.attempt : 0;
  old.stack->redirect(&Link::deliver_old, &Link::notify_old);
  if (swap.runs_on) {
    epoch_.stack->redirect(&Link::deliver, &Link::notify);
    if (auto runs = epoch_.stack->run_on_from(*old.stack); !runs)
      return finish(State::lost, runs.error(), EventKind::peer_lost);
    epoch_.sent_before = old.sent_before;
    epoch_.delivered_before = old.delivered_before;
    swap.open = true;
    swap.deadline_ns = node_.engine().now_ns() + options_.linger_ns;
  } else {
    epoch_.stack->redirect(&Link::deliver_held, &Link::notify);
    epoch_.stack->take_taps(*old.stack);
    epoch_.stack->count_sent_on(*old.stack);
    epoch_.sent_before = epoch_.stack->sent_messages();
  }
  attach<&Link::on_old_frame, &Link::on_old_event>(old);
  attach();
  old.gate->hold(Gate::link_bit);
  epoch_.gate->take_over_refusals(*old.gate);
  ++swaps_;
  send_cut();
  run_new();
  if (swap_ == nullptr) return;
  swap_->other.stack->event({EventKind::close});
  if (swap_ == nullptr) return;
  swap_->back_off_ns = look_ns;
  drain_old();
}

// Tells layers and application that the new stack carries the link.
void Link::run_new() {
  epoch_.gate->release(Gate::link_bit);
  up_as_ = EventKind::swapped;
  if (epoch_.endpoint->mtu() < epoch_.facts.max_message)
    epoch_.stack->event({EventKind::mtu, Errc::ok, {}, epoch_.endpoint->mtu()});
  const std::string text = epoch_.stack->spec().text();
  epoch_.stack->event({EventKind::up, Errc::ok, text});
  if (state_ == State::up && !close_asked_) epoch_.stack->event({EventKind::writable});
}

void Link::send_cut() {
  if (swap_ == nullptr || swap_->stage != Swap::Stage::draining) return;
  setup::Cut cut{epoch_.attempt, swap_->other.sent(), {}};
  cut.proof = epoch_.seal(true, cut);
  send_frame(cut);
}

void Link::on_cut(const setup::Cut& cut) {
  if (swap_ == nullptr || swap_->stage != Swap::Stage::draining) return;
  swap_->peer_messages = cut.messages;
  try_open();
}

// ---- the gate ----

void Link::deliver_held(void* self, Message& message) {
  auto* link = static_cast<Link*>(self);
  if (link->swap_ == nullptr) return;  // the link has ended in a handler
  link->swap_->held.push_back(std::move(message));
  if (link->swap_->open) link->flush_held();
}

void Link::deliver_old(void* self, Message& message) {
  auto* link = static_cast<Link*>(self);
  const Swap* swap = link->swap_.get();
  if (swap == nullptr || (swap->open && swap->other.given.covers(property::fifo))) return;  // late
  const auto keep = link->shared_from_this();
  if (link->on_message_) link->on_message_(std::move(message));
  if (link->swap_ != nullptr) link->try_open();
}

// The old epoch has delivered what it will: all that the peer sent by it, or what came in time.
void Link::try_open() {
  Swap& swap = *swap_;
  if (swap.open || !swap.peer_messages) return;
  if (swap.other.delivered() < *swap.peer_messages) {
    if (swap.other.is_reliable()) return;
    const std::uint64_t now = node_.engine().now_ns();
    if (swap.settled_at_ns == 0) swap.settled_at_ns = now + swap.settle_ns;
    if (now < swap.settled_at_ns || swap.other.gate->owes_delivery()) return;
  }
  swap.open = true;
  epoch_.stack->count_delivered_on(*swap.other.stack);
  epoch_.delivered_before = swap.other.stack->delivered_messages();
  flush_held();
  if (swap_ != nullptr) drain_old();
}

void Link::flush_held() {
  const auto keep = shared_from_this();
  while (swap_ != nullptr && swap_->open && !swap_->held.empty() && !deaf_) {
    Message message = std::move(swap_->held.front());
    swap_->held.pop_front();
    on_message_(std::move(message));
  }
  if (swap_ != nullptr && swap_->open && swap_->held.empty())
    epoch_.stack->redirect(&Link::deliver, &Link::notify);
}

// ---- the end of the old epoch ----

void Link::on_old_frame(const setup::Frame& frame) {
  Epoch& old = swap_->other;
  if (const auto* fin = std::get_if<setup::Fin>(&frame)) {
    if (fin->attempt != old.attempt || !old.is_sealed(*fin, fin->proof)) return;
    setup::FinAck ack{old.attempt, {}};
    ack.proof = old.seal(true, ack);
    old.send(node_.engine().pool(), ack);
    if (swap_->stage != Swap::Stage::draining) return;
    old.fin_received = true;
    old.peer_frames = fin->frames;
    if (!swap_->peer_messages) swap_->peer_messages = fin->messages;
    try_open();
  } else if (const auto* ack = std::get_if<setup::FinAck>(&frame)) {
    if (ack->attempt == old.attempt && old.fin_sent && old.is_sealed(*ack, ack->proof)) old.fin_acked = true;
  }
  if (swap_ != nullptr) drain_old();
}

void Link::on_old_event(const Event& event) {
  const auto keep = shared_from_this();
  if (swap_->stage == Swap::Stage::lingering) return;
  Epoch& old = swap_->other;
  const bool ends = event.kind == EventKind::peer_lost || event.kind == EventKind::corrupt;
  if (ends && swap_->runs_on) return end_old_path();
  if (event.kind == EventKind::peer_lost && old.fin_received && old.fin_sent) {
    old.peer_gone = old.fin_acked = true;  // it had all it wanted
  } else {
    old.stack->event(event);
  }
  if (swap_ != nullptr) drain_old();
}

void Link::notify_old(void* self, const Event& event) {
  auto* link = static_cast<Link*>(self);
  if (link->swap_ == nullptr) return;
  switch (event.kind) {
    case EventKind::pause:
    case EventKind::resume:
      if (link->swap_->other.endpoint != nullptr)
        link->swap_->other.endpoint->pause_receive(event.kind == EventKind::pause);
      return;
    case EventKind::resuming:
    case EventKind::peer_lost:
    case EventKind::corrupt:
      if (link->swap_->runs_on) return link->end_old_path();
      return link->finish(Link::State::lost,
                          {event.code, "lost the stack before the swap of the link to " + link->peer_.name,
                           std::string(event.detail), "open the link again"},
                          EventKind::peer_lost);
    case EventKind::closed: return link->end_old();
    case EventKind::violated: return link->tell(event);
    default: return;
  }
}

// Ours is flushed: FIN. Both FINs, and everything delivered: the old epoch ends.
void Link::drain_old() {
  Swap& swap = *swap_;
  if (swap.stage != Swap::Stage::draining) return;
  try_fin(swap.other, epoch_.attempt);
  if (swap.open && swap.held.empty() && is_through(swap.other) && has_settled())
    return swap.other.stack->event({EventKind::closed});  // up through its layers, then notify_old
  if (!swap_timer_.armed()) arm_swap(swap.back_off_ns);
}

// The session runs on elsewhere: nothing that the old path still carries is missed. The next turn ends it,
// since a layer of it may be telling us.
void Link::end_old_path() {
  Epoch& old = swap_->other;
  old.fin_sent = old.fin_acked = old.fin_received = old.peer_gone = true;
  swap_->settled_at_ns = node_.engine().now_ns();
  arm_swap(0);
}

// Behind the FINs a medium that keeps no order may still carry what went before: it is taken for three round
// trips, which spares the peer to send it again.
bool Link::has_settled() {
  Swap& swap = *swap_;
  if (!swap.runs_on || !swap.other.repeats()) return true;
  if (swap.settled_at_ns == 0) swap.settled_at_ns = node_.engine().now_ns() + swap.settle_ns;
  return node_.engine().now_ns() >= swap.settled_at_ns;
}

// Ours says that the peer has all we sent, and its own has come: when its ACK does not, it has let go
// already.
void Link::repeat_fin() {
  constexpr unsigned fins_max = 10;  // the peer answers for three repetitions after its end
  Swap& swap = *swap_;
  send_fin(swap.other, epoch_.attempt);
  if (swap.other.fin_received && ++swap.fins >= fins_max) swap.other.peer_gone = swap.other.fin_acked = true;
}

void Link::on_cut_timer() {
  Swap& swap = *swap_;
  if (swap.stage == Swap::Stage::lingering) return end_swap();
  if (swap.runs_on && node_.engine().now_ns() >= swap.deadline_ns && !swap.other.peer_gone) end_old_path();
  if (swap.back_off_ns >= Node::repeat_ns) {
    if (swap.other.fin_sent && !swap.other.fin_acked && swap.other.repeats()) repeat_fin();
    if (epoch_.repeats()) send_cut();
  }
  swap.back_off_ns = std::min(2 * swap.back_off_ns, Node::repeat_ns);
  try_open();
  if (swap_ != nullptr) drain_old();
}

void Link::end_old() {
  if (swap_->other.endpoint == nullptr || !swap_->other.repeats()) return end_swap();
  swap_->stage = Swap::Stage::lingering;  // the peer may have missed our FIN_ACK
  arm_swap(3 * Node::repeat_ns);
}

void Link::end_swap() {
  const auto keep = shared_from_this();
  std::vector<Offer> queued = std::move(swap_->queued);
  const std::uint64_t proposal = swap_->queued_proposal;
  drop_swap();
  go_on_after_swap(std::move(queued), proposal);
}

// What was asked meanwhile.
void Link::go_on_after_swap(std::vector<Offer> queued, std::uint64_t proposal) {
  if (close_asked_) return close();
  if (!queued.empty()) ask_swap(std::move(queued), proposal);
}

}  // namespace harness
