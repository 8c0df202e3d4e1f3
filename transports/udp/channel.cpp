// SPDX-License-Identifier: Apache-2.0
// How a channel opens and ends, and its endpoint.
#include <harness/transports/udp/channel.hpp>

#include <cerrno>

#include <unistd.h>

#include <harness/transports/udp.hpp>
#include <harness/transports/udp/listener.hpp>

namespace harness::transports::udp {

Channel::Channel(Udp& udp, std::uint32_t cookie) noexcept
    : udp_(udp), cookie_(cookie), gso_(udp.options().gso), pool_(udp.engine().pool()),
      frame_bytes_max_(udp.facts().max_message),
      timer_([](void* self) { static_cast<Channel*>(self)->on_timer(); }, this) {}

Channel::~Channel() {
  if (handle_ != nullptr) handle_->forget();
  if (dialling_ != nullptr) dialling_->owner = nullptr;
  free_received();
  close_socket();
}

void Channel::wake() noexcept { udp_.wake(*this); }

void Channel::arm(std::uint64_t delay_ns) noexcept {
  udp_.engine().timers().arm(timer_, udp_.engine().now_ns() + delay_ns);
}

// ---- opening ----

void Channel::resolve(const HostPort& at) {
  state_ = State::resolving;
  dialling_ = std::make_shared<Dialling>();
  dialling_->owner = this;
  auto why = std::make_shared<std::string>();
  auto found = std::make_shared<std::vector<Address>>();
  const bool taken = udp_.engine().offload([=] { *found = transports::resolve(at, *why); },
                                           [=, dialling = dialling_] {
                                             if (dialling->owner != nullptr)
                                               dialling->owner->on_resolved(std::move(*found), *why);
                                           });
  if (!taken) return end(Errc::exhausted, "too many names are being looked up already");
  arm(Udp::resolve_timeout_ns);
}

void Channel::on_resolved(std::vector<Address> found, const std::string& why) {
  if (state_ != State::resolving) return;
  timer_.cancel();
  if (!found.empty()) return connect(std::move(found));
  udp_.engine().log(LogLevel::warning, "udp: a name was not found: " + why);
  end(Errc::unreachable, "the name has no address");
}

void Channel::connect(std::vector<Address> candidates) {
  if (dialling_ == nullptr) dialling_ = std::make_shared<Dialling>();
  dialling_->candidates = std::move(candidates);
  state_ = State::opening;
  try_next(EADDRNOTAVAIL);
  if (setup_count_ != 0) udp_.soil(*this);
}

// Goes on to the next candidate; when there is none, `error` is what is told.
void Channel::try_next(int error) noexcept {
  while (dialling_->next < dialling_->candidates.size()) {
    close_socket();
    peer_ = dialling_->candidates[dialling_->next++];
    descriptor_ = open_socket(peer_);
    if (descriptor_ >= 0 && set_options(descriptor_, is_six(peer_), udp_.options().socket)) {
      error = connect_socket(descriptor_, {}, peer_);
      if (error == 0 && start()) return;
    } else {
      error = errno;
    }
  }
  const Cause cause = cause_of(error);
  end(cause.code, cause.text);
}

bool Channel::start() noexcept {
  whole_ = false;
  token_ = 0;
  asked_ = 0;
  readable_ = false;
  writable_ = true;
  if (udp_.options().gro) receive_trains(descriptor_);
  path_payload_ = path_payload(descriptor_, is_six(peer_));
  mtu_looked_ns_ = udp_.engine().now_ns();
  ask_due_ = setup_count_ != 0;
  for (Outgoing& waiting : setups_) waiting.next_piece = 0;  // another address has seen nothing of it
  constexpr unsigned interest = Watcher::readable | Watcher::writable;
  return udp_.engine().watch(descriptor_, interest, *this, true).has_value();
}

bool Channel::adopt(int descriptor, const Address& peer, std::uint32_t peer_cookie, std::uint64_t origin,
                    Listener& listener) noexcept {
  descriptor_ = descriptor;
  peer_ = peer;
  peer_cookie_ = peer_cookie;
  origin_ = origin;
  listener_ = &listener;
  state_ = State::open;
  return start();
}

// The first set-up frame of the peer: it knows our cookie and has shown its own.
void Channel::answered(std::uint32_t peer_cookie) noexcept {
  peer_cookie_ = peer_cookie;
  state_ = State::open;
  dialling_.reset();
  ask_due_ = false;
}

void Channel::failed_to_open(int error) noexcept {
  try_next(error);
  if (state_ == State::opening) udp_.soil(*this);
}

void Channel::ready(unsigned what) {
  if ((what & (readable | failed)) != 0) readable_ = true;
  if ((what & writable) != 0) writable_ = true;
  if ((readable_ && reading()) || (writable_ && (queue_ != nullptr || setup_count_ != 0))) wake();
}

void Channel::guess_readable() noexcept {
  if (!reading()) return;
  readable_ = true;
  wake();
}

// ---- a turn ----

unsigned Channel::work(unsigned budget) {
  unsigned done = 0;
  if (writable_ && (queue_ != nullptr || setup_count_ != 0)) write_out();
  if (room_due_) {
    ++done;
    room();
  }
  if (mtu_due_ && state_ == State::open && handle_ != nullptr) {
    ++done;
    mtu_due_ = false;
    Receiver& receiver = handle_->receiver();
    receiver.event(receiver.self, Event{EventKind::mtu, Errc::ok, {}, mtu()});
  }
  if (state_ == State::open || state_ == State::opening) done += receive(budget);
  if (end_due_) {
    ++done;
    report();
  }
  return done;
}

void Channel::on_timer() {
  if (state_ == State::resolving) return end(Errc::timed_out, "the name service did not answer");
  if (state_ == State::lingering && udp_.engine().now_ns() >= linger_until_ns_) return bury();
  writable_ = true;  // short of buffers a while ago: try again
  write_out();
  if (state_ == State::lingering) arm(linger_look_ns);
}

Errc Channel::configure(const OptionValues& options, std::uint32_t& frame_bytes_max) noexcept {
  const Udp::Options wanted = Udp::options_of(options);
  frame_bytes_max = frame_bytes_max_ = static_cast<std::uint32_t>(options[Udp::option_frame]);
  gso_ = wanted.gso;
  return descriptor_ < 0 || set_options(descriptor_, is_six(peer_), wanted.socket) ? Errc::ok
                                                                                   : Errc::unsupported;
}

void Channel::pause(bool paused) noexcept {
  paused_ = paused;
  if (!paused && waiting_quota_ == nullptr) unblock();
}

// ---- ends ----

void Channel::end(Errc code, const char* why) noexcept {
  if (state_ >= State::ended) return;
  state_ = State::ended;
  end_code_ = code;
  end_why_ = why;
  end_due_ = true;
  timer_.cancel();
  udp_.hot().cool(*this);
  free_received();
  drop_queue();
  close_socket();
  wake();
}

void Channel::report() {
  end_due_ = false;
  if (handle_ == nullptr) return;
  Receiver& receiver = handle_->receiver();
  if (receiver.gate != nullptr) receiver.gate->hold(Gate::transport_bit);
  receiver.event(receiver.self, Event{EventKind::peer_lost, end_code_, end_why_});
}

void Channel::close(std::uint64_t linger_ns) noexcept {
  if (state_ >= State::lingering) return;
  end_due_ = false;
  if (state_ == State::open) write_out();
  const bool waits = state_ == State::open && (queue_ != nullptr || setup_count_ != 0);
  if (!waits || linger_ns == 0) return bury();
  state_ = State::lingering;
  udp_.hot().cool(*this);
  free_received();
  linger_until_ns_ = udp_.engine().now_ns() + linger_ns;
  arm(std::min(linger_look_ns, linger_ns));
}

void Channel::abandon() noexcept {
  handle_ = nullptr;
  if (state_ != State::lingering) bury();
}

void Channel::shut_down() noexcept {
  if (state_ == State::open || state_ == State::lingering) write_out();
}

void Channel::depart() noexcept {
  if (listener_ != nullptr) listener_->departed(*this);
}

void Channel::bury() noexcept {
  if (state_ == State::dead) return;
  state_ = State::dead;
  timer_.cancel();
  free_received();
  drop_queue();
  close_socket();
  udp_.bury(*this);
}

void Channel::close_socket() noexcept {
  if (descriptor_ < 0) return;
  udp_.engine().unwatch(descriptor_, *this);
  ::close(descriptor_);
  descriptor_ = -1;
}

void Channel::describe(Describer& describer) const {
  describer.text("peer", print(peer_));
  describer.text("gso", gso_ ? "on" : counts_.gso_refused != 0 ? "refused on this route" : "off");
  const std::pair<std::string_view, std::uint64_t> values[] = {
      {"mtu", mtu()},
      {"frames_out", counts_.frames_out},
      {"frames_in", counts_.frames_in},
      {"bytes_out", counts_.bytes_out},
      {"bytes_in", counts_.bytes_in},
      {"waiting_bytes", queue_ != nullptr ? queue_->bytes() : 0},
      {"send_calls", counts_.send_calls},
      {"receive_calls", counts_.receive_calls},
      {"trains_out", counts_.trains_out},
      {"train_frames_out", counts_.train_frames_out},
      {"trains_in", counts_.trains_in},
      {"gso_refused", counts_.gso_refused},
      {"holds", counts_.holds},
      {"blocks", counts_.blocks},
      {"congested", counts_.congested},
      {"errors", counts_.errors},
      {"dropped_before_open", counts_.dropped_before_open},
      {"dropped_after_end", counts_.dropped_after_end},
      {"dropped_beyond_reserve", counts_.dropped_beyond_reserve},
      {"dropped_too_long", counts_.dropped_too_long},
      {"dropped_unsent", counts_.dropped_unsent},
      {"dropped_no_memory", counts_.dropped_no_memory},
      {"dropped_malformed", counts_.dropped_malformed},
      {"dropped_in_socket", counts_.dropped_in_socket},
  };
  for (const auto& [name, value] : values) describer.value(name, value);
}

}  // namespace harness::transports::udp
