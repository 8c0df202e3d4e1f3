// SPDX-License-Identifier: Apache-2.0
// How a connection opens and ends, and its endpoint.
#include <harness/transports/tcp/connection.hpp>

#include <cerrno>

#include <sys/socket.h>
#include <unistd.h>

#include <harness/transports/tcp.hpp>

namespace harness::transports::tcp {

// Shared with the job that looks the name up, which may end after the connection.
struct Connection::Dialling {
  Connection* owner = nullptr;
  std::vector<Address> candidates;
  std::size_t next = 0;
};

Connection::Connection(Tcp& tcp, int descriptor, State state) noexcept
    : tcp_(tcp), descriptor_(descriptor), state_(state), pool_(tcp.engine().pool()),
      frame_bytes_max_(tcp.facts().max_message), user_timeout_ms_(tcp.socket_options().user_timeout_ms),
      patience_ms_(user_timeout_ms_),
      timer_([](void* self) { static_cast<Connection*>(self)->on_timer(); }, this) {}

Connection::~Connection() {
  if (handle_ != nullptr) handle_->forget();
  if (dialling_ != nullptr) dialling_->owner = nullptr;
  free_received();
  close_socket();
}

void Connection::wake() noexcept { tcp_.wake(*this); }

void Connection::arm(std::uint64_t delay_ns) noexcept {
  tcp_.engine().timers().arm(timer_, tcp_.engine().now_ns() + delay_ns);
}

// ---- opening ----

void Connection::resolve(const HostPort& at) {
  state_ = State::resolving;
  dialling_ = std::make_shared<Dialling>();
  dialling_->owner = this;
  auto why = std::make_shared<std::string>();
  auto found = std::make_shared<std::vector<Address>>();
  const bool taken = tcp_.engine().offload([=] { *found = transports::resolve(at, *why); },
                                           [=, dialling = dialling_] {
                                             if (dialling->owner != nullptr)
                                               dialling->owner->on_resolved(std::move(*found), *why);
                                           });
  if (!taken) return end(EventKind::peer_lost, Errc::exhausted, "too many names are being looked up already");
  arm(tcp_.connect_timeout_ns());
}

void Connection::on_resolved(std::vector<Address> found, const std::string& why) {
  if (state_ != State::resolving) return;
  if (!found.empty()) return connect(std::move(found));
  tcp_.engine().log(LogLevel::warning, "tcp: a name was not found: " + why);
  end(EventKind::peer_lost, Errc::unreachable, "the name has no address");
}

void Connection::connect(std::vector<Address> candidates) {
  if (dialling_ == nullptr) dialling_ = std::make_shared<Dialling>();
  dialling_->candidates = std::move(candidates);
  state_ = State::connecting;
  try_next();
}

// Starts to connect to the next candidate; the last failure is the one that is told.
void Connection::try_next() {
  int error = pending_ != 0 ? pending_ : EADDRNOTAVAIL;
  while (dialling_->next < dialling_->candidates.size()) {
    close_socket();
    peer_ = dialling_->candidates[dialling_->next++];
    descriptor_ = open_socket(peer_);
    error = descriptor_ < 0 ? errno : 0;
    if (error == 0 && !set_options(descriptor_, tcp_.socket_options())) error = errno;
    if (error == 0) error = start_connect(descriptor_, peer_);
    if (error != 0 && error != EINPROGRESS) continue;
    readable_ = writable_ = peer_ended_ = false;
    if (!start()) continue;
    return arm(tcp_.connect_timeout_ns());
  }
  const Cause cause = cause_of(error);
  end(EventKind::peer_lost, cause.code, cause.text);
}

bool Connection::start() noexcept {
  const auto watched = tcp_.engine().watch(descriptor_, Watcher::readable | Watcher::writable, *this, true);
  return watched.has_value();
}

Errc Connection::adopt(const Address& peer) noexcept {
  peer_ = peer;
  writable_ = true;
  return start() ? Errc::ok : Errc::exhausted;
}

// The socket of a connection being made became writable or failed.
void Connection::connected() {
  pending_ = pending_error(descriptor_);
  if (pending_ == 0 && connected_to_itself(descriptor_)) pending_ = ECONNREFUSED;
  if (pending_ != 0) return try_next();
  timer_.cancel();
  dialling_.reset();
  state_ = State::open;
  if (queue_ != nullptr) write_out();
}

void Connection::ready(unsigned what) {
  if ((what & (readable | peer_ended | failed)) != 0) readable_ = true;
  if ((what & (peer_ended | failed)) != 0) peer_ended_ = true;
  if ((what & (writable | failed)) != 0) writable_ = true;
  if (state_ == State::connecting ? writable_ : (readable_ && reading()) || (writable_ && queue_ != nullptr))
    wake();
}

void Connection::guess_readable() noexcept {
  if (!reading()) return;
  readable_ = true;
  wake();
}

// ---- a turn ----

unsigned Connection::work(unsigned budget) {
  unsigned done = 0;
  if (state_ == State::connecting && writable_) {
    ++done;
    connected();
  }
  if (queue_ != nullptr && writable_) write_out();
  if (room_due_) {
    ++done;
    room();
  }
  if (state_ == State::open || state_ == State::lingering) done += receive(budget);
  if (end_due_) {
    ++done;
    report();
  }
  return done;
}

void Connection::on_timer() {
  switch (state_) {
    case State::resolving:
      return end(EventKind::peer_lost, Errc::timed_out, "the name service did not answer");
    case State::connecting: pending_ = ETIMEDOUT; return try_next();
    case State::open: return unblock();
    case State::lingering: return bury();
    case State::ended:
    case State::dead: return;
  }
}

Errc Connection::configure(const OptionValues& options, std::uint32_t& frame_bytes_max) noexcept {
  const SocketOptions wanted = socket_options_of(options);
  frame_bytes_max = frame_bytes_max_ = static_cast<std::uint32_t>(options[Tcp::option_frame]);
  user_timeout_ms_ = patience_ms_ = wanted.user_timeout_ms;
  return descriptor_ < 0 || set_options(descriptor_, wanted) ? Errc::ok : Errc::unsupported;
}

void Connection::pause(bool paused) noexcept {
  paused_ = paused;
  if (!paused && waiting_quota_ == nullptr) unblock();
}

// ---- ends ----

// Sending is over; what the peer sent before it went may still be there to be read, its bye among it.
void Connection::write_failed(int error) noexcept {
  write_failed_ = true;
  write_error_ = error;
  drop_queue();
  if (state_ == State::lingering) return bury();
  hold();
  peer_ended_ = true;
  guess_readable();
}

void Connection::read_ended(int error) noexcept {
  if (state_ == State::lingering) return bury();
  if (error == 0) error = write_error_;
  if (error != 0 && error != EPIPE) {
    const Cause cause = cause_of(error);
    return end(EventKind::peer_lost, cause.code, cause.text);
  }
  end(EventKind::peer_lost, Errc::peer_lost, "the peer's process ended without closing the link");
}

void Connection::end(EventKind kind, Errc code, const char* why) noexcept {
  if (state_ >= State::ended) return;
  state_ = State::ended;
  end_kind_ = kind;
  end_code_ = code;
  end_why_ = why;
  end_due_ = true;
  timer_.cancel();
  tcp_.hot().cool(*this);
  free_received();
  drop_queue();
  close_socket();
  wake();
}

void Connection::report() {
  end_due_ = false;
  if (handle_ == nullptr) return;
  Receiver& receiver = handle_->receiver();
  if (receiver.gate != nullptr) receiver.gate->hold(Gate::transport_bit);
  receiver.event(receiver.self, Event{end_kind_, end_code_, end_why_});
}

void Connection::close(std::uint64_t linger_ns) noexcept {
  if (state_ >= State::lingering) return;
  end_due_ = false;
  if (state_ != State::open || write_failed_) return bury();
  Message bye = Message::make(pool_, 0);
  if (!bye) return bury();
  send(bye, wire::StreamKind::bye);
  if (state_ != State::open) return bury();
  free_received();
  state_ = State::lingering;
  readable_ = true;  // what came meanwhile is read and forgotten, up to the peer's end
  if (linger_ns != 0) arm(linger_ns);
  write_out();
  if (linger_ns == 0) return bury();
  if (state_ == State::lingering) wake();
}

void Connection::abandon() noexcept {
  handle_ = nullptr;
  if (state_ != State::lingering) bury();
}

// Lingering, and everything is with the kernel: nothing more will come from this side.
void Connection::flushed() noexcept { ::shutdown(descriptor_, SHUT_WR); }

void Connection::shut_down() noexcept {
  write_out();
  bury();
}

void Connection::bury() noexcept {
  if (state_ == State::dead) return;
  state_ = State::dead;
  timer_.cancel();
  free_received();
  drop_queue();
  close_socket();
  tcp_.bury(*this);
}

void Connection::close_socket() noexcept {
  if (descriptor_ < 0) return;
  tcp_.engine().unwatch(descriptor_, *this);
  ::close(descriptor_);
  descriptor_ = -1;
}

void Connection::describe(Describer& describer) const {
  describer.text("peer", print(peer_));
  describer.value("frames_out", counts_.frames_out);
  describer.value("frames_in", counts_.frames_in);
  describer.value("bytes_out", counts_.bytes_out);
  describer.value("bytes_in", counts_.bytes_in);
  describer.value("waiting_bytes", queue_ != nullptr ? queue_->bytes() : 0);
  describer.value("send_calls", counts_.send_calls);
  describer.value("receive_calls", counts_.receive_calls);
  describer.value("staged_frames", counts_.staged);
  describer.value("referred_frames", counts_.referred);
  describer.value("direct_bytes", counts_.direct_bytes);
  describer.value("placed_frames", counts_.placed);
  describer.value("holds", counts_.holds);
  describer.value("blocks", counts_.blocks);
  describer.value("dropped", counts_.dropped);
  describer.value("retransmits", descriptor_ >= 0 ? retransmits(descriptor_) : 0);
}

}  // namespace harness::transports::tcp
