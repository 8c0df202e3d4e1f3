// SPDX-License-Identifier: Apache-2.0
// How a link opens: dialling offers in order, HELLO / ACCEPT / REFUSE / READY, retries with back-off.
#include <harness/stack/link.hpp>

#include <algorithm>

#include <harness/stack/node.hpp>

namespace harness {

void Link::adopt(std::unique_ptr<Endpoint> endpoint) {
  endpoint_ = std::move(endpoint);
  gate_.release(Gate::transport_bit);  // an earlier endpoint's
  attach();
}

// Until the stack exists data is ignored: on ordered media there is none, on the others the peer repeats it.
void Link::attach() {
  if (endpoint_ == nullptr) return;
  Receiver receiver;
  if (stack_ != nullptr && !stale_) receiver.up = stack_->up();
  receiver.self = this;
  receiver.setup = [](void* self, Message& frame) { static_cast<Link*>(self)->on_frame(frame); };
  receiver.event = [](void* self, const Event& event) { static_cast<Link*>(self)->on_endpoint_event(event); };
  receiver.gate = &gate_;
  receiver.quota = quota_.get();
  endpoint_->attach(receiver);
}

// The neighbours of offer `group_` with the same transport and address travel in the same HELLO.
std::size_t Link::group_end() const noexcept {
  const Offer& first = options_.offers[group_];
  std::size_t end = group_ + 1;
  while (end < options_.offers.size() && options_.offers[end].address == first.address &&
         options_.offers[end].stack.transport->name == first.stack.transport->name)
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
  attempt_ = node_.engine().random().next();
  answer_by_ns_ = node_.engine().now_ns() + options_.timeout_ns;
  adopt(std::move(*endpoint));
  send_hello();
  retry_later(back_off_ns_);
}

void Link::retry_later(std::uint64_t delay_ns) {
  back_off_ns_ = std::min(2 * back_off_ns_, Node::back_off_ns_max);
  const std::uint64_t now = node_.engine().now_ns();
  // Spread by up to a quarter, so that many links do not retry in step.
  delay_ns += node_.engine().random().below(delay_ns / 4 + 1);
  const bool awaited = state_ == State::resuming && endpoint_ != nullptr;
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
  const std::size_t next = group_end();
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

void Link::send_hello() {
  if (endpoint_ == nullptr) return;
  setup::Hello hello;
  hello.attempt = attempt_;
  hello.from = node_.identity();
  hello.to = peer_.name;
  hello.link = options_.name;
  hello.allow_clear = options_.needs.allow_clear;
  hello.session = session_;
  hello.limits = {options_.max_message, options_.quota_bytes};
  const std::size_t end = std::min(group_end(), group_ + setup::offers_max);
  for (std::size_t i = group_; i < end; ++i)
    hello.offers.push_back({options_.offers[i].stack.hash(), options_.offers[i].stack.text()});
  send_frame(hello);
}

void Link::on_accept(const setup::Accept& accept) {
  if (state_ == State::up || state_ == State::closing) {
    send_frame(setup::Ready{attempt_});  // ours was lost
    return;
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
  const auto self = node_.take(*this);  // it stands under the peer's name
  peer_ = accept.from;
  if (self != nullptr) node_.keep(self);
  agreed_ = {std::min(accept.limits.max_message, options_.max_message), accept.limits.quota_bytes};
  choice_ = accept.choice;
  if (auto built = build(options_.offers[chosen].stack); !built) return dial_next(built.error());
  send_frame(setup::Ready{attempt_});
  become_up();
}

void Link::on_refuse(const setup::Refuse& refuse) {
  if (state_ != State::dialing && state_ != State::resuming) return;
  if (refuse.yield) {  // the peer's own attempt stands; wait for its HELLO
    drop_endpoint(0);
    return retry_later(4 * Node::repeat_ns);
  }
  dial_next({refuse.code, refuse.what, refuse.because, refuse.advice});
}

void Link::accept(std::unique_ptr<Endpoint> endpoint, const setup::Hello& hello, StackSpec spec,
                  std::uint8_t choice) {
  drop_endpoint(0);  // our own attempt, when both sides dialled
  state_ = State::accepted;
  role_ = Role::responder;
  attempt_ = hello.attempt;
  peer_ = hello.from;
  choice_ = choice;
  hash_ = spec.hash();
  agreed_ = {std::min(hello.limits.max_message, options_.max_message), hello.limits.quota_bytes};
  if (started_ns_ == 0) started_ns_ = node_.engine().now_ns();
  if (!close_asked_) deadline_ns_ = node_.engine().now_ns() + options_.timeout_ns;
  back_off_ns_ = Node::repeat_ns;
  adopt(std::move(endpoint));
  if (auto built = build(spec); !built) {
    send_frame(
        setup::Refuse{attempt_, built.error().code, false, built.error().what, built.error().because, {}});
    return finish(State::lost, built.error(), EventKind::peer_lost);
  }
  send_accept();
  retry_later(back_off_ns_);
}

void Link::send_accept() {
  send_frame(
      setup::Accept{attempt_, node_.identity(), choice_, hash_, {agreed_.max_message, options_.quota_bytes}});
}

void Link::on_hello(const setup::Hello&) {
  if (role_ == Role::responder && (state_ == State::accepted || state_ == State::up))
    send_accept();  // ours was lost
}

Result<> Link::build(const StackSpec& spec) {
  const Properties trust = node_.trust_of(peer_);
  facts_ = spec.transport->facts(spec.transport_options, trust);
  if (const Errc code = endpoint_->configure(spec.transport_options); code != Errc::ok)
    return fail(code, "the transport refuses its options",
                print(StackText{{}, {std::string(spec.transport->name), {}}}));
  const auto proved = check(spec, facts_, with_domain_floor(options_.needs, trust), node_.catalogue());
  if (!proved) return tl::unexpected<Error>(proved.error());
  clear_ = property::level(trust, Axis::trust) == 0 && !proved->given.word.covers(property::encrypted);
  Foundation foundation{node_.engine(),      endpoint_->down(),  facts_, gate_, quota_.get(), role_,
                        agreed_.max_message, agreed_.quota_bytes};
  if (stale_) gate_.forget_layers();
  auto stack = Stack::build(spec, foundation, &Link::deliver, &Link::notify, this);
  if (!stack) return tl::unexpected<Error>(stack.error());
  if (stale_)
    if (auto taken = (*stack)->take_session(*stack_); !taken) return taken;
  stack_ = std::move(*stack);
  stale_ = false;
  resumable_ = proved->given.word.covers(property::resumable);
  attach();
  apply_pause(true);
  return {};
}

void Link::become_up() {
  state_ = State::up;
  again_ = session_ != 0;
  if (resumable_ && session_ == 0) session_ = attempt_;
  resume_deadline_ns_ = 0;
  up_since_ns_ = node_.engine().now_ns();
  error_ = {Errc::ok, {}, {}, {}};
  timer_.cancel();
  opened_ns_ = node_.engine().now_ns() - started_ns_;
  gate_.release(Gate::link_bit);
  if (!again_) (void)gate_.take_refusals();  // `up` tells it
  if (endpoint_->mtu() < facts_.max_message) stack_->event({EventKind::mtu, Errc::ok, {}, endpoint_->mtu()});
  stack_->event({EventKind::up});
  if (again_ && state_ == State::up) stack_->event({EventKind::writable});
  if (close_asked_) close();
}

}  // namespace harness
