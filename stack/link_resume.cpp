// SPDX-License-Identifier: Apache-2.0
// Going on after lost contact: a link whose stack promises `resumable` looks for its peer instead of ending.
//
// The session is named by the attempt that opened the link first; its initiator dials again, all offers in
// order, with the session in the HELLO, and the responder waits. The old stack stands until the new one has
// taken over the session: every layer from the top through the one that adds `resumable`. What lies below
// starts afresh. A peer that has ended meanwhile, or came back as a new process, does not know the session.
#include <algorithm>

#include <harness/stack/link_swap.hpp>
#include <harness/stack/node.hpp>

namespace harness {

void Link::lose_contact(const Event& event) {
  if (is_draining() && !swap_->runs_on)
    return finish(State::lost,
                  {event.code, "lost the peer " + peer_.name + " in the middle of a swap",
                   std::string(event.detail), "open the link again"},
                  EventKind::peer_lost);
  const auto dialled = swap_ != nullptr && swap_->dials_session() ? std::move(swap_) : nullptr;
  if (dialled != nullptr) await_swap(*dialled);
  if (swap_ != nullptr) await_swap(*swap_);
  if (epoch_.fin_received && swap_ != nullptr && !swap_->has_cut())
    return abort_swap({event.code, "lost the peer " + peer_.name, std::string(event.detail), {}});
  drop_swap();
  const std::uint64_t now = node_.engine().now_ns();
  close_asked_ = close_asked_ || state_ == State::closing;
  all_got_ = epoch_.fin_sent;
  epoch_.fin_sent = epoch_.fin_acked = epoch_.fin_received = epoch_.peer_gone = false;
  if (!close_asked_) {  // else the time to close runs on
    if (resume_deadline_ns_ == 0) resume_deadline_ns_ = now + options_.resume_ns;
    deadline_ns_ = resume_deadline_ns_;
  }
  const bool was_up = std::exchange(state_, State::resuming) != State::accepted;
  stale_ = true;
  awaits_first_ = false;
  epoch_.stack->cut_off();
  started_ns_ = now;
  // A connection that does not hold is tried less and less often.
  const bool held_out = now - up_since_ns_ >= Node::back_off_ns_max;
  const std::uint64_t delay_ns = held_out || back_off_ns_ < 2 * Node::repeat_ns ? 0 : back_off_ns_;
  back_off_ns_ = held_out ? Node::repeat_ns : std::min(2 * back_off_ns_, Node::back_off_ns_max);
  group_ = 0;
  error_ = {event.code, "lost the peer " + peer_.name, std::string(event.detail),
            "check that the node is up: harness node ls"};
  epoch_.gate->hold(Gate::link_bit);
  drop_endpoint(0);
  if (dialled != nullptr && !close_asked_) {
    go_on_with(*dialled);
  } else {
    if (dialled != nullptr) node_.retire(std::move(dialled->other));
    look_for_peer(delay_ns);
  }
  if (was_up) tell({EventKind::resuming, event.code, event.detail});
}

// A floor above the stack: nothing more leaves, what waits in the endpoint neither. A link with a session is
// held until it goes on above the floor, and what it keeps is sent there; any other ends.
void Link::fall_below(Error error) {
  if (session_ == 0 || state_ != State::up || is_draining()) return cut_off(std::move(error));
  const auto keep = shared_from_this();
  drop_swap();
  const std::unique_ptr<Endpoint> endpoint = std::move(epoch_.endpoint);  // goes as it is, not by close
  endpoint->attach({});
  epoch_.stack->cut_off();
  epoch_.stack->event({EventKind::peer_lost, Errc::denied, error.what});
}

Result<> Link::offer(std::vector<Offer> offers) {
  if (state_ != State::resuming || role_ != Role::initiator)
    return fail(Errc::closed, "link " + options_.name + " does not dial",
                "it is " + std::string(to_string(state_)), "offer to a link that is resuming and dials");
  if (auto fits = keep_fitting(offers); !fits) return fits;
  drop_endpoint(0);
  opening_.reset();
  options_.offers = std::move(offers);
  failures_.clear();
  group_ = 0;
  look_for_peer(0);
  return {};
}

// The initiator dials after `delay_ns`, the responder only waits.
void Link::look_for_peer(std::uint64_t delay_ns) {
  if (state_ != State::resuming) return;
  const std::uint64_t now = node_.engine().now_ns();
  const std::uint64_t left_ns = deadline_ns_ - std::min(now, deadline_ns_);
  arm(role_ == Role::initiator ? std::min(delay_ns, left_ns) : left_ns);
}

// What was asked for and may still come of it: the link opens again, with one of these stacks or another.
void Link::await_swap(const Swap& swap) {
  for (const Offer& offer : swap.queued.empty() ? swap.offers : swap.queued)
    if (swap.asked || !swap.queued.empty()) awaited_.push_back(offer.stack.hash());
}

// The link goes on: tells whoever asked for a swap whether it is with such a stack.
void Link::tell_swap() {
  const auto awaited = std::exchange(awaited_, {});
  const StackSpec& now = epoch_.stack->spec();
  if (std::find(awaited.begin(), awaited.end(), now.hash()) != awaited.end()) {
    const std::string text = now.text();
    return tell({EventKind::swapped, Errc::ok, text});
  }
  tell({EventKind::not_swapped, Errc::peer_lost, "contact was lost; the link goes on with another stack"});
}

// A swap has dialled the peer already, for the same session.
void Link::go_on_with(Swap& swap) {
  swap_timer_.cancel();
  options_.offers = std::move(swap.offers);
  failures_.clear();
  group_ = swap.group;
  opening_ = std::move(swap.opening);
  epoch_.attempt = swap.other.attempt;
  answer_by_ns_ = node_.engine().now_ns() + options_.timeout_ns;
  adopt(std::move(swap.other.endpoint));
  node_.retire(std::move(swap.other));
  ++swaps_;
  retry_later(back_off_ns_);
}

bool Link::session_is(const setup::Hello& hello) const noexcept {
  return role_ == Role::responder && session_ == hello.session &&
         peer_.incarnation == hello.from.incarnation && peer_.domain == hello.from.domain &&
         state_ < State::closed;
}

// The peer knows nothing of the session any more, or is not found in time: an end in order when we were
// closing and it had everything of ours.
bool Link::ends_with_session() {
  if (!close_asked_ || !all_got_) return false;
  finish(State::closed, {Errc::ok, {}, {}, {}}, EventKind::closed);
  return true;
}

}  // namespace harness
