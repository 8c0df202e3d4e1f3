// SPDX-License-Identifier: Apache-2.0
// One link through shared memory: two rings, two credit lines, and the socket over which they were exchanged.
//
//   dial:    connecting ──▶ opening ──hello──▶ open ──close──▶ lingering ──▶ dead
//   accept:  greeting ──hello──▶ open            └────▶ ended ────────────────▲
//
// Each side makes one piece of memory: its credit line, and behind it the ring of what it sends. A dialler
// may write into its ring at once; the peer finds it there. The Handle is the Endpoint that a link owns; the
// Connection belongs to the transport and outlives it until everything accepted, and the bye behind it, is in
// the ring. What is in the ring outlives its writer: the reader still holds the memory.
//
// Sending: what fits in an eighth of the ring is one record, the rest goes in parts as the reader makes room.
// A frame for which there is no room waits in a short queue, and the gate is held until the queue is empty
// and half of the ring free. Receiving copies each frame into a slab of its own; a frame that may not be
// handed up
// (paused, quota exhausted, pool empty) stays in the ring and blocks what is behind it.
// Between processes of one user, messages made for this link (make), and others that would take more than one
// record, are lent instead (shm/loans.hpp).
// Whether a side looks into the ring by itself or must be rung stands in its credit line (Shm::warm, cool).
// Small messages have a short way: while a link has nothing else to do (settle), one comparison of the header
// says that a data frame in its place is there, and take_plain hands it up. All else goes through work.
// Memory of its regions is reached as shm/direct.hpp says.
// Bounds per connection: the ring, `queue_max` frames waiting, one frame being received.
#pragma once

#include <array>
#include <memory>
#include <string>

#include <harness/stack/transport.hpp>
#include <harness/transports/engine.hpp>
#include <harness/transports/handle.hpp>
#include <harness/transports/lists.hpp>
#include <harness/transports/shm/direct.hpp>
#include <harness/transports/shm/loans.hpp>
#include <harness/transports/shm/memory.hpp>
#include <harness/transports/shm/ring.hpp>
#include <harness/transports/shm/send_queue.hpp>
#include <harness/transports/shm/socket.hpp>

namespace harness::transports {
class Shm;
}

namespace harness::transports::shm {

class Connection;
using Handle = HandleOf<Connection>;

struct Counts {
  std::uint64_t frames_out = 0;  // data frames
  std::uint64_t frames_in = 0;
  std::uint64_t bytes_out = 0;  // of frames, without record headers
  std::uint64_t bytes_in = 0;
  std::uint64_t parts_out = 0;
  std::uint64_t loans_out = 0;
  std::uint64_t loans_in = 0;
  std::uint64_t staged = 0;  // loans that were copied into the arena first
  std::uint64_t bells_out = 0;
  std::uint64_t bells_in = 0;
  std::uint64_t holds = 0;
  std::uint64_t blocks = 0;   // times receiving stopped: paused, quota, pool
  std::uint64_t dropped = 0;  // frames given after the end
};

class Connection final : public Watcher, public Hook<OwnedTag>, public Hook<ReadyTag>, public Hook<DirtyTag> {
 public:
  enum class State : std::uint8_t { connecting, greeting, opening, open, ended, lingering, dead };
  static constexpr std::uint64_t batch_bytes = 4096;            // so much in a turn is shown within it
  static constexpr std::uint32_t setup_bytes_max = 128 * 1024;  // largest set-up frame that is received
  static constexpr unsigned setup_reserve = 4;
  static constexpr unsigned packets_max = 16;  // taken off the socket a turn

  Connection(Shm& shm, State state) noexcept;
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // ---- for the transport ----

