// SPDX-License-Identifier: Apache-2.0
// One peer over udp: a connected socket, the cookies of both sides, what waits to be sent or handed up.
//
//   resolving ──▶ opening ──first answer──▶ open ──close──▶ lingering ──▶ dead
//        └───────────┴──▶ ended                └───────────────────────────▲
//
// The Handle is the Endpoint that a link owns; the Channel belongs to the transport and outlives it while
// what it accepted still waits for the kernel. Nothing is said on the wire when a channel goes: whoever could
// forge that could end links; link set-up says it (FIN), and layers notice silence. A refused port ends a
// channel only while it dials, for the same reason.
//
// Receiving: a datagram that may not be handed up (paused, quota exhausted) goes to a small inbox, so that
// set-up frames behind it still pass; once that is full the socket is not read, and the kernel drops what its
// buffer cannot hold and says how many.
// Bounds: SendQueue's, four set-up frames to send, inbox_bytes_max + one batch received.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include <harness/stack/transport.hpp>
#include <harness/transports/engine.hpp>
#include <harness/transports/handle.hpp>
#include <harness/transports/lists.hpp>
#include <harness/transports/udp/receive_batch.hpp>
#include <harness/transports/udp/send_queue.hpp>
#include <harness/transports/udp/setup_pieces.hpp>
#include <harness/transports/udp/socket.hpp>
#include <harness/transports/wire/datagram.hpp>

namespace harness::transports {
class Udp;
}

namespace harness::transports::udp {

class Channel;
class Listener;

using Handle = HandleOf<Channel>;

struct Counts {
  std::uint64_t frames_out = 0;  // data frames
  std::uint64_t frames_in = 0;
  std::uint64_t bytes_out = 0;  // of data frames, outer headers included
  std::uint64_t bytes_in = 0;
  std::uint64_t send_calls = 0;
  std::uint64_t receive_calls = 0;
  std::uint64_t trains_out = 0;  // of two frames and more
  std::uint64_t train_frames_out = 0;
  std::uint64_t trains_in = 0;
  std::uint64_t gso_refused = 0;
  std::uint64_t holds = 0;
  std::uint64_t blocks = 0;     // times receiving stopped: paused, quota
  std::uint64_t congested = 0;  // arrivals marked by a queue
  std::uint64_t errors = 0;     // the system reported: port unreachable, no route
  // dropped
  std::uint64_t dropped_before_open = 0;  // data given before the peer was known
  std::uint64_t dropped_after_end = 0;
  std::uint64_t dropped_beyond_reserve = 0;  // given although held: a bug above when it is not 0
  std::uint64_t dropped_too_long = 0;        // longer than the path takes, and whole
  std::uint64_t dropped_unsent = 0;          // the system refused to send
  std::uint64_t dropped_no_memory = 0;
  std::uint64_t dropped_malformed = 0;
  std::uint64_t dropped_in_socket = 0;  // the kernel: its receive buffer was full
};

class Channel final : public Watcher, public Hook<OwnedTag>, public Hook<ReadyTag>, public Hook<DirtyTag> {
 public:
  enum class State : std::uint8_t { resolving, opening, open, ended, lingering, dead };
  static constexpr std::uint32_t copy_bytes_max = 512;  // longer frames are sent from where they lie
  static constexpr unsigned setup_reserve = 4;
  static constexpr std::uint64_t inbox_bytes_max = 256 * 1024;
  static constexpr std::uint64_t mtu_look_ns = 1'000'000'000;  // how often the path's MTU is asked for
  static constexpr std::uint64_t retry_ns = 100'000;           // after the system was short of buffers
  static constexpr std::uint64_t linger_look_ns = 1'000'000;
  static constexpr unsigned attempts_max = 3;       // of one call while errors were pending
  static constexpr unsigned opens_a_candidate = 3;  // unanswered, then the next address is tried

  Channel(Udp& udp, std::uint32_t cookie) noexcept;
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // ---- for the transport ----

  void resolve(const HostPort& at);
  void connect(std::vector<Address> candidates);
  /// Takes over a socket connected to a dialler that showed a good token.
  bool adopt(int descriptor, const Address& peer, std::uint32_t peer_cookie, std::uint64_t origin,
             Listener& listener) noexcept;
  unsigned work(unsigned budget);
  void write_out() noexcept;
  void ready(unsigned what) override;
  /// Supposes that there is something to read; the next read tells.
  void guess_readable() noexcept;
  /// A datagram of this channel that came through another socket of ours.
  void take_elsewhere(const Arrival& arrival, Bytes datagram);
  /// A piece of a set-up frame of the peer.
  void take_piece(const wire::DatagramSetup& header, Bytes piece);
  void set_handle(Handle* handle) noexcept { handle_ = handle; }
  void shut_down() noexcept;
  /// Remembered by its listener, now that it goes.
  void depart() noexcept;
  [[nodiscard]] std::uint32_t cookie() const noexcept { return cookie_; }
  [[nodiscard]] std::uint64_t origin() const noexcept { return origin_; }
  [[nodiscard]] std::uint64_t last_counter() const noexcept { return counter_in_; }
  void note_counter(std::uint64_t counter) noexcept { counter_in_ = std::max(counter_in_, counter); }

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
  [[nodiscard]] bool drained() const noexcept {
    return queue_ == nullptr && (setup_count_ == 0 || state_ >= State::ended);
  }
  [[nodiscard]] std::uint32_t mtu() const noexcept;
  [[nodiscard]] const Counts& counts() const noexcept { return counts_; }
  [[nodiscard]] const Address& peer() const noexcept { return peer_; }
  [[nodiscard]] std::string peer_address() const { return "udp:" + print(peer_); }
  void describe(Describer& describer) const;

