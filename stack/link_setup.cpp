// SPDX-License-Identifier: Apache-2.0
// How a link opens: dialling offers in order, HELLO / ACCEPT / REFUSE / READY, retries with back-off.
#include <harness/stack/link.hpp>

#include <algorithm>

#include <harness/stack/link_swap.hpp>
#include <harness/stack/node.hpp>

namespace harness {

Result<> proves(const Principal* principal, const setup::Identity& claimed) {
  if (principal != nullptr && principal->name == claimed.name && principal->domain == claimed.domain)
    return {};
  return fail(Errc::denied, "the peer is not who it says it is",
              principal == nullptr
                  ? "it has proved nothing"
                  : "it calls itself " + claimed.name + " of " + claimed.domain +
                        " and its certificate is that of " + principal->name + " of " + principal->domain,
              "look who answers at that address");
}

void Link::adopt(std::unique_ptr<Endpoint> endpoint) {
  epoch_.endpoint = std::move(endpoint);
  epoch_.gate->release(Gate::transport_bit);  // an earlier endpoint's
  attach();
}

// Until the stack exists data is ignored: on ordered media there is none, on the others the peer repeats it.
void Link::attach() {
  if (epoch_.endpoint != nullptr) attach<&Link::on_frame, &Link::on_endpoint_event>(epoch_);
}

// The neighbours of offer `group` with the same transport and address travel in the same HELLO.
std::size_t Link::group_end(const std::vector<Offer>& offers, std::size_t group) const noexcept {
  const Offer& first = offers[group];
  std::size_t end = group + 1;
  while (end < offers.size() && offers[end].address == first.address &&
         offers[end].stack.transport->name == first.stack.transport->name)
    ++end;
  return end;
}

// Dials the address of offer `group_`.
void Link::dial() {
  if (started_ns_ == 0) {
    started_ns_ = node_.engine().now_ns();
    deadline_ns_ = started_ns_ + options_.timeout_ns;
    back_off_ns_ = Node::repeat_ns;
  }
  const Offer& offer = options_.offers[group_];
  auto transport = node_.transport(offer.stack.transport->name);
  auto endpoint = transport ? (*transport)->dial(offer.address) : tl::unexpected<Error>(transport.error());
  if (!endpoint) return dial_next(endpoint.error());
  epoch_.attempt = node_.engine().random().next();
  answer_by_ns_ = node_.engine().now_ns() + options_.timeout_ns;
  adopt(std::move(*endpoint));
  if (auto said = say_hello(); !said) return dial_next(said.error());
  send_hello();
  retry_later(back_off_ns_);
}

void Link::retry_later(std::uint64_t delay_ns) {
  back_off_ns_ = std::min(2 * back_off_ns_, Node::back_off_ns_max);
  const std::uint64_t now = node_.engine().now_ns();
  // Spread by up to a quarter, so that many links do not retry in step.
  delay_ns += node_.engine().random().below(delay_ns / 4 + 1);
  const bool awaited = state_ == State::resuming && epoch_.endpoint != nullptr;
  const std::uint64_t end_ns = awaited ? std::min(deadline_ns_, answer_by_ns_) : deadline_ns_;
  arm(std::min(delay_ns, end_ns > now ? end_ns - now : 0));
}

// This address failed: the next one offered, or the first again after a pause.
void Link::dial_next(Error error) {
  const bool final = error.code == Errc::denied || error.code == Errc::conflict ||
                     error.code == Errc::unsupported || error.code == Errc::invalid ||
                     error.code == Errc::not_found;
  error_ = std::move(error);
  drop_endpoint(0);
  const std::size_t next = group_end(options_.offers, group_);
  failures_.resize(std::max(failures_.size(), next), {Errc::ok, {}, {}, {}});
  std::fill(failures_.begin() + static_cast<std::ptrdiff_t>(group_),
            failures_.begin() + static_cast<std::ptrdiff_t>(next), error_);
  if (next < options_.offers.size()) {
    group_ = next;
    return arm(0);
  }
  if (final && state_ == State::resuming && ends_with_session()) return;
  if (final || node_.engine().now_ns() >= deadline_ns_)
    return finish(State::lost, error_, EventKind::peer_lost);
  group_ = 0;
  retry_later(back_off_ns_);
}

// The HELLO of an attempt, and the handshake's first blob when an offer encrypts.
Result<std::unique_ptr<Link::Opening>> Link::make_hello(std::uint64_t attempt,
                                                        const std::vector<Offer>& offers, std::size_t group,
                                                        std::uint64_t swaps) const {
  auto opening = std::make_unique<Opening>();
  setup::Hello& hello = opening->hello;
  hello.attempt = attempt;
  hello.from = node_.identity();
  hello.to = peer_.name;
  hello.link = options_.name;
  hello.session = swaps == 0 ? session_ : 0;
  hello.swaps = swaps;
  hello.limits = {options_.max_message, options_.quota_bytes};
  hello.floor = options_.needs.word;
  const std::size_t end = std::min(group_end(offers, group), group + setup::offers_max);
  const LayerType* type = nullptr;
  for (std::size_t i = group; i < end; ++i) {
    const StackSpec& stack = offers[i].stack;
    hello.offers.push_back({stack.hash(), stack.text()});
    if (type == nullptr) type = encrypting_layer(stack);
  }
  if (type == nullptr) {
    if (swaps != 0) hello.proof = epoch_.seal(true, hello);
    node_.greet(hello);
    return opening;
  }
  auto handshake = node_.make_handshake(*type, Role::initiator);
  if (!handshake) return tl::unexpected<Error>(handshake.error());
  opening->handshake = std::move(*handshake);
  auto proof = opening->handshake->hello(setup::bound(hello));
  if (!proof) return tl::unexpected<Error>(proof.error());
  hello.proof = std::move(*proof);
  node_.greet(hello);
  return opening;
}

Result<> Link::say_hello() {
  auto opening = make_hello(epoch_.attempt, options_.offers, group_, 0);
  if (!opening) return tl::unexpected<Error>(opening.error());
  opening_ = std::move(*opening);
  return {};
}

void Link::send_hello() {
  if (epoch_.endpoint != nullptr && opening_ != nullptr) send_frame(opening_->hello);
}

void Link::send_ready() { send_frame(setup::Ready{epoch_.attempt, epoch_.ready_proof}); }

void Link::on_accept(const setup::Accept& accept) {
  if (state_ == State::up || state_ == State::closing) {
    send_ready();  // ours was lost
    return send_cut();
  }
  if (state_ != State::dialing && state_ != State::resuming) return;
  if (state_ == State::resuming && accept.from.incarnation != peer_.incarnation)
    return dial_next({Errc::not_found, "the session with " + peer_.name + " is gone",
                      "it came back as a new process", "open the link again"});
  const std::size_t chosen = group_ + accept.choice;
  if (chosen >= options_.offers.size() || options_.offers[chosen].stack.hash() != accept.hash)
    return dial_next({Errc::conflict, "the peer chose a stack that was not offered",
                      "choice " + std::to_string(accept.choice) + " with another hash",
                      "run the same release on both"});
  if (!peer_.name.empty() && accept.from.name != peer_.name)
    return dial_next({Errc::conflict, "another node than " + peer_.name + " answered",
                      "its name is " + accept.from.name, "correct the address of " + peer_.name});
  auto ready = finish_handshake(*opening_, accept);
  if (!ready) return dial_next(ready.error());
  epoch_.ready_proof = std::move(*ready);
  const auto self = node_.take(*this);  // it stands under the peer's name
  peer_ = accept.from;
  if (self != nullptr) node_.keep(self);
  agreed_ = {std::min(accept.limits.max_message, options_.max_message), accept.limits.quota_bytes};
  choice_ = accept.choice;
  if (auto built = build(options_.offers[chosen].stack, std::move(opening_->handshake)); !built)
    return dial_next(built.error());
  send_ready();
  // Data must not overtake a READY that the peer needs before it can read any.
  awaits_first_ = epoch_.handshake != nullptr && !epoch_.bears_early_data();
  if (!awaits_first_) become_up();
}

// The peer is under load, and wants to see that we hear it. A cookie may grow old on the way; nobody makes us
// talk without end.
void Link::on_cookie(Epoch& epoch, Opening& opening, const setup::Cookie& cookie) {
  constexpr std::uint8_t cookies_max = 8;
  if (opening.cookies >= cookies_max) return;
  ++opening.cookies;
  opening.hello.cookie = cookie.cookie;
  node_.greet(opening.hello);
  epoch.send(node_.engine().pool(), opening.hello);
}

// Encrypted, or going to be: nobody in clear takes it over or replaces it.
bool Link::needs_proof() const noexcept {
  if (state_ != State::dialing) return epoch_.handshake != nullptr;
  return std::all_of(options_.offers.begin(), options_.offers.end(),
                     [](const Offer& offer) { return encrypting_layer(offer.stack) != nullptr; });
}

// What the peer says of itself must be what it proves. Gives the third blob; none without a handshake.
Result<setup::Proof> Link::finish_handshake(Opening& opening, const setup::Accept& accept) const {
  if (opening.handshake == nullptr) return setup::Proof{};
  Handshake& handshake = *opening.handshake;
  auto ready = handshake.finish(accept.proof, setup::bound(accept));
  if (!ready) return ready;
  if (auto same = proves(handshake.peer(), accept.from); !same) return tl::unexpected<Error>(same.error());
  return ready;
}

void Link::on_ready() {
  if (awaits_first_) become_up();
}

// Our own attempt waits for the peer's; it goes on when that comes to nothing.
void Link::yield() {
  drop_endpoint(0);
  retry_later(4 * Node::repeat_ns);
}

// The same for an attempt that has proved nothing yet, which is why it is done a few times only.
void Link::stand_back() {
  constexpr std::uint8_t stood_back_max = 2;
  if (state_ == State::dialing && epoch_.endpoint != nullptr && stood_back_++ < stood_back_max) yield();
}

// Also when it was our READY that was refused: we were up by then, and heard nothing yet.
void Link::on_refuse(const setup::Refuse& refuse) {
  const Error error{refuse.code, refuse.what, refuse.because, refuse.advice};
  if (swap_ != nullptr && swap_->proposes(refuse.attempt)) return swap_failed(error);
  if (refuse.attempt != epoch_.attempt) return;
  if (state_ == State::up && role_ == Role::initiator && epoch_.handshake != nullptr &&
      epoch_.stack->delivered_messages() == 0)
    return finish(State::lost, error, EventKind::peer_lost);
  if (state_ != State::dialing && state_ != State::resuming) return;
  if (refuse.yield) return yield();
  dial_next(error);
}

// `handshake`: ended well, so that the link is up at once; null: it is up with READY or the first data.
void Link::accept(std::unique_ptr<Endpoint> endpoint, const setup::Hello& hello, StackSpec spec,
                  std::uint8_t choice, std::uint32_t max_message, std::unique_ptr<Handshake> handshake) {
  drop_endpoint(0);  // our own attempt, when both sides dialled
  opening_.reset();
  state_ = State::accepted;
  role_ = Role::responder;
  epoch_.attempt = hello.attempt;
  peer_ = hello.from;
  choice_ = choice;
  hash_ = spec.hash();
  agreed_ = {max_message, hello.limits.quota_bytes};
  if (started_ns_ == 0) started_ns_ = node_.engine().now_ns();
  if (!close_asked_) deadline_ns_ = node_.engine().now_ns() + options_.timeout_ns;
  back_off_ns_ = Node::repeat_ns;
  adopt(std::move(endpoint));
  if (auto built = build(spec, std::move(handshake)); !built) {
    send_frame(setup::Refuse{
        epoch_.attempt, built.error().code, false, built.error().what, built.error().because, {}});
    return finish(State::lost, built.error(), EventKind::peer_lost);
  }
  if (epoch_.handshake != nullptr) {
    if (!epoch_.bears_early_data()) send_ready();
    return become_up();
  }
  awaits_first_ = true;
  send_accept();
  retry_later(back_off_ns_);
}

void Link::send_accept() {
  send_frame(setup::Accept{epoch_.attempt,
                           node_.identity(),
                           choice_,
                           hash_,
                           {agreed_.max_message, options_.quota_bytes},
                           options_.needs.word,
                           {}});
}

void Link::on_hello(const setup::Hello&) {
  if (epoch_.handshake == nullptr && role_ == Role::responder &&
      (state_ == State::accepted || state_ == State::up))
    send_accept();  // ours was lost
}

// The stack of an epoch whose endpoint stands; not attached yet.
Result<std::unique_ptr<Stack>> Link::make_stack(Epoch& epoch, const StackSpec& spec, Handshake* handshake,
                                                Stack::Deliver to_deliver, Stack::Notify to_notify) {
  epoch.facts = spec.transport->facts(spec.transport_options, node_.trust_of(peer_));
  if (const Errc code = epoch.endpoint->configure(spec.transport_options); code != Errc::ok)
    return fail(code, "the transport refuses its options",
                print(StackText{{}, {std::string(spec.transport->name), {}}}));
  const auto proved = node_.prove(spec, epoch.facts, options_.needs, peer_);
  if (!proved) return tl::unexpected<Error>(proved.error());
  epoch.given = proved->given.word;
  const Foundation foundation{
      node_.engine(),      epoch.endpoint->down(), epoch.facts, *epoch.gate, epoch.quota.get(),       role_,
      agreed_.max_message, agreed_.quota_bytes,    handshake,   &regions_,   epoch.endpoint->direct()};
  return Stack::build(spec, foundation, to_deliver, to_notify, this);
}

// Takes the handshake over when the stack stands; the one before is that of a stack which goes now.
Result<> Link::build(const StackSpec& spec, std::unique_ptr<Handshake> handshake) {
  if (stale_) epoch_.gate->forget_layers();
  auto stack = make_stack(epoch_, spec, handshake.get(), &Link::deliver, &Link::notify);
  if (!stack) return tl::unexpected<Error>(stack.error());
  if (stale_)
    if (auto taken = (*stack)->take_session(*epoch_.stack); !taken) return taken;
  epoch_.stack = std::move(*stack);
  epoch_.handshake = std::move(handshake);
  stale_ = false;
  attach();
  apply_pause(true);
  return {};
}

void Link::become_up() {
  state_ = State::up;
  awaits_first_ = false;
  opening_.reset();
  if (!repeats()) epoch_.ready_proof = {};
  const bool again = session_ != 0;
  up_as_ = again ? EventKind::resumed : EventKind::up;
  if (epoch_.is_resumable() && !again) session_ = epoch_.attempt;
  resume_deadline_ns_ = 0;
  up_since_ns_ = node_.engine().now_ns();
  error_ = {Errc::ok, {}, {}, {}};
  timer_.cancel();
  opened_ns_ = node_.engine().now_ns() - started_ns_;
  epoch_.gate->release(Gate::link_bit);
  if (!again) (void)epoch_.gate->take_refusals();  // `up` tells it
  if (epoch_.endpoint->mtu() < epoch_.facts.max_message)
    epoch_.stack->event({EventKind::mtu, Errc::ok, {}, epoch_.endpoint->mtu()});
  epoch_.stack->event({EventKind::up});
  if (again && state_ == State::up) epoch_.stack->event({EventKind::writable});
  if (!awaited_.empty() && state_ == State::up) tell_swap();
  if (close_asked_) close();
}

}  // namespace harness
