// SPDX-License-Identifier: Apache-2.0
// A link that runs and closes. How it opens: link_setup.cpp.
#include <harness/stack/link.hpp>

#include <algorithm>
#include <array>

#include <harness/stack/link_swap.hpp>
#include <harness/stack/node.hpp>

namespace harness {

namespace {
constexpr std::uint64_t closing_look_ns =
    500'000;  // how often a closing link looks whether its pumps are empty

}  // namespace

std::string_view to_string(Link::State state) noexcept {
  switch (state) {
    case Link::State::dialing: return "dialing";
    case Link::State::accepted: return "accepted";
    case Link::State::up: return "up";
    case Link::State::resuming: return "resuming";
    case Link::State::closing: return "closing";
    case Link::State::closed: return "closed";
    case Link::State::lost: return "lost";
  }
  return "unknown";
}

std::uint32_t largest_message(const LinkOptions& options) noexcept {
  if (options.max_message != 0) return options.max_message;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(options.quota_bytes / 2, message_bytes_max));
}

Link::Link(Node& node, LinkOptions options, Role role)
    : regions_(node.engine().random()), epoch_(options.quota_bytes),
      state_(role == Role::initiator ? State::dialing : State::accepted), role_(role), node_(node),
      options_(std::move(options)), timer_([](void* self) { static_cast<Link*>(self)->on_timer(); }, this),
      swap_timer_([](void* self) { static_cast<Link*>(self)->on_swap_timer(); }, this) {
  options_.max_message = largest_message(options_);
}

Link::~Link() = default;

Message Link::make(std::uint32_t bytes) noexcept {
  Pool& pool = node_.engine().pool();
  const bool asks = bytes >= Endpoint::make_bytes_min && epoch_.endpoint != nullptr;
  return asks ? epoch_.endpoint->make(pool, bytes) : Message::make(pool, bytes);
}

Errc Link::blocked() noexcept {
  if (state_ >= State::closing || close_asked_) return Errc::closed;
  if (epoch_.stack == nullptr) epoch_.gate->note_refusal();
  return Errc::would_block;
}

void Link::on_message(OnMessage handler) {
  on_message_ = std::move(handler);
  apply_pause(false);
}

void Link::set_paused(bool paused) noexcept {
  if (paused_ == paused) return;
  paused_ = paused;
  apply_pause(false);
}

// Down the stack, whose layers stop what they gave credit for and go on acknowledging; what none of them
// takes comes back by notify and stops the endpoint. anew: this stack was told nothing yet.
void Link::apply_pause(bool anew) noexcept {
  const bool deaf = paused_ || !on_message_;
  if (epoch_.stack == nullptr || stale_) return;
  const bool was_deaf = !anew && deaf_;
  deaf_ = deaf;
  if (deaf == was_deaf) return;
  const Event event{deaf ? EventKind::pause : EventKind::resume};
  if (swap_ != nullptr && swap_->stage == Swap::Stage::draining && !swap_->runs_on) {
    swap_->other.stack->event(event);
    if (!deaf) flush_held();
  }
  epoch_.stack->event(event);
}

Result<Explanation> Link::explain() const {
  if (epoch_.stack == nullptr)
    return fail(Errc::closed, "link " + options_.name + " has no stack",
                "it is " + std::string(to_string(state_)));
  return harness::explain(epoch_.stack->spec(), epoch_.facts, options_.needs, node_.catalogue());
}

Result<> Link::add_tap(std::size_t boundary, Tap& tap) {
  if (epoch_.stack == nullptr) return fail(Errc::closed, "link " + options_.name + " has no stack");
  auto added = epoch_.stack->add_tap(boundary, tap);
  attach();
  return added;
}

void Link::remove_tap(Tap& tap) noexcept {
  if (epoch_.stack == nullptr) return;
  epoch_.stack->remove_tap(tap);
  attach();
  if (swap_ != nullptr && swap_->stage == Swap::Stage::draining) {
    swap_->other.stack->remove_tap(tap);
    attach<&Link::on_old_frame, &Link::on_old_event>(swap_->other);
  }
}

void Link::deliver(void* self, Message& message) {
  auto* link = static_cast<Link*>(self);
  if (link->awaits_first_) [[unlikely]]
    link->become_up();  // data counts as READY
  if (link->on_message_) link->on_message_(std::move(message));
}

