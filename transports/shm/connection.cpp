// SPDX-License-Identifier: Apache-2.0
// How a connection opens and ends.
#include <harness/transports/shm/connection.hpp>

#include <algorithm>
#include <bit>
#include <cerrno>

#include <harness/transports/shm.hpp>

namespace harness::transports::shm {

namespace {

constexpr std::uint64_t retry_ns = 1'000'000;         // to connect, while too many wait to be accepted
constexpr std::uint64_t greeting_ns = 5'000'000'000;  // for a dialler to show its memory
constexpr unsigned ring_log2_min = 15, ring_log2_max = 26;
constexpr unsigned arena_log2_min = 13, arena_log2_max = 30;

Layout ring_layout(std::uint64_t ring_bytes) noexcept { return {0, page_bytes + ring_bytes, page_bytes}; }

}  // namespace

Connection::Connection(Shm& shm, State state) noexcept
    : state_(state), frame_bytes_max_(shm.facts().max_message), pool_(shm.engine().pool()), shm_(shm),
      timer_([](void* self) { static_cast<Connection*>(self)->on_timer(); }, this) {}

Connection::~Connection() {
  direct_.tell_gone();
  if (handle_ != nullptr) handle_->forget();
  free_received();
  queue_.clear();
  close_socket();
}

void Connection::wake() noexcept { shm_.wake(*this); }

void Connection::arm(std::uint64_t delay_ns) noexcept {
  shm_.engine().timers().arm(timer_, shm_.engine().now_ns() + delay_ns);
}

// ---- opening ----

// The credit line, then the ring twice. The line says that we sleep until somebody looks.
bool Connection::make_memory() noexcept {
  mine_ = Memory::make(ring_layout(shm_.ring_bytes()), mine_file_);
  if (!mine_ || !mine_.back(0, page_bytes)) return false;
  my_line_ = &reinterpret_cast<wire::ShmPage*>(mine_.file())->line;
  my_line_->bell = 1;
  writer_.open(
      mine_.file() + page_bytes, shm_.ring_bytes(),
      [](void* self, std::uint64_t offset, std::uint64_t bytes) noexcept {
        return static_cast<Connection*>(self)->mine_.back(page_bytes + offset, bytes);
      },
      this);
  return writer_.room(0) != nullptr;
}

void Connection::dial(const Address& address) noexcept {
  to_ = address;
  address_ = print(address);
  if (!make_memory())
    return end(EventKind::peer_lost, Errc::exhausted, "the system has no memory to share (memfd)");
  deadline_ns_ = shm_.engine().now_ns() + shm_.connect_timeout_ns();
  try_connect();
}

void Connection::try_connect() noexcept {
  socket_ = connect_to(to_);
  if (!socket_ && errno == EAGAIN) return arm(retry_ns);
  if (!socket_)
    return end(EventKind::peer_lost, errno == EMFILE ? Errc::exhausted : Errc::unreachable,
               errno == EMFILE ? "no more open files are allowed (ulimit -n)"
                               : "nobody on this host listens by that name");
  const auto who = peer_of(socket_);
  if (!who || who->uid != to_.uid)
    return end(EventKind::peer_lost, Errc::denied, "another user listens by that name");
  who_ = *who;
  state_ = State::opening;
  if (!greet()) return end(EventKind::peer_lost, Errc::unreachable, "the listener took no greeting");
  arm(deadline_ns_ > shm_.engine().now_ns() ? deadline_ns_ - shm_.engine().now_ns() : 0);
}

// Shows the peer our memory.
bool Connection::greet() noexcept {
  wire::ShmPacket hello;
  hello.log2_bytes = static_cast<std::uint8_t>(std::countr_zero(shm_.ring_bytes()));
  const unsigned flags = (shm_.lends_to(who_.uid) ? wire::ShmPacket::borrows : 0u) |
                         (Shm::shares_with(who_.uid) ? wire::ShmPacket::reaches : 0u);
  hello.flags = static_cast<std::uint16_t>(flags);
  if (!watched_) watched_ = shm_.engine().watch(socket_.get(), Watcher::readable, *this).has_value();
  const bool sent = watched_ && send_packet(socket_, hello, mine_file_.get());
  mine_file_ = Descriptor();
  return sent;
}

void Connection::adopt(Descriptor socket, std::string listener, Acceptor& acceptor) noexcept {
  socket_ = std::move(socket);
  const auto who = peer_of(socket_);
  if (!who || !shm_.admits(who->uid)) return bury();
  who_ = *who;
  address_ = std::move(listener) + "#" + std::to_string(who_.pid);
  acceptor_ = &acceptor;
  watched_ = shm_.engine().watch(socket_.get(), Watcher::readable, *this).has_value();
  arm(greeting_ns);
  if (!watched_) bury();
}

void Connection::ready(unsigned) {
  rung_ = true;
  wake();
}

// Takes what is on the socket: the peer's memory, bells, its end.
unsigned Connection::hear() {
  rung_ = false;
  unsigned done = 0;
  for (; done < packets_max && socket_; ++done) {
    Received got = receive_packet(socket_);
    switch (got.what) {
      case Received::What::nothing: return done;
      case Received::What::bell: ++counts_.bells_in; break;
      case Received::What::packet: welcome(got); break;
      case Received::What::end: peer_gone(); return done + 1;
      case Received::What::wrong: static_cast<void>(wrong("a packet that is not ours")); break;
    }
    shm_.warm(*this);
  }
  if (done == packets_max) awaits_arena_ = false;  // perhaps it comes behind these
  return done;
}

// The peer's memory has come: first its ring, then perhaps its arena, each once and as it must be.
void Connection::welcome(Received& packet) {
  if (state_ == State::ended || state_ == State::dead) return;
  if (packet.packet.kind == wire::ShmPacket::Kind::hello && !theirs_) {
    if (meet(packet)) opened();
  } else if (packet.packet.kind == wire::ShmPacket::Kind::arena && theirs_ && borrower_ == nullptr) {
    static_cast<void>(borrow_from(packet));
  } else if (packet.packet.kind >= wire::ShmPacket::Kind::memory && Shm::shares_with(who_.uid)) {
    const char* const why = direct_.hear(packet);
    if (why != nullptr) static_cast<void>(wrong(why));
  } else {
    static_cast<void>(wrong("a packet that does not belong here"));
  }
}

bool Connection::meet(Received& hello) noexcept {
  const unsigned log2 = hello.packet.log2_bytes;
  if (log2 < ring_log2_min || log2 > ring_log2_max) return wrong("a ring of a size that is not allowed");
  const std::uint64_t ring_bytes = std::uint64_t{1} << log2;
  const char* why = "";
  theirs_ = Memory::adopt(hello.file, ring_layout(ring_bytes), why);
  if (!theirs_) return wrong(why);
  their_line_ = &reinterpret_cast<const wire::ShmPage*>(theirs_.file())->line;
  reader_.open(theirs_.file() + page_bytes, ring_bytes);
  may_lend_ = (hello.packet.flags & wire::ShmPacket::borrows) != 0 && shm_.lends_to(who_.uid);
  may_share_ = (hello.packet.flags & wire::ShmPacket::reaches) != 0 && Shm::shares_with(who_.uid);
  return true;
}

bool Connection::borrow_from(Received& arena) noexcept {
  const unsigned log2 = arena.packet.log2_bytes;
  if (!shm_.lends_to(who_.uid) || log2 < arena_log2_min || log2 > arena_log2_max)
    return wrong("an arena that was not asked for");
  const std::uint64_t bytes = std::uint64_t{1} << log2;
  const char* why = "";
  Memory memory = Memory::adopt(arena.file, Borrower::layout(bytes), why);
  if (!memory) return wrong(why);
  if (my_line_ != nullptr) borrower_ = Borrower::make(std::move(memory), bytes, *my_line_);
  return true;
}

void Connection::opened() {
  timer_.cancel();
  if (state_ == State::greeting) {
    if (!make_memory()) return bury();
    static_cast<void>(greet());  // a dialler that is gone already may have left frames all the same
    shm_.greeted();
    state_ = State::open;
    open_direct();
    settle();
    auto endpoint = std::make_unique<Handle>(*this, shm_.facts());
    acceptor_->accepted(std::move(endpoint));
    return;
  }
  if (state_ == State::opening) state_ = State::open;
  open_direct();
  settle();
  shm_.soil(*this);  // it may have slept since before it could see what we wrote
  if (!queue_.empty() || held_) want_room();
}

// ---- a turn ----

unsigned Connection::work(unsigned budget) {
  unsigned done = rung_ ? hear() : 0;
  if (owes_) tell_shares();
  if (waits_) take_credit();
  if (lender_ != nullptr) take_loans_back();
  if (room_due_) {
    ++done;
    tell_room();
  }
  if (reading()) done += receive(budget);
  if (gone_ && reading() && !reader_.stirs())
    end(EventKind::peer_lost, Errc::peer_lost, "the peer's process ended without closing the link");
  if (end_due_) {
    ++done;
    report();
  }
  settle();
  return done;
}

// Whether the link has nothing to do but take data frames.
void Connection::settle() noexcept {
  const bool calm = reading() && !paused_ && !waits_ && !gone_ && partial_ == nullptr && handle_ != nullptr;
  plain_end_ = calm ? std::min<std::uint64_t>(frame_bytes_max_, reader_.payload_bytes_most()) + 1 : 0;
}

void Connection::look_ourselves(bool yes) noexcept {
  if (my_line_ == nullptr) return;
  const std::uint32_t bell = my_line_->bell;
  if (((bell & 1) == 0) != yes) store_shared(my_line_->bell, bell + 1);
}

void Connection::sleep() noexcept {
  look_ourselves(false);
  fence();
  if (stirs()) wake();
}

void Connection::on_timer() {
  switch (state_) {
    case State::connecting:
      if (shm_.engine().now_ns() < deadline_ns_) return try_connect();
      return end(EventKind::peer_lost, Errc::timed_out, "too many wait to be accepted by that name");
    case State::opening: return end(EventKind::peer_lost, Errc::timed_out, "the listener does not answer");
    case State::greeting:
    case State::lingering: return bury();
    case State::open: return unblock();
    case State::ended:
    case State::dead: return;
  }
}

// ---- ends ----

// The peer's end of the socket is closed. What it left in its ring is still there to be read, its bye among
// it.
void Connection::peer_gone() noexcept {
  gone_ = true;
  settle();
  close_socket();
  if (state_ == State::greeting || state_ == State::lingering) return bury();
  if (state_ == State::opening)
    return end(EventKind::peer_lost, Errc::peer_lost, "the listener closed before it answered");
  wake();
}

void Connection::end(EventKind kind, Errc code, const char* why) noexcept {
  if (state_ == State::ended || state_ == State::dead) return;
  if (handle_ == nullptr || state_ == State::lingering) return bury();
  state_ = State::ended;
  end_kind_ = kind;
  end_code_ = code;
  end_why_ = why;
  end_due_ = true;
  waits_ = false;
  settle();
  timer_.cancel();
  shm_.cool(*this);
  static_cast<void>(direct_.end());
  free_received();
  queue_.clear();
  lender_.reset();
  borrower_.reset();
  close_socket();
  wake();
}

void Connection::report() {
  end_due_ = false;
  if (handle_ == nullptr) return;
  direct_.tell_gone();
  Receiver& receiver = handle_->receiver();
  if (receiver.gate != nullptr) receiver.gate->hold(Gate::transport_bit);
  receiver.event(receiver.self, Event{end_kind_, end_code_, end_why_});
}

void Connection::close(std::uint64_t linger_ns) noexcept {
  if (state_ >= State::lingering) return;
  end_due_ = false;
  if (!may_send()) return bury();
  Message bye;
  send_later(bye, wire::ShmKind::bye);
  if (!may_send()) return bury();
  free_received();
  state_ = State::lingering;
  static_cast<void>(direct_.end());
  settle();
  write_out();
  if (queue_.empty() || linger_ns == 0) return finish_lingering();
  arm(linger_ns);
}

// Everything is in the ring, which the peer has, or will find with our greeting.
void Connection::finish_lingering() noexcept {
  write_out();
  bury();
}

void Connection::abandon() noexcept {
  direct_.tell_gone();
  handle_ = nullptr;
  settle();
  if (state_ != State::lingering) bury();
}

void Connection::bury() noexcept {
  if (state_ == State::dead) return;
  if (state_ == State::greeting) shm_.greeted();
  state_ = State::dead;
  waits_ = false;
  settle();
  timer_.cancel();
  static_cast<void>(direct_.end());
  free_received();
  queue_.clear();
  lender_.reset();
  borrower_.reset();
  close_socket();
  shm_.bury(*this);
}

void Connection::close_socket() noexcept {
  if (!socket_) return;
  if (watched_) shm_.engine().unwatch(socket_.get(), *this);
  watched_ = false;
  socket_ = Descriptor();
}

// ---- regions ----

Direct* Connection::direct() noexcept {
  const std::uint32_t uid = state_ == State::connecting ? to_.uid : who_.uid;
  return Shm::shares_with(uid) && state_ != State::dead ? &direct_ : nullptr;
}

void Connection::open_direct() noexcept {
  if (state_ != State::open) return;
  direct_.open(*reinterpret_cast<wire::ShmPage*>(mine_.file()),
               *reinterpret_cast<const wire::ShmPage*>(theirs_.file()), may_share_);
  tell_shares();
}

// The socket tells when it takes more, as long as something is owed.
void Connection::tell_shares() noexcept {
  if (state_ != State::open || !watched_) return;
  const bool owed = std::exchange(owes_, !direct_.tell(socket_));
  if (owes_ != owed)
    static_cast<void>(shm_.engine().rewatch(
        socket_.get(), owes_ ? Watcher::readable | Watcher::writable : Watcher::readable, *this));
}

void Connection::give_up_sharing() noexcept {
  end(EventKind::peer_lost, Errc::exhausted,
      "the peer does not answer in memory that was revoked, and there is none for fresh pages: one write of "
      "its may still arrive there");
}

void Connection::end_stuck() noexcept {
  end(EventKind::peer_lost, Errc::timed_out,
      "the peer stands still inside memory whose pages had to be exchanged because of another");
}

bool Connection::peer_is_gone() const noexcept { return !socket_ || has_hung_up(socket_); }

}  // namespace harness::transports::shm
