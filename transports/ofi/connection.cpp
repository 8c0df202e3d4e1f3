// SPDX-License-Identifier: Apache-2.0
// A turn of a connection, how it ends, and its endpoint.
#include <harness/transports/ofi/connection.hpp>

#include <harness/transports/ofi/transport.hpp>

namespace harness::transports::ofi {

Connection::Connection(Ofi& ofi, std::unique_ptr<Endpoint> control, std::uint32_t cookie, bool dialled)
    : ofi_(ofi), pool_(ofi.engine().pool()), fabric_(ofi.fabric()), control_(std::move(control)),
      cookie_(cookie), dialled_(dialled), frame_bytes_max_(ofi.facts().max_message),
      timer_([](void* self) { static_cast<Connection*>(self)->on_timer(); }, this) {
  attach_control();
  if (!dialled_) ofi_.engine().timers().arm(timer_, ofi_.engine().now_ns() + ofi_.connect_timeout_ns());
}

Connection::~Connection() {
  if (direct_ != nullptr) direct_->go();
  if (handle_ != nullptr) handle_->forget();
  drop_waiting();
  if (queue_ != nullptr) queue_->clear();
  ofi_.slots().orphan(*this);
  const bool idle = under_way_ == 0 && (direct_ == nullptr || !direct_->left_any());
  if (peer_ != FI_ADDR_NOTAVAIL) fabric_.leave(peer_, idle);
}

void Connection::wake() noexcept { ofi_.wake(*this); }

unsigned Connection::work(unsigned budget) {
  unsigned done = 0;
  if (room_due_) {
    ++done;
    room();
  }
  if (answer_due_) answer();
  if (!push_out() || (direct_ != nullptr && !direct_->push_out())) ofi_.blocked(*this);
  done += hand_up(budget);
  look_for_end();
  if (end_due_) {
    ++done;
    report();
  }
  return done;
}

void Connection::failed(int error) noexcept {
  end(EventKind::peer_lost, Errc::peer_lost, provider_says(error));
}

void Connection::lost_put() noexcept {
  end(EventKind::peer_lost, Errc::peer_lost,
      "the provider " + std::string(fabric_.provider()) +
          " lost a put: the connection below died, and it made another one");
}

void Connection::sent(int error) noexcept {
  --under_way_;
  if (error != 0) return failed(error);
  if (state_ == State::lingering || queue_ != nullptr) wake();
}

std::string Connection::provider_says(int error) const {
  return "the provider " + std::string(fabric_.provider()) + " says: " + fabric_.library().strerror(error);
}

void Connection::pause(bool paused) noexcept {
  paused_ = paused;
  if (paused || waiting_quota_ != nullptr) return;
  unblock();
  if (first_ != nullptr) wake();  // an offer that was not read meanwhile
}

// ---- ends ----

void Connection::on_timer() {
  switch (state_) {
    case State::greeting:
      return end(EventKind::peer_lost, Errc::timed_out, "the peer did not say what its fabric is");
    case State::lingering: return bury();
    case State::open:
    case State::ended:
    case State::dead: return;
  }
}

// The peer said how many frames it sent and closed; or this side closed and everything has left.
void Connection::look_for_end() {
  if (bye_received_ && received_frames_ >= bye_frames_ && !done_sent_ && state_ != State::dead)
    done_sent_ = note(wire::OfiNote::Kind::done, 0) || control_lost_;
  if (state_ == State::open && bye_received_ && done_sent_ && first_ == nullptr)
    return end(EventKind::peer_lost, Errc::closed, "the peer closed");
  if (state_ != State::lingering) return;
  if (bye_received_) drop_queue();  // there is nobody to take it
  if (!bye_sent_ && (drained() || bye_received_)) bye_sent_ = note(wire::OfiNote::Kind::bye, sent_frames_);
  if (bye_received_) bury();
}

void Connection::end(EventKind kind, Errc code, std::string why) noexcept {
  if (state_ == State::lingering || closing_) return bury();
  if (state_ >= State::ended) return;
  state_ = State::ended;
  end_kind_ = kind;
  end_code_ = code;
  end_why_ = std::move(why);
  end_due_ = true;
  timer_.cancel();
  if (direct_ != nullptr) direct_->end();
  drop_waiting();
  drop_queue();
  close_control();
  wake();
}

void Connection::report() {
  end_due_ = false;
  if (handle_ == nullptr) return;
  Receiver& receiver = handle_->receiver();
  if (receiver.gate != nullptr) receiver.gate->hold(Gate::transport_bit);
  receiver.event(receiver.self, Event{end_kind_, end_code_, end_why_});
}

// A link that is still greeting has its frames to say first, too: it lingers like any other.
void Connection::close(std::uint64_t linger_ns) noexcept {
  if (state_ >= State::lingering || closing_) return;
  end_due_ = false;
  if (state_ == State::ended || linger_ns == 0) {
    if (state_ == State::open) note(wire::OfiNote::Kind::bye, sent_frames_);
    return bury();
  }
  closing_ = true;
  drop_waiting();
  ofi_.engine().timers().arm(timer_, ofi_.engine().now_ns() + linger_ns);
  if (state_ == State::open) state_ = State::lingering;
  wake();
}

void Connection::abandon() noexcept {
  handle_ = nullptr;
  if (direct_ != nullptr) direct_->go();
  if (state_ != State::lingering && !closing_) bury();
}

void Connection::bury() noexcept {
  if (state_ == State::dead) return;
  state_ = State::dead;
  timer_.cancel();
  if (direct_ != nullptr) direct_->end();
  drop_waiting();
  drop_queue();
  reserved_.reset();
  if (!control_lost_) close_control();
  ofi_.bury(*this);
}

// Whoever describes a link that has ended still wants to know whose it was.
void Connection::close_control() noexcept {
  address_ = peer_address();
  control_->close(ofi_.connect_timeout_ns());
  control_lost_ = true;
}

// ---- the endpoint ----

// The fabric was opened when somebody listened or dialled: another provider is another node's.
Errc Connection::configure(const OptionValues& options, std::uint32_t& frame_bytes_max) noexcept {
  const auto word = provider_words()[static_cast<std::size_t>(options[option_provider])];
  if (word != "auto" && word != fabric_.policy().word) return Errc::unsupported;
  frame_bytes_max = static_cast<std::uint32_t>(options[option_frame]);
  if (frame_bytes_max > ofi_.arena_bytes() / 2) return Errc::unsupported;
  frame_bytes_max_ = frame_bytes_max;
  return Errc::ok;
}

Direct* Connection::direct() noexcept {
  if (direct_ == nullptr && state_ <= State::open && OfiDirect::possible(fabric_))
    direct_ = std::make_unique<OfiDirect>(ofi_, *this);
  return direct_.get();
}

std::string Connection::peer_address() const {
  if (!address_.empty()) return address_;
  const std::string control = control_->peer_address();  // "tcp:…"
  return "ofi:" + control.substr(control.find(':') + 1);
}

void Connection::describe(Describer& describer) const {
  describer.text("peer", peer_address());
  describer.text("provider", fabric_.provider());
  describer.value("frames_out", counts_.frames_out);
  describer.value("frames_in", counts_.frames_in);
  describer.value("bytes_out", counts_.bytes_out);
  describer.value("bytes_in", counts_.bytes_in);
  describer.value("waiting_bytes", queue_ != nullptr ? queue_->bytes() : 0);
  describer.value("inject_bytes_max", ofi_.inject_bytes());
  describer.value("eager_bytes_max", eager_bytes_ != 0 ? eager_bytes_ : ofi_.message_bytes());
  describer.text("crossover", text_of(ofi_.crossover()));
  describer.value("window_bytes", std::uint64_t{peer_window_} * wire::OfiFrame::unit_bytes);
  describer.value("injected_frames", counts_.injected);
  describer.value("copied_frames", counts_.copied);
  describer.value("offered_frames", counts_.offered);
  describer.value("in_place_frames", counts_.in_place);
  describer.value("read_frames", counts_.read);
  describer.value("again", counts_.again);
  describer.value("lost_injections", ofi_.lost_injections());
  describer.value("credits", counts_.credits);
  describer.value("bells", counts_.bells);
  describer.value("holds", counts_.holds);
  describer.value("blocks", counts_.blocks);
  describer.value("dropped", counts_.dropped);
  if (direct_ != nullptr) direct_->describe(describer);
}

}  // namespace harness::transports::ofi