void Link::notify(void* self, const Event& event) {
  auto* link = static_cast<Link*>(self);
  switch (event.kind) {
    case EventKind::resuming:
      if (link->session_ != 0) return link->lose_contact(event);
      [[fallthrough]];
    case EventKind::peer_lost:
      return link->finish(State::lost,
                          {event.code, "lost the peer " + link->peer_.name, std::string(event.detail), {}},
                          EventKind::peer_lost);
    case EventKind::corrupt:
      return link->finish(
          State::lost,
          {Errc::corrupt, "damaged bytes on the link to " + link->peer_.name, std::string(event.detail),
           "add checksum to the stack of a lossy transport, or look for a broken host in between"},
          event.kind);
    case EventKind::closed: return link->finish(State::closed, {Errc::ok, {}, {}, {}}, event.kind);
    case EventKind::writable:
      if (link->state_ != State::up) return;
      break;
    case EventKind::mtu:
    case EventKind::noted: return;  // for the layers
    case EventKind::pause:
    case EventKind::resume:
      if (link->epoch_.endpoint != nullptr)
        link->epoch_.endpoint->pause_receive(event.kind == EventKind::pause);
      return;
    case EventKind::up: return link->tell({link->up_as_, event.code, event.detail, event.value});
    default: break;
  }
  link->tell(event);
}

void Link::tell(const Event& event) {
  if (on_event_) on_event_(event);
}

bool Link::send_frame(const setup::Frame& frame) noexcept {
  return epoch_.send(node_.engine().pool(), frame);
}

// After a handshake the frames that close carry a code that only the two ends can make.
bool Link::send_fin(Epoch& epoch, std::uint64_t successor) {
  setup::Fin fin{epoch.attempt, epoch.endpoint->frames_sent(), successor, epoch.sent(), {}};
  fin.proof = epoch.seal(true, fin);
  return epoch.send(node_.engine().pool(), fin);
}

void Link::arm(std::uint64_t delay_ns) noexcept {
  node_.engine().timers().arm(timer_, node_.engine().now_ns() + delay_ns);
}

void Link::read_frame(Message& frame, OnFrame handler) {
  const auto keep = shared_from_this();  // a handler may let the last outside reference go
  const auto parsed = setup::parse(frame.gathered(node_.engine().pool()));
  if (parsed) return (this->*handler)(*parsed);
  ++node_.refused_count_;
  if (handler == &Link::on_frame && state_ == State::dialing) dial_next(parsed.error());
}

void Link::on_frame(const setup::Frame& frame) {
  const auto mine = [&](const auto& value) { return value.attempt == epoch_.attempt; };
  const auto sealed = [&](const auto& value) {
    const bool right = mine(value) && epoch_.is_sealed(value, value.proof);
    if (!right) ++node_.refused_count_;
    return right;
  };
  if (const auto* hello = std::get_if<setup::Hello>(&frame)) {
    if (mine(*hello)) on_hello(*hello);
  } else if (const auto* accept = std::get_if<setup::Accept>(&frame)) {
    if (mine(*accept)) on_accept(*accept);
  } else if (const auto* refuse = std::get_if<setup::Refuse>(&frame)) {
    on_refuse(*refuse);
  } else if (const auto* cookie = std::get_if<setup::Cookie>(&frame)) {
    if (mine(*cookie) && opening_ != nullptr && (state_ == State::dialing || state_ == State::resuming))
      on_cookie(epoch_, *opening_, *cookie);
  } else if (const auto* ready = std::get_if<setup::Ready>(&frame)) {
    if (mine(*ready)) on_ready();
  } else if (const auto* fin = std::get_if<setup::Fin>(&frame)) {
    if (sealed(*fin)) on_fin(*fin);
  } else if (const auto* ack = std::get_if<setup::FinAck>(&frame)) {
    if (sealed(*ack) && epoch_.fin_sent) epoch_.fin_acked = true;
    maybe_closed();
  } else if (const auto* propose = std::get_if<setup::Propose>(&frame)) {
    if (sealed(*propose)) on_propose(*propose);
  } else if (const auto* cut = std::get_if<setup::Cut>(&frame)) {
    if (sealed(*cut)) on_cut(*cut);
  }
}