  /// Makes the memory and tries to reach a listener; failure is told by an event.
  void dial(const Address& address) noexcept;
  /// Takes over an accepted socket; its endpoint goes to `acceptor` when the dialler's memory is here.
  void adopt(Descriptor socket, std::string listener, Acceptor& acceptor) noexcept;
  unsigned work(unsigned budget);
  /// True when a data frame is at the front and there is nothing else to do: take_plain does this turn.
  [[nodiscard]] bool has_plain() const noexcept { return reader_.plain_bytes() < plain_end_; }
  unsigned take_plain(unsigned budget);
  /// Shows what was written in this turn, and rings the peer when it sleeps.
  void write_out() noexcept;
  void ready(unsigned what) override;
  /// True when the peer has written or taken something that we wait for.
  [[nodiscard]] bool stirs() const noexcept {
    return (reading() && reader_.stirs()) ||
           (waits_ && load_shared(their_line_->consumed) != writer_.consumed());
  }
  /// Says in the credit line whether we look by ourselves (true) or must be rung.
  void look_ourselves(bool yes) noexcept;
  /// From now on the peer rings; what it wrote before it could know that makes us ready.
  void sleep() noexcept;
  [[nodiscard]] bool is_open() const noexcept { return state_ == State::open; }
  [[nodiscard]] Handle* handle() const noexcept { return handle_; }
  void set_handle(Handle* handle) noexcept { handle_ = handle; }

  unsigned misses = 0;  // turns in a row that found nothing, kept for the transport's hot set
  bool hot = false;

  // ---- for the handle ----

  [[nodiscard]] Entry entry() noexcept { return {&down_thunk, this, nullptr}; }
  MutableBytes reserve(std::uint32_t bytes) noexcept;
  void commit() noexcept;
  Message make(Pool& pool, std::uint32_t bytes) noexcept;
  Errc send_setup(Message&& frame) noexcept;
  Errc configure(const OptionValues& options, std::uint32_t& frame_bytes_max) noexcept;
  void pause(bool paused) noexcept;
  void close(std::uint64_t linger_ns) noexcept;
  void abandon() noexcept;
  [[nodiscard]] bool drained() const noexcept { return queue_.empty(); }
  /// The way to the peer's memory; null when the peer is another user's.
  [[nodiscard]] Direct* direct() noexcept;
  [[nodiscard]] const Counts& counts() const noexcept { return counts_; }
  [[nodiscard]] std::string peer_address() const { return "shm:" + address_; }
  [[nodiscard]] Shm& transport() noexcept { return shm_; }
  void describe(Describer& describer) const;

  // ---- for the regions that are shared ----

  /// Sends the packets that are owed, as far as the socket takes them; the rest when it does.
  void tell_shares() noexcept;
  /// The peer is in memory that was revoked, does not answer, and there is no memory to exchange the pages.
  void give_up_sharing() noexcept;
  /// The peer stands still in memory whose pages are exchanged: what it was doing there is in doubt.
  void end_stuck() noexcept;
  /// The peer's process has ended, or has closed the link.
  [[nodiscard]] bool peer_is_gone() const noexcept;

 private:
  // sending: connection_send.cpp
  static void down_thunk(void* self, const Entry* next, harness_message* message) noexcept;
  void send(Message& message, wire::ShmKind kind) noexcept;
  void send_large(Message& message, wire::ShmKind kind) noexcept;
  void send_later(Message& message, wire::ShmKind kind) noexcept;
  void count_out(wire::ShmKind kind, std::uint32_t bytes) noexcept;
  bool lend(Message& message) noexcept;
  bool open_arena() noexcept;
  Slab* arena_slab(std::uint64_t capacity) noexcept;
  void take_loans_back() noexcept;
  void wrote() noexcept;
  void pump() noexcept;
  bool push(SendQueue::Frame& frame) noexcept;
  void want_room() noexcept;
  void take_credit() noexcept;
  std::byte* room(std::uint64_t bytes) noexcept;
  bool refresh_credit() noexcept;
  void ring() noexcept;
  void hold() noexcept;
  void tell_room();
  [[nodiscard]] bool may_send() const noexcept {
    return state_ == State::open || state_ == State::opening || state_ == State::connecting;
  }

