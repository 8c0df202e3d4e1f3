// SPDX-License-Identifier: Apache-2.0
// One TCP connection: a socket, what waits to be sent, and where in the stream the receiver stands.
//
//   resolving ──▶ connecting ──▶ open ──close──▶ lingering ──▶ dead
//        └──────────────┴───────────┴─────────▶ ended ────────▲
//
// The Handle is the Endpoint that a link owns; the Connection belongs to the transport and outlives it while
// it lingers: after close it flushes, says bye, shuts its side down and reads until the peer does the same,
// because closing a socket with unread bytes would reset it and destroy what the peer has not read yet.
//
// Receiving: one read into the transport's scratch buffer takes many small frames, each copied into a slab of
// its own size; a frame that is not complete gets its final slab at once, and the rest of it is read straight
// into that slab, with a little scratch behind it for the next header. Of a large data frame the stack is
// asked first whether its body belongs into a region (stack/placement.hpp): then only its headers get a slab,
// and the rest is read to where it belongs, or forgotten when the region is revoked meanwhile. A frame that
// may not be handed up (paused, quota exhausted, pool empty) stays where it is and blocks reading; set-up
// frames before it still pass. Bounds per connection: hold_bytes + one frame + the reserves to send; one
// frame and `scratch_bytes` received.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include <harness/stack/transport.hpp>
#include <harness/transports/engine.hpp>
#include <harness/transports/handle.hpp>
#include <harness/transports/lists.hpp>
#include <harness/transports/tcp/send_queue.hpp>
#include <harness/transports/tcp/socket.hpp>
#include <harness/transports/wire/stream.hpp>

namespace harness::transports {
class Tcp;
}