void Link::on_endpoint_event(const Event& event) {
  const auto keep = shared_from_this();
  if (event.kind == EventKind::peer_lost && (state_ == State::dialing || state_ == State::resuming))
    return dial_next({event.code, "cannot reach " + peer_.name + " at " + options_.offers[group_].address,
                      std::string(event.detail), "check that the node is up: harness node ls"});
  if (event.kind == EventKind::peer_lost && state_ == State::closing && epoch_.fin_received &&
      (epoch_.fin_sent || !epoch_.is_resumable())) {
    epoch_.peer_gone = epoch_.fin_acked = true;  // it had all it wanted
    return maybe_closed();
  }
  if (epoch_.stack != nullptr && !stale_) {
    epoch_.stack->event(event);
  } else if (event.kind == EventKind::peer_lost || event.kind == EventKind::corrupt) {
    notify(this, event);
  }
  if (state_ == State::closing) try_fin(epoch_, 0);
}

Error Link::no_answer() const {
  return {Errc::timed_out, "no answer from " + peer_.name + " at " + options_.offers[group_].address,
          "it was silent for " + std::to_string(options_.timeout_ns / 1'000'000) + " ms",
          "check that the node is up: harness node ls"};
}

void Link::on_timer() {
  const auto keep = shared_from_this();
  const std::uint64_t now = node_.engine().now_ns();
  switch (state_) {
    case State::resuming:
      if (role_ == Role::initiator && now < deadline_ns_) {
        if (epoch_.endpoint == nullptr) return dial();
        if (now >= answer_by_ns_) return dial_next(no_answer());
        if (repeats()) send_hello();
        return retry_later(back_off_ns_);
      }
      if (now < deadline_ns_) return arm(deadline_ns_ - now);
      if (ends_with_session()) return;
      return finish(State::lost, error_, EventKind::peer_lost);
    case State::dialing:
      if (now >= deadline_ns_) {
        if (error_.code == Errc::ok) error_ = no_answer();
        return finish(State::lost, error_, EventKind::peer_lost);
      }
      if (epoch_.endpoint == nullptr) return dial();
      if (repeats()) send_hello();
      return retry_later(back_off_ns_);
    case State::accepted:
      if (now >= deadline_ns_ && session_ != 0)
        return epoch_.stack->event({EventKind::peer_lost, Errc::timed_out, "the peer never said READY"});
      if (now >= deadline_ns_)
        return finish(State::lost, {Errc::timed_out, "the peer " + peer_.name + " never said READY", {}, {}},
                      EventKind::peer_lost);
      if (repeats()) send_accept();
      return retry_later(back_off_ns_);
    case State::closing:
      if (now >= deadline_ns_)
        return finish(State::closed, {Errc::timed_out, "the peer did not close in time", {}, {}},
                      EventKind::closed);
      if (!try_fin(epoch_, 0) && epoch_.fin_sent && repeats()) send_fin(epoch_, 0);
      if (state_ != State::closing) return;
      maybe_closed();
      if (state_ == State::closing) arm(epoch_.fin_sent ? Node::repeat_ns : closing_look_ns);
      return;
    case State::closed:  // lingered to answer repeated FINs
      return drop_endpoint(0);
    case State::up:  // asked to close while it swapped
      if (close_asked_)
        finish(State::closed, {Errc::timed_out, "the swap before the close did not end in time", {}, {}},
               EventKind::closed);
      return;
    case State::lost: return;
  }
}

void Link::close() {
  if (state_ >= State::closing) return;
  if (state_ != State::up && session_ != 0) {  // what was sent is still to be delivered
    close_asked_ = true;
    deadline_ns_ = std::min(deadline_ns_, node_.engine().now_ns() + options_.linger_ns);
    return look_for_peer(0);
  }
  if (swap_ != nullptr) swap_->queued.clear();
  if (swap_ != nullptr && swap_->is_abortable()) abort_swap({Errc::cancelled, "the link is closing", {}, {}});
  if (swap_ != nullptr) {  // what was sent by the stack before is still to be delivered
    close_asked_ = true;
    deadline_ns_ = node_.engine().now_ns() + options_.linger_ns;
    epoch_.gate->hold(Gate::link_bit);
    return arm(options_.linger_ns);
  }
  if (state_ != State::up) {
    finish(State::closed, {Errc::cancelled, "closed before it was up", {}, {}}, EventKind::closed);
    return;
  }
  state_ = State::closing;
  epoch_.gate->hold(Gate::link_bit);
  if (!std::exchange(close_asked_, false)) deadline_ns_ = node_.engine().now_ns() + options_.linger_ns;
  epoch_.stack->event({EventKind::close});
  arm(closing_look_ns);
  try_fin(epoch_, 0);
}

