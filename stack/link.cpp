// SPDX-License-Identifier: Apache-2.0
// A link that runs and closes. How it opens: link_setup.cpp.
#include <harness/stack/link.hpp>

#include <algorithm>

#include <harness/stack/node.hpp>

namespace harness {

namespace {
constexpr std::uint64_t closing_look_ns =
    500'000;  // how often a closing link looks whether its pumps are empty

// In a time that does not tell how many bytes were right.
bool same_bytes(Bytes a, Bytes b) noexcept {
  if (a.size() != b.size()) return false;
  std::byte differ{};
  for (std::size_t i = 0; i < a.size(); ++i) differ |= a[i] ^ b[i];
  return differ == std::byte{};
}

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
    : state_(role == Role::initiator ? State::dialing : State::accepted), role_(role), node_(node),
      options_(std::move(options)), quota_(Quota::make(options_.quota_bytes)),
      timer_([](void* self) { static_cast<Link*>(self)->on_timer(); }, this) {
  gate_.hold(Gate::link_bit);
  options_.max_message = largest_message(options_);
}

// Layers that go hand back what they hold of the gate and the quota.
Link::~Link() {
  endpoint_.reset();
  stack_.reset();
}

Message Link::make(std::uint32_t bytes) noexcept {
  Pool& pool = node_.engine().pool();
  const bool asks = bytes >= Endpoint::make_bytes_min && endpoint_ != nullptr;
  return asks ? endpoint_->make(pool, bytes) : Message::make(pool, bytes);
}

Errc Link::blocked() noexcept {
  if (state_ >= State::closing || close_asked_) return Errc::closed;
  if (stack_ == nullptr) gate_.note_refusal();
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
  if (stack_ == nullptr || stale_) return;
  const bool was_deaf = !anew && deaf_;
  deaf_ = deaf;
  if (deaf != was_deaf) stack_->event({deaf ? EventKind::pause : EventKind::resume});
}

Result<Explanation> Link::explain() const {
  if (stack_ == nullptr)
    return fail(Errc::closed, "link " + options_.name + " has no stack",
                "it is " + std::string(to_string(state_)));
  return harness::explain(stack_->spec(), facts_, options_.needs, node_.catalogue());
}

Result<> Link::add_tap(std::size_t boundary, Tap& tap) {
  if (stack_ == nullptr) return fail(Errc::closed, "link " + options_.name + " has no stack");
  auto added = stack_->add_tap(boundary, tap);
  attach();
  return added;
}

void Link::remove_tap(Tap& tap) noexcept {
  if (stack_ == nullptr) return;
  stack_->remove_tap(tap);
  attach();
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
    case EventKind::mtu: return;  // for the layers
    case EventKind::pause:
    case EventKind::resume:
      if (link->endpoint_ != nullptr) link->endpoint_->pause_receive(event.kind == EventKind::pause);
      return;
    case EventKind::up:
      return link->tell(link->again_ ? Event{EventKind::resumed, event.code, event.detail, event.value}
                                     : event);
    default: break;
  }
  link->tell(event);
}

void Link::tell(const Event& event) {
  if (on_event_) on_event_(event);
}

bool Link::repeats() const noexcept { return !endpoint_->facts().word.covers(property::reliable); }

bool Link::send_frame(const setup::Frame& frame) noexcept {
  Message message = setup::write(node_.engine().pool(), frame);
  return message && endpoint_ != nullptr && endpoint_->send_setup(std::move(message)) == Errc::ok;
}

// After a handshake the frames that close carry a code that only the two ends can make.
setup::Proof Link::seal(bool sent, const setup::Frame& frame) const {
  if (handshake_ == nullptr) return {};
  const Handshake::Mac mac = handshake_->mac(sent, setup::bound(frame));
  return {mac.begin(), mac.end()};
}

bool Link::send_fin() {
  setup::Fin fin{attempt_, endpoint_->frames_sent(), {}};
  fin.proof = seal(true, fin);
  return send_frame(fin);
}

void Link::arm(std::uint64_t delay_ns) noexcept {
  node_.engine().timers().arm(timer_, node_.engine().now_ns() + delay_ns);
}

void Link::on_frame(Message& frame) {
  const auto keep = shared_from_this();  // a handler may let the last outside reference go
  auto parsed = setup::parse(frame.gathered(node_.engine().pool()));
  if (!parsed) {
    ++node_.refused_count_;
    if (state_ == State::dialing) dial_next(parsed.error());
    return;
  }
  const auto mine = [&](const auto& value) { return value.attempt == attempt_; };
  const auto sealed = [&](const auto& value) {
    if (same_bytes(value.proof, seal(false, value))) return true;
    ++node_.refused_count_;
    return false;
  };
  if (const auto* hello = std::get_if<setup::Hello>(&*parsed)) {
    if (mine(*hello)) on_hello(*hello);
  } else if (const auto* accept = std::get_if<setup::Accept>(&*parsed)) {
    if (mine(*accept)) on_accept(*accept);
  } else if (const auto* refuse = std::get_if<setup::Refuse>(&*parsed)) {
    if (mine(*refuse)) on_refuse(*refuse);
  } else if (const auto* cookie = std::get_if<setup::Cookie>(&*parsed)) {
    if (mine(*cookie)) on_cookie(*cookie);
  } else if (const auto* ready = std::get_if<setup::Ready>(&*parsed)) {
    if (mine(*ready)) on_ready();
  } else if (const auto* fin = std::get_if<setup::Fin>(&*parsed)) {
    if (mine(*fin) && sealed(*fin)) on_fin(*fin);
  } else if (const auto* ack = std::get_if<setup::FinAck>(&*parsed)) {
    if (mine(*ack) && sealed(*ack) && fin_sent_) fin_acked_ = true;
    maybe_closed();
  }
}

void Link::on_endpoint_event(const Event& event) {
  const auto keep = shared_from_this();
  if (event.kind == EventKind::peer_lost && (state_ == State::dialing || state_ == State::resuming))
    return dial_next({event.code, "cannot reach " + peer_.name + " at " + options_.offers[group_].address,
                      std::string(event.detail), "check that the node is up: harness node ls"});
  if (event.kind == EventKind::peer_lost && state_ == State::closing && fin_received_ &&
      (fin_sent_ || !resumable_)) {
    peer_gone_ = fin_acked_ = true;  // it had all it wanted
    return maybe_closed();
  }
  if (stack_ != nullptr && !stale_) {
    stack_->event(event);
  } else if (event.kind == EventKind::peer_lost || event.kind == EventKind::corrupt) {
    notify(this, event);
  }
  if (state_ == State::closing) try_fin();
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
        if (endpoint_ == nullptr) return dial();
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
      if (endpoint_ == nullptr) return dial();
      if (repeats()) send_hello();
      return retry_later(back_off_ns_);
    case State::accepted:
      if (now >= deadline_ns_ && session_ != 0)
        return stack_->event({EventKind::peer_lost, Errc::timed_out, "the peer never said READY"});
      if (now >= deadline_ns_)
        return finish(State::lost, {Errc::timed_out, "the peer " + peer_.name + " never said READY", {}, {}},
                      EventKind::peer_lost);
      if (repeats()) send_accept();
      return retry_later(back_off_ns_);
    case State::closing:
      if (now >= deadline_ns_)
        return finish(State::closed, {Errc::timed_out, "the peer did not close in time", {}, {}},
                      EventKind::closed);
      try_fin();
      if (state_ != State::closing) return;
      if (fin_sent_ && repeats()) send_fin();
      maybe_closed();
      if (state_ == State::closing) arm(fin_sent_ ? Node::repeat_ns : closing_look_ns);
      return;
    case State::closed:  // lingered to answer repeated FINs
      return drop_endpoint(0);
    case State::up:
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
  if (state_ != State::up) {
    finish(State::closed, {Errc::cancelled, "closed before it was up", {}, {}}, EventKind::closed);
    return;
  }
  state_ = State::closing;
  gate_.hold(Gate::link_bit);
  if (!std::exchange(close_asked_, false)) deadline_ns_ = node_.engine().now_ns() + options_.linger_ns;
  stack_->event({EventKind::close});
  arm(closing_look_ns);
  try_fin();
}

// Every layer bit and channel bit clear: no pump holds anything, so the count of frames is final.
void Link::try_fin() {
  constexpr std::uint64_t not_layers = 1u << Gate::link_bit | 1u << Gate::transport_bit;
  if (fin_sent_ || (gate_.word() & ~not_layers) != 0) return;
  fin_sent_ = send_fin();
}

void Link::on_fin(const setup::Fin& fin) {
  setup::FinAck ack{attempt_, {}};
  ack.proof = seal(true, ack);
  send_frame(ack);
  if (awaits_first_) become_up();
  fin_received_ = true;
  peer_frames_ = fin.frames;
  close();
  maybe_closed();
}

void Link::maybe_closed() {
  if (state_ != State::closing || !fin_acked_ || !fin_received_) return;
  if (!peer_gone_ && !repeats() && endpoint_->frames_received() < peer_frames_)
    return;                            // late frames on an unordered medium
  if (gate_.owes_delivery()) return;   // a layer still unpacks or waits; on_timer looks again
  stack_->event({EventKind::closed});  // up through the layers, which let go; then notify ends the link
}

void Link::finish(State state, Error error, EventKind kind) {
  if (state_ >= State::closed) return;
  state_ = state;
  awaits_first_ = false;
  error_ = std::move(error);
  gate_.hold(Gate::link_bit);
  timer_.cancel();
  const auto keep = shared_from_this();
  node_.retire(*this);
  if (endpoint_ != nullptr) {
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
void Link::cut(Error error) {
  const auto keep = shared_from_this();
  const auto endpoint = std::move(endpoint_);
  if (endpoint != nullptr) endpoint->attach({});
  finish(State::lost, std::move(error), EventKind::peer_lost);
  stack_.reset();  // it knows the endpoint, which goes now
}

void Link::drop_endpoint(std::uint64_t linger_ns) {
  if (endpoint_ == nullptr) return;
  endpoint_->attach({});
  endpoint_->close(linger_ns);
  node_.retire(std::move(endpoint_));
}

}  // namespace harness
