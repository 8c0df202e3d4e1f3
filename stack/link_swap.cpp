// SPDX-License-Identifier: Apache-2.0
// Swapping the stack of a link that is up: asking, opening the next epoch, giving up. From the cut on:
// link_cut.cpp.
#include <harness/stack/link_swap.hpp>

#include <algorithm>
#include <span>

#include <harness/stack/node.hpp>

namespace harness {

std::string_view Link::swap_stage() const noexcept {
  constexpr std::string_view names[] = {"proposing", "dialing",  "confirming",
                                        "answered",  "draining", "lingering"};
  return swap_ == nullptr ? std::string_view() : names[static_cast<std::size_t>(swap_->stage)];
}

// ---- asking ----

Result<> Link::swap(std::vector<Offer> offers) {
  if (auto fits = may_swap(offers); !fits) return fits;
  ask_swap(std::move(offers), 0);
  return {};
}

Result<> Link::may_swap(std::vector<Offer>& offers) const {
  if (state_ != State::up || close_asked_)
    return fail(Errc::closed, "link " + options_.name + " cannot take another stack",
                "it is " + std::string(close_asked_ ? "closing" : to_string(state_)),
                "swap a link that is up");
  return keep_fitting(offers);
}

// Leaves those that this link may dial, each with its address.
Result<> Link::keep_fitting(std::vector<Offer>& offers) const {
  Error first{Errc::invalid, "nothing to swap to", "no stack was given",
              "give one, as in 'order / frag @ tcp'"};
  bool refused = false;
  const Properties trust = node_.trust_of(peer_);
  std::erase_if(offers, [&](Offer& offer) {
    const TransportType& transport = *offer.stack.transport;
    Result<> fits;
    if (offer.address.empty()) offer.address = known_address(transport);
    if (offer.address.empty())
      fits = fail(Errc::invalid,
                  "no address of " + (role_ == Role::initiator ? peer_.name : "this node") + " for " +
                      std::string(transport.name),
                  "the link has none", "give the address, or listen on " + std::string(transport.name));
    else if (!reaches(transport, offer.stack.transport_options, trust))
      fits = fail(Errc::unsupported, std::string(transport.name) + " does not reach " + peer_.name,
                  "the two ends are not near enough", "swap to another transport");
    else if (auto proved = node_.prove(offer.stack, transport.facts(offer.stack.transport_options, trust),
                                       options_.needs, peer_);
             !proved)
      fits = tl::unexpected<Error>(proved.error());
    else if (const LayerType* type = encrypting_layer(offer.stack); type != nullptr)
      if (auto keys = node_.make_handshake(*type, role_); !keys) fits = tl::unexpected<Error>(keys.error());
    if (!fits && !std::exchange(refused, true)) first = fits.error();
    return !fits;
  });
  if (offers.empty()) return tl::unexpected<Error>(std::move(first));
  return {};
}

// Where the peer is dialled, or this node, over a transport; empty: not known.
std::string Link::known_address(const TransportType& transport) const {
  if (role_ == Role::initiator) {
    for (const Offer& offer : options_.offers)
      if (offer.stack.transport->name == transport.name) return offer.address;
    return {};
  }
  const std::string prefix = std::string(transport.name) + ":";
  for (const std::string& address : node_.addresses())
    if (address.starts_with(prefix)) return address.substr(prefix.size());
  return {};
}

void Link::ask_swap(std::vector<Offer> offers, std::uint64_t proposal) {
  if (swap_ != nullptr) {
    const bool ours = !swap_->queued.empty() && swap_->queued_proposal == 0 && proposal != 0;
    swap_->queued = std::move(offers);
    swap_->queued_proposal = proposal;
    if (ours) tell({EventKind::not_swapped, Errc::cancelled, "the peer asked for another stack"});
    return;
  }
  swap_ = std::make_unique<Swap>(options_.quota_bytes);
  swap_->offers = std::move(offers);
  swap_->proposal = proposal;
  swap_->asked = proposal == 0;
  swap_->back_off_ns = Node::repeat_ns;
  swap_->deadline_ns = node_.engine().now_ns() + options_.timeout_ns;
  if (role_ == Role::initiator) return dial_swap();
  swap_->stage = Swap::Stage::proposing;
  swap_->proposal = node_.engine().random().next();
  send_proposal();
  arm_swap(swap_->back_off_ns);
}

void Link::send_proposal() {
  setup::Propose propose{epoch_.attempt, swap_->proposal, {}, {}};
  for (std::size_t i = 0; i < std::min(swap_->offers.size(), setup::offers_max); ++i)
    propose.offers.push_back({swap_->offers[i].stack.text(), swap_->offers[i].address});
  propose.proof = epoch_.seal(true, propose);
  send_frame(propose);
}

// Our own address of the peer goes before the one that it names.
void Link::on_propose(const setup::Propose& propose) {
  if (role_ != Role::initiator || state_ != State::up || close_asked_) return;
  if (swap_ != nullptr && (swap_->proposal == propose.id || swap_->queued_proposal == propose.id)) return;
  std::vector<Offer> offers;
  Result<> fits = fail(Errc::invalid, "nothing was proposed");
  for (const setup::Proposed& proposed : propose.offers) {
    auto stack = stack_from(proposed.stack, node_.catalogue());
    if (!stack) {
      fits = tl::unexpected<Error>(stack.error());
      continue;
    }
    std::string address = known_address(*stack->transport);
    offers.push_back({std::move(*stack), address.empty() ? proposed.address : std::move(address)});
  }
  if (!offers.empty()) fits = may_swap(offers);
  if (fits) return ask_swap(std::move(offers), propose.id);
  const Error& error = fits.error();
  send_frame(setup::Refuse{propose.id, error.code, false, error.what, error.because, error.advice});
}

// ---- the next epoch, initiator ----

void Link::dial_swap() {
  Swap& swap = *swap_;
  const Offer& offer = swap.offers[swap.group];
  const std::span<const Offer> group(&offer, group_end(swap.offers, swap.group) - swap.group);
  const bool runs_on = std::all_of(group.begin(), group.end(), [&](const Offer& one) {
    return Stack::shares_session(epoch_.stack->spec(), one.stack) != 0;
  });
  // What is encrypted gives way to what is in clear only by its own word, which a session does not carry.
  swap.session = session_ != 0 && !runs_on && std::all_of(group.begin(), group.end(), [&](const Offer& one) {
                   return Stack::hands_on(epoch_.stack->spec(), one.stack) &&
                          (epoch_.handshake == nullptr || encrypting_layer(one.stack) != nullptr);
                 });
  auto transport = node_.transport(offer.stack.transport->name);
  auto endpoint = transport ? (*transport)->dial(offer.address) : tl::unexpected<Error>(transport.error());
  if (!endpoint) return swap_failed(endpoint.error());
  swap.other.endpoint = std::move(*endpoint);
  swap.other.attempt = node_.engine().random().next();
  attach<&Link::on_next_frame, &Link::on_next_event>(swap.other);
  auto opening = make_hello(swap.other.attempt, swap.offers, swap.group, swap.session ? 0 : epoch_.attempt);
  if (!opening) return swap_failed(opening.error());
  swap.opening = std::move(*opening);
  swap.started_ns = node_.engine().now_ns();
  swap.other.send(node_.engine().pool(), swap.opening->hello);
  arm_swap(swap.back_off_ns);
}

void Link::on_next_accept(const setup::Accept& accept) {
  Swap& swap = *swap_;
  if (swap.stage != Swap::Stage::dialing || swap.opening == nullptr) return;
  const std::size_t chosen = swap.group + accept.choice;
  if (chosen >= group_end(swap.offers, swap.group) || swap.offers[chosen].stack.hash() != accept.hash)
    return swap_failed({Errc::conflict, "the peer chose a stack that was not offered", {}, {}});
  if (accept.from != peer_)
    return swap_failed({Errc::conflict, "another node than " + peer_.name + " answered",
                        "its name is " + accept.from.name, "correct the address"});
  if (swap.session) return carry_session_over(accept);
  auto ready = finish_handshake(*swap.opening, accept);
  if (!ready) return swap_failed(ready.error());
  if (auto built = build_next(swap.offers[chosen].stack, std::move(swap.opening->handshake)); !built)
    return swap_failed(built.error());
  swap.other.ready_proof = std::move(*ready);
  swap.other.send(node_.engine().pool(), setup::Ready{swap.other.attempt, swap.other.ready_proof});
  swap.settle_ns = settle_after(node_.engine().now_ns() - swap.started_ns);
  choice_ = accept.choice;
  if (swap.other.handshake == nullptr || swap.other.bears_early_data()) return cut();
  swap.stage = Swap::Stage::confirming;  // data must not overtake our READY
}

// The link goes on as after lost contact, only that the peer has been dialled already (link_resume.cpp).
void Link::carry_session_over(const setup::Accept& accept) {
  const auto keep = shared_from_this();
  epoch_.stack->event({EventKind::peer_lost, Errc::peer_lost, "another stack takes over"});
  if (state_ == State::resuming && epoch_.attempt == accept.attempt) on_accept(accept);
}

// This address came to nothing: the next one, the same again when the peer was not ready, or none.
void Link::swap_failed(Error error) {
  Swap& swap = *swap_;
  if (swap.stage == Swap::Stage::proposing) return abort_swap(error);
  node_.retire(std::exchange(swap.other, Epoch(options_.quota_bytes)));
  swap.opening.reset();
  swap.stage = Swap::Stage::dialing;
  const std::size_t next = group_end(swap.offers, swap.group);
  const bool busy = error.code == Errc::exists;
  if (busy && node_.engine().now_ns() < swap.deadline_ns) return arm_swap(swap.back_off_ns);
  if (next >= swap.offers.size()) return abort_swap(error);
  swap.group = next;
  swap.deadline_ns = node_.engine().now_ns() + options_.timeout_ns;
  arm_swap(0);
}

// ---- the next epoch, responder ----

bool Link::swap_is(const setup::Hello& hello) const noexcept {
  return role_ == Role::responder && state_ == State::up && !close_asked_ && epoch_.attempt == hello.swaps &&
         peer_ == hello.from && (swap_ == nullptr || swap_->stage == Swap::Stage::proposing);
}

bool Link::is_draining() const noexcept { return swap_ != nullptr && swap_->stage == Swap::Stage::draining; }

// Those that carry anything of the application.
std::vector<const Epoch*> Link::epochs() const {
  std::vector<const Epoch*> all{&epoch_};
  if (is_draining()) all.push_back(&swap_->other);
  return all;
}

void Link::accept_swap(std::unique_ptr<Endpoint> endpoint, const setup::Hello& hello, const StackSpec& spec,
                       std::uint8_t choice, std::unique_ptr<Handshake> handshake) {
  auto proposed = std::exchange(swap_, std::make_unique<Swap>(options_.quota_bytes));
  Swap& swap = *swap_;
  if (proposed != nullptr) {  // what we proposed waits when the peer had another idea
    const bool ours = std::any_of(proposed->offers.begin(), proposed->offers.end(),
                                  [&](const Offer& offer) { return offer.stack.hash() == spec.hash(); });
    swap.asked = proposed->asked && ours;
    swap.queued = std::move(ours || !proposed->queued.empty() ? proposed->queued : proposed->offers);
  }
  swap.stage = Swap::Stage::answered;
  swap.other.endpoint = std::move(endpoint);
  swap.other.attempt = hello.attempt;
  swap.back_off_ns = Node::repeat_ns;
  swap.started_ns = node_.engine().now_ns();
  swap.deadline_ns = swap.started_ns + options_.timeout_ns;
  attach<&Link::on_next_frame, &Link::on_next_event>(swap.other);
  if (auto built = build_next(spec, std::move(handshake)); !built) {
    const Error& error = built.error();
    swap.other.send(node_.engine().pool(),
                    setup::Refuse{hello.attempt, error.code, false, error.what, error.because, error.advice});
    return abort_swap(error);
  }
  if (swap.other.handshake != nullptr) {
    swap.settle_ns = settle_after(Node::repeat_ns);
    if (!swap.other.bears_early_data())
      swap.other.send(node_.engine().pool(), setup::Ready{swap.other.attempt, {}});
    return cut();
  }
  swap.accept = setup::Accept{hello.attempt,
                              node_.identity(),
                              choice,
                              spec.hash(),
                              {agreed_.max_message, options_.quota_bytes},
                              options_.needs.word,
                              {}};
  swap.other.send(node_.engine().pool(), *swap.accept);
  arm_swap(swap.back_off_ns);
}

Result<> Link::build_next(const StackSpec& spec, std::unique_ptr<Handshake> handshake) {
  Epoch& next = swap_->other;
  auto stack = make_stack(next, spec, handshake.get(), &Link::deliver_next, &Link::notify_next);
  if (!stack) return tl::unexpected<Error>(stack.error());
  if ((*stack)->max_message() < epoch_.stack->max_message())
    return fail(Errc::unsupported, spec.text() + " takes smaller messages than the link",
                std::to_string((*stack)->max_message()) + " bytes against " +
                    std::to_string(epoch_.stack->max_message()),
                "put frag into it");
  next.handshake = std::move(handshake);
  next.stack = std::move(*stack);
  swap_->runs_on = Stack::shares_session(epoch_.stack->spec(), spec) != 0;
  attach<&Link::on_next_frame, &Link::on_next_event>(next, swap_->runs_on ? &Link::receive_first : nullptr);
  if (deaf_) next.stack->event({EventKind::pause});
  return {};
}

void Link::on_next_frame(const setup::Frame& frame) {
  Swap& swap = *swap_;
  const bool waits = swap.stage == Swap::Stage::answered || swap.stage == Swap::Stage::confirming;
  const auto mine = [&](const auto& value) { return value.attempt == swap.other.attempt; };
  if (const auto* accept = std::get_if<setup::Accept>(&frame)) {
    if (mine(*accept)) on_next_accept(*accept);
  } else if (const auto* refuse = std::get_if<setup::Refuse>(&frame)) {
    if (!mine(*refuse)) return;
    const Error error{refuse->code, refuse->what, refuse->because, refuse->advice};
    if (role_ == Role::initiator) return swap_failed(error);
    abort_swap(error);  // only who dialled has another address to try
  } else if (const auto* ready = std::get_if<setup::Ready>(&frame)) {
    if (mine(*ready) && waits) cut();
  } else if (const auto* cookie = std::get_if<setup::Cookie>(&frame)) {
    if (mine(*cookie) && swap.opening != nullptr) on_cookie(swap.other, *swap.opening, *cookie);
  } else if (const auto* hello = std::get_if<setup::Hello>(&frame)) {
    if (mine(*hello) && swap.accept) swap.other.send(node_.engine().pool(), *swap.accept);  // ours was lost
  } else if (const auto* told = std::get_if<setup::Cut>(&frame)) {
    if (!mine(*told) || !waits || !swap.other.is_sealed(*told, told->proof)) return;
    cut();  // READY was lost
    on_cut(*told);
  }
}

void Link::on_next_event(const Event& event) {
  const auto keep = shared_from_this();
  if (event.kind == EventKind::peer_lost || event.kind == EventKind::corrupt) {
    const Error error{event.code, "cannot swap link " + options_.name + " to " + peer_.name,
                      std::string(event.detail), "check that the node is up: harness node ls"};
    if (swap_->stage == Swap::Stage::dialing) return swap_failed(error);
    return abort_swap(error);
  }
  if (swap_->other.stack != nullptr) swap_->other.stack->event(event);
}

void Link::notify_next(void* self, const Event& event) {
  auto* link = static_cast<Link*>(self);
  switch (event.kind) {
    case EventKind::pause:
    case EventKind::resume: return link->swap_->other.endpoint->pause_receive(event.kind == EventKind::pause);
    case EventKind::resuming:
    case EventKind::peer_lost:
    case EventKind::corrupt: return link->on_next_event({EventKind::peer_lost, event.code, event.detail});
    default: return;
  }
}

// Data counts as READY.
void Link::deliver_next(void* self, Message& message) {
  static_cast<Link*>(self)->cut();
  deliver_held(self, message);
}

// The same ahead of a stack that runs on: before the cut its session is still in the old one. What overtakes
// our peer's READY is lost; `reliable` sends it again.
void Link::receive_first(void* self, const Entry*, harness_message* message) {
  auto* link = static_cast<Link*>(self);
  if (link->swap_ == nullptr || link->swap_->stage != Swap::Stage::answered) return;
  const auto keep = link->shared_from_this();
  link->cut();
  if (link->state_ >= State::closed || link->epoch_.stack == nullptr) return;
  const Entry up = link->epoch_.stack->up();
  up.fn(up.self, up.next, message);
}

// ---- giving up ----

// Before the cut; when the peer has cut already, its messages are in a stack that will never stand here.
void Link::abort_swap(const Error& error) {
  const auto keep = shared_from_this();
  const bool tells = swap_->asked;
  if (role_ == Role::initiator && swap_->proposal != 0)
    send_frame(setup::Refuse{swap_->proposal, error.code, false, error.what, error.because, error.advice});
  std::vector<Offer> queued = std::move(swap_->queued);
  const std::uint64_t proposal = swap_->queued_proposal;
  drop_swap();
  if (epoch_.fin_received && state_ == State::up)
    return finish(
        State::lost,
        {Errc::peer_lost, "the swap of link " + options_.name + " broke off half way", error.because, {}},
        EventKind::peer_lost);
  if (tells) tell({EventKind::not_swapped, error.code, error.because.empty() ? error.what : error.because});
  if (swap_ == nullptr && state_ == State::up) go_on_after_swap(std::move(queued), proposal);
}

void Link::drop_swap() {
  if (swap_ == nullptr) return;
  swap_timer_.cancel();
  const auto swap = std::move(swap_);
  drop_endpoint(swap->other, swap->has_cut() ? options_.linger_ns : 0);
  node_.retire(std::move(swap->other));
}

// ---- time ----

void Link::arm_swap(std::uint64_t delay_ns) noexcept {
  node_.engine().timers().arm(swap_timer_, node_.engine().now_ns() + delay_ns);
}

void Link::on_swap_timer() {
  const auto keep = shared_from_this();
  Swap& swap = *swap_;
  Pool& pool = node_.engine().pool();
  if (swap.has_cut()) return on_cut_timer();
  if (node_.engine().now_ns() >= swap.deadline_ns) {
    const Error late{
        Errc::timed_out, "the swap of link " + options_.name + " got no answer",
        peer_.name + " was silent for " + std::to_string(options_.timeout_ns / 1'000'000) + " ms",
        "check that the node is up: harness node ls"};
    return swap.stage == Swap::Stage::dialing ? swap_failed(late) : abort_swap(late);
  }
  swap.back_off_ns = std::min(2 * swap.back_off_ns, Node::back_off_ns_max);
  switch (swap.stage) {
    case Swap::Stage::proposing:
      if (epoch_.repeats()) send_proposal();
      break;
    case Swap::Stage::dialing:
      if (swap.other.endpoint == nullptr) return dial_swap();
      if (swap.other.repeats()) swap.other.send(pool, swap.opening->hello);
      break;
    default: break;  // answered: the peer repeats its HELLO, and CUT in place of a READY that was lost
  }
  arm_swap(std::min(swap.back_off_ns, swap.deadline_ns - node_.engine().now_ns()));
}

}  // namespace harness