namespace harness::transports::tcp {

class Connection;
using Handle = HandleOf<Connection>;

struct Counts {
  std::uint64_t frames_out = 0;  // data frames
  std::uint64_t frames_in = 0;
  std::uint64_t bytes_out = 0;  // on the wire, headers included
  std::uint64_t bytes_in = 0;
  std::uint64_t send_calls = 0;
  std::uint64_t receive_calls = 0;
  std::uint64_t staged = 0;        // frames sent by a copy into a staging slab
  std::uint64_t referred = 0;      // frames sent from where they lay
  std::uint64_t direct_bytes = 0;  // received straight into their final slab, or a region
  std::uint64_t placed = 0;        // frames whose body was received into a region
  std::uint64_t holds = 0;
  std::uint64_t blocks = 0;   // times receiving stopped: paused, quota, pool
  std::uint64_t dropped = 0;  // frames given after the end
};

class Connection final : public Watcher,
                         public Hook<OwnedTag>,
                         public Hook<ReadyTag>,
                         public Hook<DirtyTag>,
                         public Hook<SentTag> {
 public:
  enum class State : std::uint8_t { resolving, connecting, open, ended, lingering, dead };
  static constexpr std::uint32_t copy_bytes_max = 8192;            // larger frames are sent by reference
  static constexpr std::uint32_t flush_bytes = 64 * 1024;          // so much waiting is sent within the turn
  static constexpr std::uint64_t hold_bytes = 256 * 1024;          // so much waiting holds the sender
  static constexpr unsigned hold_runs = SendQueue::runs_max - 16;  // one frame, both reserves, and slack
  static constexpr unsigned setup_reserve = 4;
  static constexpr std::uint32_t setup_bytes_max = 128 * 1024;  // largest set-up frame that is received
  static constexpr std::uint32_t place_bytes_min = 8 * 1024;    // of smaller frames a copy is as cheap

  Connection(Tcp& tcp, int descriptor, State state) noexcept;
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // ---- for the transport ----

  void resolve(const HostPort& at);
  void connect(std::vector<Address> candidates);
  /// Takes over an accepted, configured socket.
  Errc adopt(const Address& peer) noexcept;
  unsigned work(unsigned budget);
  void write_out() noexcept;
  void ready(unsigned what) override;
  /// Supposes that there is something to read; the next read tells.
  void guess_readable() noexcept;
  [[nodiscard]] State state() const noexcept { return state_; }
  [[nodiscard]] Handle* handle() const noexcept { return handle_; }
  void set_handle(Handle* handle) noexcept { handle_ = handle; }
  /// Puts the kernel's user timeout off while the peer answers and takes nothing; false: it has everything.
  bool look_at_delivery() noexcept;
  /// A last attempt to hand everything to the kernel; then the socket is closed.
  void shut_down() noexcept;

  unsigned misses = 0;  // reads in a row that found nothing, kept for the transport's hot set
  bool hot = false;

  // ---- for the handle ----

  [[nodiscard]] Entry entry() noexcept { return {&down_thunk, this, nullptr}; }
  MutableBytes reserve(std::uint32_t bytes) noexcept;
  void commit() noexcept;
  Errc send_setup(Message&& frame) noexcept;
  Errc configure(const OptionValues& options, std::uint32_t& frame_bytes_max) noexcept;
  void pause(bool paused) noexcept;
  void close(std::uint64_t linger_ns) noexcept;
  void abandon() noexcept;
  [[nodiscard]] bool drained() const noexcept { return queue_ == nullptr; }
  [[nodiscard]] bool may_send() const noexcept { return state_ <= State::open && !write_failed_; }
  [[nodiscard]] const Counts& counts() const noexcept { return counts_; }
  [[nodiscard]] std::string peer_address() const { return "tcp:" + print(peer_); }
  [[nodiscard]] std::uint32_t frame_bytes_max() const noexcept { return frame_bytes_max_; }
  void describe(Describer& describer) const;

 private:
  // sending: connection_send.cpp
  static void down_thunk(void* self, const Entry* next, harness_message* message) noexcept;
  void send(Message& message, wire::StreamKind kind) noexcept;
  void account() noexcept;
  bool need_queue() noexcept;
  void drop_queue() noexcept;
  void hold() noexcept;
  void room();
  void look_for_room() noexcept;
  [[nodiscard]] wire::StreamFrame next_header(std::size_t bytes, wire::StreamKind kind) noexcept;

  // receiving: connection_receive.cpp
  unsigned receive(unsigned budget);
  long read_some(std::size_t& asked) noexcept;
  unsigned took(std::size_t bytes);
  unsigned parse(const std::byte* at, std::size_t size);
  unsigned replay();
  bool take_header(const std::byte*& at, std::size_t& size) noexcept;
  [[nodiscard]] bool check(const wire::StreamFrame& header) noexcept;
  bool fill(const std::byte*& at, std::size_t& size) noexcept;
  bool take_large(const std::byte*& at, std::size_t& size);
  void deliver(Message& message, wire::StreamKind kind);
  [[nodiscard]] bool may_hand_up(wire::StreamKind kind) noexcept;
  [[nodiscard]] Slab* slab_for(std::uint32_t bytes) noexcept {
    const bool charged = frame_.kind == wire::StreamKind::data && handle_ != nullptr;
    return pool_.allocate(bytes, charged ? handle_->receiver().quota : nullptr);
  }
  [[nodiscard]] std::size_t scratch_room() const noexcept;
  void stash(const std::byte* at, std::size_t size) noexcept;
  void block() noexcept;
  void unblock() noexcept;
  void starve() noexcept;
  [[nodiscard]] bool reading() const noexcept {
    return !blocked_ && (state_ == State::open || state_ == State::lingering);
  }

  // receiving large frames: connection_place.cpp
  bool fill_large(const std::byte*& at, std::size_t& size) noexcept;
  bool begin_large(const std::byte*& at, std::size_t& size) noexcept;
  [[nodiscard]] Bytes front(const std::byte*& at, std::size_t& size) noexcept;
  [[nodiscard]] MutableBytes rest() const noexcept;
  void take_rest(const std::byte*& at, std::size_t& size) noexcept;
  [[nodiscard]] Message large_message() noexcept;

  // opening and ending: connection.cpp
  void wake() noexcept;
  void try_next();
  void on_resolved(std::vector<Address> found, const std::string& why);
  void connected();
  bool start() noexcept;
  void on_timer();
  void arm(std::uint64_t delay_ns) noexcept;
  void write_failed(int error) noexcept;
  void read_ended(int error) noexcept;
  void end(EventKind kind, Errc code, const char* why) noexcept;
  void report();
  void flushed() noexcept;
  void expect_delivery() noexcept;
  void wait_for_peer(std::uint64_t ms) noexcept;
  void bury() noexcept;
  void close_socket() noexcept;
  void free_received() noexcept;

  Tcp& tcp_;
  Handle* handle_ = nullptr;
  int descriptor_;
  State state_;
  bool readable_ = false;
  bool writable_ = false;
  bool peer_ended_ = false;  // epoll saw the peer's FIN: read to the end
  bool bye_received_ = false;
  bool paused_ = false;
  bool blocked_ = false;
  bool held_ = false;
  bool room_due_ = false;
  bool end_due_ = false;
  bool write_failed_ = false;
  bool busy_ = false;  // the last turn filled more than a small slab
  EventKind end_kind_ = EventKind::peer_lost;
  Errc end_code_ = Errc::ok;
  const char* end_why_ = "";
  int write_error_ = 0;
  int pending_ = 0;  // why the last candidate failed

  // sending
  Pool& pool_;
  std::unique_ptr<SendQueue> queue_;
  std::uint32_t send_sequence_ = 0;
  std::uint32_t frame_bytes_max_;
  std::array<std::uint64_t, setup_reserve> setup_ends_{};  // where in the stream the last set-up frames end
  std::uint32_t reserved_bytes_ = 0;
  std::byte* reserved_at_ = nullptr;  // in a staging slab
  Message reserved_;                  // … or too large for one
  std::uint32_t user_timeout_ms_;
  std::uint32_t patience_ms_;  // the kernel's user timeout now
  std::uint64_t acked_bytes_ = 0;
  std::uint64_t acked_ns_ = 0;  // when that was seen to change

  // receiving
  std::uint32_t receive_sequence_ = 0;
  std::array<std::byte, SendQueue::header_bytes> header_{};
  std::uint8_t header_have_ = 0;
  Quota* waiting_quota_ = nullptr;  // that calls unblock
  bool in_frame_ = false;           // its header is read, it is not handed up yet
  wire::StreamFrame frame_;         // that header
  Slab* partial_ = nullptr;         // its slab, once it has one
  std::uint32_t partial_have_ = 0;
  std::uint32_t front_have_ = 0;
  std::array<std::byte, Placement::front_bytes> front_{};  // of a large frame, when a read cut through it
  Placement placement_;                                    // of its body; its headers are in `partial_`
  Slab* backlog_ = nullptr;  // scratch bytes behind the place where receiving was blocked
  Slab* replaying_ = nullptr;
  std::uint32_t backlog_at_ = 0;
  std::uint32_t backlog_end_ = 0;

  Timer timer_;  // connecting, starving, lingering: one at a time
  Address peer_;
  struct Dialling;  // what only a connection that is being made needs
  std::shared_ptr<Dialling> dialling_;
  Counts counts_;
};

}  // namespace harness::transports::tcp