// Every layer bit and channel bit clear: no pump holds anything, so the count of frames is final.
// True when it was sent now.
bool Link::try_fin(Epoch& epoch, std::uint64_t successor) {
  constexpr std::uint64_t not_layers = 1u << Gate::link_bit | 1u << Gate::transport_bit;
  if (epoch.fin_sent || (epoch.gate->word() & ~not_layers) != 0) return false;
  const Direct* const direct = epoch.endpoint->direct();  // of a stack whose session runs on elsewhere
  if (direct != nullptr && direct->under_way() != 0) return false;
  return epoch.fin_sent = send_fin(epoch, successor);
}

void Link::on_fin(const setup::Fin& fin) {
  setup::FinAck ack{epoch_.attempt, {}};
  ack.proof = epoch_.seal(true, ack);
  send_frame(ack);
  if (awaits_first_) become_up();
  epoch_.fin_received = true;
  epoch_.peer_frames = fin.frames;
  epoch_.peer_messages = fin.messages;
  if (fin.successor != 0) return;  // the peer has cut, we have not yet
  close();
  maybe_closed();
}

// Both FINs, and everything before them has been handed up: late frames on an unordered medium, and what a
// layer still unpacks or waits for.
bool Link::is_through(const Epoch& epoch) const noexcept {
  if (!epoch.fin_acked || !epoch.fin_received) return false;
  if (!epoch.peer_gone && !epoch.repeats() && epoch.endpoint->frames_received() < epoch.peer_frames)
    return false;
  return !epoch.gate->owes_delivery();  // on_timer looks again
}

void Link::maybe_closed() {
  if (state_ != State::closing || !is_through(epoch_)) return;
  epoch_.stack->event({EventKind::closed});  // up through the layers, which let go; then notify ends the link
}

void Link::finish(State state, Error error, EventKind kind) {
  if (state_ >= State::closed) return;
  state_ = state;
  awaits_first_ = false;
  error_ = std::move(error);
  epoch_.gate->hold(Gate::link_bit);
  timer_.cancel();
  const auto keep = shared_from_this();
  drop_swap();
  node_.retire(*this);
  if (epoch_.endpoint != nullptr) {
    if (state == State::closed && repeats()) {
      arm(3 * Node::repeat_ns);  // the peer may have missed our FIN_ACK
    } else {
      drop_endpoint(state == State::closed ? options_.linger_ns : 0);
    }
  }
  tell({kind, error_.code,
        error_.because.empty() ? std::string_view(error_.what) : std::string_view(error_.because)});
}

// Nothing more may leave, below the floor or to whom it goes: not in order, nor by close, which hands on what
// waits in the layers or in the endpoint.
void Link::cut_off(Error error) {
  const auto keep = shared_from_this();
  std::array<std::unique_ptr<Endpoint>, 2> endpoints{std::move(epoch_.endpoint), nullptr};
  if (swap_ != nullptr) {
    if (swap_->other.stack != nullptr) swap_->other.stack->cut_off();
    endpoints[1] = std::move(swap_->other.endpoint);
  }
  for (const auto& endpoint : endpoints)
    if (endpoint != nullptr) endpoint->attach({});
  finish(State::lost, std::move(error), EventKind::peer_lost);
  epoch_.stack.reset();  // it knows the endpoint, which goes now
}

void Link::drop_endpoint(std::uint64_t linger_ns) { drop_endpoint(epoch_, linger_ns); }

void Link::drop_endpoint(Epoch& epoch, std::uint64_t linger_ns) {
  if (epoch.endpoint == nullptr) return;
  epoch.endpoint->attach({});
  epoch.endpoint->close(linger_ns);
  node_.retire(std::move(epoch.endpoint));
}

}  // namespace harness