 private:
  // What only a channel that is being opened needs; shared with the job that looks the name up, which may end
  // after the channel.
  struct Dialling {
    Channel* owner = nullptr;
    std::vector<Address> candidates;
    std::size_t next = 0;
  };
  struct Outgoing {  // a set-up frame that waits to leave
    Message frame;
    std::uint32_t name = 0;
    unsigned next_piece = 0;
  };

  // sending: channel_send.cpp
  static void down_thunk(void* self, const Entry* next, harness_message* message) noexcept;
  void send(Message& message) noexcept;
  bool takes(std::uint32_t bytes) noexcept;
  bool few_runs(Message& message) noexcept;
  void next_header(wire::DatagramKind kind, std::byte* to) noexcept;
  void account() noexcept;
  void hold() noexcept;
  void room();
  void look_for_room() noexcept;
  void drop_queue() noexcept;
  bool recover(const Sent& sent, unsigned& attempts) noexcept;
  void write_queue() noexcept;
  void write_setups() noexcept;
  bool write_piece(Outgoing& outgoing) noexcept;
  bool write_datagram(const std::byte* bytes, std::size_t count) noexcept;
  void ask_for_token() noexcept;
  void look_at_mtu() noexcept;
  [[nodiscard]] std::uint32_t segment_max() const noexcept { return gso_ ? path_payload_ : 0; }

  // receiving: channel_receive.cpp
  unsigned receive(unsigned budget);
  unsigned take_arrivals(unsigned count);
  unsigned take(unsigned index);
  unsigned take_data(Slab* slab, const std::byte* at, std::uint32_t bytes, bool congested);
  void take_other(const wire::Datagram& header, Bytes datagram);
  void deliver(Message& message);
  void keep(Message&& message);
  unsigned hand_up_inbox(unsigned budget);
  [[nodiscard]] bool may_hand_up() noexcept;
  void block(Quota* quota) noexcept;
  void unblock() noexcept;
  void free_received() noexcept;
  [[nodiscard]] bool reading() const noexcept {
    return (state_ == State::open || state_ == State::opening) && inbox_bytes_ < inbox_bytes_max;
  }

  // opening and ending: channel.cpp
  void wake() noexcept;
  void on_resolved(std::vector<Address> found, const std::string& why);
  void try_next(int error) noexcept;
  bool start() noexcept;
  void answered(std::uint32_t peer_cookie) noexcept;
  void failed_to_open(int error) noexcept;
  void on_timer();
  void arm(std::uint64_t delay_ns) noexcept;
  void end(Errc code, const char* why) noexcept;
  void report();
  void bury() noexcept;
  void close_socket() noexcept;

  Udp& udp_;
  Handle* handle_ = nullptr;
  Listener* listener_ = nullptr;  // that it was opened at
  int descriptor_ = -1;
  std::uint32_t cookie_;
  std::uint32_t peer_cookie_ = 0;
  std::uint64_t origin_ = 0;
  State state_ = State::opening;
  bool readable_ = false;
  bool writable_ = false;
  bool paused_ = false;
  bool blocked_ = false;
  bool held_ = false;
  bool room_due_ = false;
  bool end_due_ = false;
  bool mtu_due_ = false;
  bool whole_ = false;  // what the socket is set to
  bool gso_ = true;
  bool busy_ = false;  // the last turn filled more than a small slab
  bool ask_due_ = false;
  Errc end_code_ = Errc::ok;
  const char* end_why_ = "";

  // sending
  Pool& pool_;
  std::unique_ptr<SendQueue> queue_;
  std::uint64_t counter_out_ = 0;
  std::uint32_t frame_bytes_max_;
  std::uint32_t path_payload_ = 0;
  std::uint64_t mtu_looked_ns_ = 0;
  std::uint64_t token_ = 0;
  std::uint64_t linger_until_ns_ = 0;
  unsigned asked_ = 0;  // for a token, at this candidate
  unsigned setup_count_ = 0;
  std::array<Outgoing, setup_reserve> setups_;
  std::uint32_t reserved_bytes_ = 0;
  std::byte* reserved_at_ = nullptr;  // in the staging slab
  Message reserved_;                  // … or too long for it

  // receiving
  std::uint64_t counter_in_ = 0;    // the highest seen
  unsigned streak_ = 0;             // reads in a row that found something
  Quota* waiting_quota_ = nullptr;  // that calls unblock
  std::unique_ptr<std::deque<Message>> inbox_;
  std::uint64_t inbox_bytes_ = 0;
  SetupPieces pieces_;

  Timer timer_;  // resolving, short of buffers, lingering
  Address peer_;
  std::shared_ptr<Dialling> dialling_;
  Counts counts_;
};

}  // namespace harness::transports::udp
