// SPDX-License-Identifier: Apache-2.0
// How a peer that dials comes in: HELLO, admission, choice of its offers, and the link.
//
//   HELLO ── without a handshake ──▶ the link, accepted (link_setup.cpp)
//         ── with one ──▶ answered: ACCEPT, no link yet ── READY that proves the peer ──▶ the link, up
//
// What is said in clear changes nothing that exists before it is proved: a HELLO in another's name ends no
// link, takes no session over and stops no attempt of ours for longer than a few repetitions. What a HELLO
// must show before it is read at all: node_screen.cpp.
#include <algorithm>

#include <harness/stack/node_waiting.hpp>

namespace harness {

namespace {

// Of a link that the peer opens.
LinkOptions link_options(const setup::Hello& hello, const Admission& admission) {
  LinkOptions options;
  options.name = hello.link;
  options.needs = admission.floor;
  options.max_message = admission.max_message;
  options.quota_bytes = admission.quota_bytes;
  options.resume_ns = admission.resume_ns;
  return options;
}

}  // namespace

void Node::accepted(std::unique_ptr<Endpoint> endpoint) {
  if (waiting_.size() >= waiting_max) release(waiting_.front());  // the oldest stranger goes
  if (2 * waiting_.size() >= waiting_max) guard_.alarm(engine_.now_ns());
  Waiting& waiting = waiting_.emplace_back(*this, std::move(endpoint));
  waiting.home = &waiting_;
  waiting.place = std::prev(waiting_.end());
  Receiver receiver;
  receiver.self = &waiting;
  receiver.setup = [](void* self, Message& frame) {
    auto* at = static_cast<Waiting*>(self);
    at->node.on_frame(*at, frame);
  };
  receiver.event = [](void* self, const Event& event) {
    auto* at = static_cast<Waiting*>(self);
    if (event.kind != EventKind::writable) at->node.release(*at);
  };
  waiting.endpoint->attach(receiver);
  waiting.deadline_ns = engine_.now_ns() + hello_timeout_ns;
  engine_.timers().arm(waiting.timer, waiting.deadline_ns);
}

// Its time is over, or ACCEPT is due again on a medium that loses frames.
void Node::on_timer(Waiting& waiting) {
  const std::uint64_t now = engine_.now_ns();
  if (now >= waiting.deadline_ns || waiting.answered == nullptr) return release(waiting);
  send_accept(waiting);
  waiting.back_off_ns = std::min(2 * waiting.back_off_ns, back_off_ns_max);
  engine_.timers().arm(waiting.timer, std::min(now + waiting.back_off_ns, waiting.deadline_ns));
}

void Node::send_accept(Waiting& waiting) {
  Message frame = setup::write(engine_.pool(), waiting.answered->accept);
  if (frame) (void)waiting.endpoint->send_setup(std::move(frame));
}

// The structure is freed in the next turn: this may run inside its endpoint's callback.
void Node::release(Waiting& waiting) noexcept {
  waiting.timer.cancel();
  if (waiting.endpoint != nullptr) {
    waiting.endpoint->attach({});
    waiting.endpoint->close(hello_timeout_ns);
    retire(std::move(waiting.endpoint));
  }
  if (waiting.home == nullptr) return;  // already
  dead_waiting_.splice(dead_waiting_.end(), *std::exchange(waiting.home, nullptr), waiting.place);
}

void Node::turn_away(Waiting& waiting, std::uint64_t attempt, const Error& error, bool yield) {
  ++refused_count_;
  Message frame = setup::write(
      engine_.pool(), setup::Refuse{attempt, error.code, yield, error.what, error.because, error.advice});
  if (frame) (void)waiting.endpoint->send_setup(std::move(frame));
  release(waiting);
}

void Node::on_frame(Waiting& waiting, Message& frame) {
  const Bytes bytes = frame.gathered(engine_.pool());
  if (waiting.answered == nullptr && !screen(waiting, bytes)) return;
  auto parsed = setup::parse(bytes);
  const auto* hello = parsed ? std::get_if<setup::Hello>(&*parsed) : nullptr;
  if (waiting.answered == nullptr && hello != nullptr) return on_hello(waiting, *hello);
  if (waiting.answered == nullptr)
    return turn_away(
        waiting, 0, parsed ? Error{Errc::corrupt, "the first frame is not a HELLO", {}, {}} : parsed.error());
  const auto* ready = parsed ? std::get_if<setup::Ready>(&*parsed) : nullptr;
  const std::uint64_t attempt = waiting.answered->hello.attempt;
  if (ready != nullptr && ready->attempt == attempt) return on_ready(waiting, *ready);
  if (hello != nullptr && hello->attempt == attempt) return send_accept(waiting);  // ours was lost
  ++refused_count_;
}

// The link of ours that the HELLO is about: the session it goes on with, the attempt of ours that meets it,
// or what is left of the peer's former self; null: none. Changes nothing.
Result<std::shared_ptr<Link>> Node::meant(const setup::Hello& hello) const {
  std::shared_ptr<Link> mine = find(hello.from.name, hello.link);
  if (mine != nullptr && mine->needs_proof() && hello.proof.empty())
    return fail(Errc::denied, "link " + hello.link + " to " + hello.from.name + " is encrypted",
                "whoever calls itself " + hello.from.name + " proves nothing",
                "dial with a stack that encrypts");
  if (hello.swaps != 0) {
    if (mine != nullptr && mine->swap_is(hello)) return mine;
    return fail(mine != nullptr ? Errc::exists : Errc::not_found,
                "link " + hello.link + " cannot take another stack now",
                mine != nullptr ? "the swap before has not ended, or the link closes" : "it is gone",
                "ask again");
  }
  if (hello.session != 0) {
    if (mine != nullptr && mine->session_is(hello)) {
      if (!mine->is_draining()) return mine;
      return fail(Errc::exists, "the session of link " + hello.link + " cannot go on now",
                  "the swap before has not ended", "ask again");
    }
    return fail(Errc::not_found, "the session of link " + hello.link + " is gone",
                identity_.name + " has ended it, or is a new process", "open the link again");
  }
  if (mine == nullptr || mine->state() == Link::State::dialing ||
      mine->peer().incarnation != hello.from.incarnation)
    return mine;
  return fail(Errc::exists,
              "link " + hello.link + " between " + hello.from.name + " and " + identity_.name + " is open",
              "it is " + std::string(to_string(mine->state())), "give the second link another name");
}

// The link that goes on with this peer, null when a new one is to be made. The peer may have noticed a lost
// connection that we have not.
std::shared_ptr<Link> Node::make_way(std::shared_ptr<Link> mine, const setup::Hello& hello) {
  if (mine == nullptr || mine->state() == Link::State::dialing || hello.swaps != 0) return mine;
  if (hello.session != 0) {
    if (mine->state() != Link::State::resuming)
      mine->epoch_.stack->event({EventKind::peer_lost, Errc::peer_lost, "the peer dials again"});
    return mine;
  }
  mine->finish(Link::State::lost, {Errc::peer_lost, hello.from.name + " came back as a new process", {}, {}},
               EventKind::peer_lost);
  return nullptr;
}

// Both sides dialled: the smaller name's attempt stands, unless it got nowhere while the other side came
// through twice.
bool Node::asks_to_yield(Link& mine, const std::string& peer) const noexcept {
  constexpr std::uint8_t yields_asked_max = 2;
  if (identity_.name >= peer || mine.epoch_.endpoint == nullptr || mine.yields_asked_ >= yields_asked_max)
    return false;
  ++mine.yields_asked_;
  return true;
}

void Node::on_hello(Waiting& waiting, const setup::Hello& hello) {
  if (!hello.to.empty() && hello.to != identity_.name)
    return turn_away(waiting, hello.attempt,
                     {Errc::conflict, "this node is not " + hello.to, "its name is " + identity_.name,
                      "dial it as " + identity_.name + ", or correct the address of " + hello.to});
  auto mine = meant(hello);
  if (!mine) return turn_away(waiting, hello.attempt, mine.error());
  if (*mine != nullptr && hello.session == 0 && hello.swaps == 0 && asks_to_yield(**mine, hello.from.name))
    return turn_away(waiting, hello.attempt,
                     {Errc::exists, "both sides dialled", "the smaller name's attempt stands", {}}, true);
  auto admission = admit_(hello.from, hello.link);
  if (!admission) return turn_away(waiting, hello.attempt, admission.error());
  auto choice = choose(hello, *waiting.endpoint, *admission);
  if (!choice) return turn_away(waiting, hello.attempt, choice.error());
  LinkOptions options = *mine != nullptr ? (*mine)->options_ : link_options(hello, *admission);
  options.max_message = std::min(largest_message(options), hello.limits.max_message);
  const LayerType* encrypting = encrypting_offer(hello);
  if (hello.swaps != 0 && encrypting == nullptr && !(*mine)->epoch_.is_sealed(hello, hello.proof))
    return turn_away(waiting, hello.attempt,
                     {Errc::denied,
                      "who asks to swap link " + hello.link + " has not proved to be its peer",
                      "the code of its HELLO is not one of the stack that stands",
                      {}});
  if (hello.proof.empty() || (hello.swaps != 0 && encrypting == nullptr))
    return enter(waiting, hello, options, std::move(*choice), nullptr);
  if (encrypting == nullptr)
    return turn_away(waiting, hello.attempt,
                     {Errc::corrupt, "a handshake for nothing", "no offer encrypts", {}});
  if (auto answered = answer(waiting, hello, options, std::move(*choice), *encrypting); !answered)
    return turn_away(waiting, hello.attempt, answered.error());
  if (*mine != nullptr) (*mine)->stand_back();
}

// The layer whose handshake the HELLO carries; null: no offer encrypts.
const LayerType* Node::encrypting_offer(const setup::Hello& hello) const {
  for (const setup::Offer& offer : hello.offers)
    if (auto spec = stack_from(offer.stack, catalogue_))
      if (const LayerType* type = encrypting_layer(*spec)) return type;
  return nullptr;
}

// A HELLO with a handshake is answered by ACCEPT with one, whatever stack was chosen: so nobody in between
// can take the encrypting offers out.
Result<> Node::answer(Waiting& waiting, const setup::Hello& hello, const LinkOptions& options, Choice choice,
                      const LayerType& encrypting) {
  if (hello.greeting == Code{})
    return fail(Errc::denied, "the first frame does not greet", "it has a handshake and no code over itself",
                "run the same release on both nodes");
  auto handshake = make_handshake(encrypting, Role::responder);
  if (!handshake) return tl::unexpected<Error>(handshake.error());
  setup::Accept accept{hello.attempt,
                       identity_,
                       choice.index,
                       choice.stack.hash(),
                       {options.max_message, options.quota_bytes},
                       options.needs.word,
                       {}};
  auto proof = (*handshake)->answer(setup::bound(hello), hello.proof, setup::bound(accept));
  if (!proof) return tl::unexpected<Error>(proof.error());
  accept.proof = std::move(*proof);
  waiting.answered = std::make_unique<Waiting::Answered>(
      Waiting::Answered{hello, std::move(accept), options, std::move(choice), std::move(*handshake)});
  if (answered_.size() >= waiting_max) release(answered_.front());
  if (2 * answered_.size() >= waiting_max) guard_.alarm(engine_.now_ns());
  answered_.splice(answered_.end(), *std::exchange(waiting.home, &answered_), waiting.place);
  send_accept(waiting);
  const bool repeats = !waiting.endpoint->facts().word.covers(property::reliable);
  if (repeats) engine_.timers().arm(waiting.timer, engine_.now_ns() + waiting.back_off_ns);
  return {};
}

void Node::on_ready(Waiting& waiting, const setup::Ready& ready) {
  Waiting::Answered& answered = *waiting.answered;
  const setup::Hello& hello = answered.hello;
  auto done = answered.handshake->confirm(ready.proof);
  if (done) done = proves(answered.handshake->peer(), hello.from);
  if (!done) return turn_away(waiting, hello.attempt, done.error());
  const auto kept = std::move(waiting.answered);
  enter(waiting, kept->hello, kept->options, std::move(kept->choice), std::move(kept->handshake));
}

// The peer is in: the link that it meant goes on with it, or a new one opens.
void Node::enter(Waiting& waiting, const setup::Hello& hello, const LinkOptions& options, Choice choice,
                 std::unique_ptr<Handshake> handshake) {
  auto mine = meant(hello);
  if (!mine) return turn_away(waiting, hello.attempt, mine.error());
  std::shared_ptr<Link> link = make_way(std::move(*mine), hello);
  if (link == nullptr) {
    link.reset(new Link(*this, options, Role::responder));
    link->peer_ = hello.from;
    keep(link);
    if (on_link_) on_link_(link);
    if (link->state() >= Link::State::closed)
      return turn_away(
          waiting, hello.attempt,
          {Errc::denied, identity_.name + " closed link " + hello.link + " as it opened", {}, {}});
  }
  std::unique_ptr<Endpoint> endpoint = std::move(waiting.endpoint);
  release(waiting);
  if (hello.swaps != 0)
    return link->accept_swap(std::move(endpoint), hello, choice.stack, choice.index, std::move(handshake));
  link->accept(std::move(endpoint), hello, std::move(choice.stack), choice.index, options.max_message,
               std::move(handshake));
}

// The first offer that is ours, has the hash we compute, stands on this transport and passes check.
Result<Node::Choice> Node::choose(const setup::Hello& hello, const Endpoint& endpoint,
                                  const Admission& admission) const {
  const Properties trust = trust_of(hello.from);
  Error first{Errc::invalid, "nothing was offered", {}, {}};
  for (std::size_t i = 0; i < hello.offers.size(); ++i) {
    auto refused = [&](Error error) {
      if (i == 0) first = std::move(error);
    };
    auto spec = stack_from(hello.offers[i].stack, catalogue_);
    if (!spec) {
      refused(spec.error());
      continue;
    }
    if (spec->hash() != hello.offers[i].hash) {
      refused({Errc::conflict, "the two nodes read the same stack differently",
               "the hashes of " + spec->text() + " differ", "run the same release on both nodes"});
      continue;
    }
    if (!endpoint.peer_address().starts_with(std::string(spec->transport->name) + ":")) {
      refused({Errc::unsupported, "the offer " + spec->text() + " arrived over another transport",
               endpoint.peer_address(), "dial the address of its own transport"});
      continue;
    }
    if (encrypting_layer(*spec) != nullptr && hello.proof.empty()) {
      refused({Errc::corrupt, "an encrypted stack without a handshake", spec->text(), {}});
      continue;
    }
    const Facts facts = spec->transport->facts(spec->transport_options, trust);
    if (auto proved = prove(*spec, facts, admission.floor, hello.from); !proved) {
      refused(proved.error());
      continue;
    }
    return Choice{std::move(*spec), static_cast<std::uint8_t>(i)};
  }
  return tl::unexpected<Error>(std::move(first));
}

}  // namespace harness