  // receiving: connection_receive.cpp
  unsigned receive(unsigned budget);
  bool take(const Found& found);
  bool take_whole(const Found& found);
  bool take_part(const Found& found);
  bool take_loan(const Found& found);
  bool wrong(const char* why) noexcept;
  void deliver(Message&& message, wire::ShmKind kind);
  [[nodiscard]] bool may_hand_up(wire::ShmKind kind, bool fresh) noexcept;
  [[nodiscard]] Slab* slab_for(std::uint32_t bytes, wire::ShmKind kind) noexcept;
  void publish() noexcept;
  void block() noexcept;
  void unblock() noexcept;
  void starve() noexcept;
  void settle() noexcept;
  [[nodiscard]] bool reading() const noexcept { return state_ == State::open && !blocked_; }

  // opening and ending: connection.cpp
  void wake() noexcept;
  void arm(std::uint64_t delay_ns) noexcept;
  bool make_memory() noexcept;
  void try_connect() noexcept;
  bool greet() noexcept;
  unsigned hear();
  void welcome(Received& packet);
  bool meet(Received& hello) noexcept;
  bool borrow_from(Received& arena) noexcept;
  void opened();
  void open_direct() noexcept;
  void peer_gone() noexcept;
  void on_timer();
  void end(EventKind kind, Errc code, const char* why) noexcept;
  void report();
  void bury() noexcept;
  void finish_lingering() noexcept;
  void close_socket() noexcept;
  void free_received() noexcept;

  // The message path first.
  RingWriter writer_;
  std::uint64_t turn_ = 0;  // of the transport, in which this connection last wrote
  State state_;
  bool waits_ = false;  // for the peer to take something
  bool blocked_ = false;
  bool paused_ = false;
  bool held_ = false;
  bool room_due_ = false;
  bool end_due_ = false;
  bool rung_ = false;  // the socket has something
  bool owes_ = false;  // packets, to a full socket
  bool gone_ = false;  // the peer's end of the socket is closed: drain what it left
  bool may_lend_ = false;
  bool may_share_ = false;
  bool awaits_arena_ = false;  // a loan came before it; the socket is heard to its end
  std::uint32_t frame_bytes_max_;
  std::uint64_t plain_end_ = 0;  // data frames of fewer bytes go the short way; 0: there is other work
  RingReader reader_;
  std::uint64_t took_in_poll_ = 0;
  wire::ShmLine* my_line_ = nullptr;
  const wire::ShmLine* their_line_ = nullptr;
  Handle* handle_ = nullptr;
  Pool& pool_;
  Shm& shm_;
  std::uint32_t rung_for_ = 0;  // the peer's sleep in which we have rung already
  std::uint32_t reserved_bytes_ = 0;
  std::byte* reserved_at_ = nullptr;
  Message reserved_;  // too large for one record
  SendQueue queue_;

  // the frame that comes in parts
  Slab* partial_ = nullptr;
  std::uint32_t partial_have_ = 0;
  std::uint32_t partial_bytes_ = 0;
  wire::ShmKind partial_kind_ = wire::ShmKind::none;
  Quota* waiting_quota_ = nullptr;  // that calls unblock

  MappedDirect direct_{*this};
  Memory mine_;
  Memory theirs_;
  std::unique_ptr<Lender> lender_;  // from the first loan on
  Borrower::Owner borrower_;        // … of the peer
  Descriptor mine_file_;            // until the peer has it
  Descriptor socket_;
  bool watched_ = false;
  Peer who_;
  Address to_;           // dialled
  std::string address_;  // as a person would dial it
  Acceptor* acceptor_ = nullptr;
  EventKind end_kind_ = EventKind::peer_lost;
  Errc end_code_ = Errc::ok;
  const char* end_why_ = "";
  std::uint64_t deadline_ns_ = 0;  // of connecting and opening
  Timer timer_;                    // connecting, greeting, starving, lingering: one at a time
  Counts counts_;
};

}  // namespace harness::transports::shm
