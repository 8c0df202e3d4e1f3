// SPDX-License-Identifier: Apache-2.0
// One link over the fabric: a peer's address, credit in both directions, and the control link beside it.
//
//   greeting ──hello──▶ open ──close──▶ lingering ──▶ dead
//       └────────────────┴───────────▶ ended ─────────▲
//
// The Handle is the Endpoint that a link owns; the Connection belongs to the transport and outlives it while
// it lingers. Sending: what is small is injected or copied into a registered slot, what is larger than the
// crossover is offered, from the link's arena: written there, or copied. What the provider does not take
// (EAGAIN), or the peer gave no credit for, waits in a queue and holds the gate; it is tried again in every
// poll.
// Receiving: frames are matched in order, but where the provider does not promise that they also complete in
// order (cxi), one that comes early is kept until those before it came (connection_early.cpp). They are
// handed up from the completion; those that may not be (paused, quota exhausted, an offered frame before
// them is still being read) wait in a list inside their own slabs, which the window bounds. Set-up frames
// pass a paused receiver when no data waits before them.
//
// The control link says who the other one is, rings who sleeps (providers without a descriptor), asks whether
// the peer turns where an operation does not complete (overdue.hpp), and ends the link: a `bye` names the
// number of frames sent, so everything that was sent before is received first; who said it stays until the
// peer has all of it (`done`). A control link that ends without a bye is a death.
// Bounds: the window received; hold_bytes, one frame and the reserves to send; one arena; reads_ahead reads.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <harness/stack/transport.hpp>
#include <harness/transports/handle.hpp>
#include <harness/transports/lists.hpp>
#include <harness/transports/ofi/buffers.hpp>
#include <harness/transports/ofi/direct.hpp>
#include <harness/transports/ofi/offers.hpp>
#include <harness/transports/ofi/overdue.hpp>
#include <harness/transports/ofi/send_queue.hpp>
#include <harness/transports/wire/ofi.hpp>

namespace harness::transports::ofi {

class Ofi;
class Connection;
using Handle = HandleOf<Connection>;
struct BlockedTag;  // has frames that the provider or the peer did not take
struct UnrungTag;   // was not asked to ring since it last did

struct Counts {
  std::uint64_t frames_out = 0;  // data frames
  std::uint64_t frames_in = 0;
  std::uint64_t bytes_out = 0;  // over the fabric, headers included
  std::uint64_t bytes_in = 0;
  std::uint64_t injected = 0;  // frames, by how they went
  std::uint64_t copied = 0;
  std::uint64_t offered = 0;
  std::uint64_t in_place = 0;  // of these: read from where the application wrote them
  std::uint64_t read = 0;      // frames of the peer
  std::uint64_t again = 0;     // the provider took nothing
  std::uint64_t credits = 0;   // frames with nothing but credit
  std::uint64_t bells = 0;     // rung
  std::uint64_t holds = 0;
  std::uint64_t blocks = 0;   // times handing up stopped: paused, quota
  std::uint64_t dropped = 0;  // frames given after the end
};

class Connection final : public Hook<OwnedTag>,
                         public Hook<ReadyTag>,
                         public Hook<BlockedTag>,
                         public Hook<UnrungTag> {
 public:
  enum class State : std::uint8_t { greeting, open, ended, lingering, dead };
  static constexpr std::uint32_t header_bytes = wire::bytes_of<wire::OfiFrame>;
  static constexpr std::uint64_t hold_bytes = 256 * 1024;  // so much waiting holds the sender
  static constexpr unsigned hold_frames = SendQueue::frames_max - 16;
  static constexpr unsigned setup_reserve = 4;
  static constexpr std::uint32_t setup_bytes_max = 128 * 1024;
  static constexpr unsigned reads_ahead = 8;

  Connection(Ofi& ofi, std::unique_ptr<Endpoint> control, std::uint32_t cookie, bool dialled);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // ---- for the transport ----

  /// Says hello to who was dialled.
  void greet() noexcept;
  unsigned work(unsigned budget);
  /// Sends what waits, as far as it goes; false: something still does.
  bool push_out() noexcept;
  /// A message of the fabric for this link. [inside poll]
  unsigned take(const wire::OfiFrame& header, const std::byte* bytes, std::size_t size);
  /// A send or a read of this link completed; `error`: libfabric's code, 0 for none.
  void sent(int error) noexcept;
  void was_read(Operation& read, int error) noexcept;
  void was_direct(Operation& operation, int error) { direct_->completed(operation, error); }
  /// The provider may have lost a frame of this link: the peer hears how many there are.
  void doubt() noexcept;
  /// Asks the peer to ring when it has something; what it sent until now needs none. False: not now.
  bool ask_for_bell() noexcept { return note(wire::OfiNote::Kind::sleep, received_frames_) || control_lost_; }
  /// An operation of this link that is under way at the `look`th look for overdue ones …
  void see(Operation& operation, std::uint32_t look) noexcept;
  /// … frames that the peer says it sent …
  void see_lacking(std::uint32_t look) noexcept;
  [[nodiscard]] bool lacks_frames() const noexcept {
    return is_judged() && received_frames_ < expected_frames_;
  }
  /// … and behind the last of them: asks the peer, or ends the link.
  void judge(std::uint32_t look, bool all_answer, std::uint64_t bytes) noexcept;
  /// It was asked whether the peer polls, and has not answered.
  [[nodiscard]] bool is_asking() const noexcept {
    return overdue_.is_asking() && is_judged() && !control_lost_;
  }
  /// Of frames that the peer has not read.
  [[nodiscard]] std::uint64_t offered_bytes() const noexcept {
    return offers_ != nullptr ? offers_->out_bytes() : 0;
  }
  [[nodiscard]] std::uint32_t cookie() const noexcept { return cookie_; }
  [[nodiscard]] Handle* handle() const noexcept { return handle_; }
  void set_handle(Handle* handle) noexcept { handle_ = handle; }
  [[nodiscard]] bool is_lingering() const noexcept { return state_ == State::lingering; }

  // ---- for its Direct ----

  [[nodiscard]] fi_addr_t peer() const noexcept { return peer_; }
  bool note(wire::OfiNote::Kind kind, std::uint64_t value, Bytes tail = {}) noexcept;
  /// Rings a peer that sleeps: it must turn for an operation to end. One that falls asleep later is rung when
  /// it says so.
  void wake_peer() noexcept {
    if (wants_bell_) ring();
  }
  /// The path is broken, as the provider says.
  void failed(int error) noexcept;
  /// The provider had taken a put, and it did not arrive.
  void lost_put() noexcept;

  // ---- for the handle ----

  /// Null when the provider cannot tell what has arrived.
  [[nodiscard]] Direct* direct() noexcept;
  [[nodiscard]] Entry entry() noexcept { return {&down_thunk, this, nullptr}; }
  MutableBytes reserve(std::uint32_t bytes) noexcept;
  void commit() noexcept;
  Message make(Pool& pool, std::uint32_t bytes) noexcept;
  Errc send_setup(Message&& frame) noexcept;
  Errc configure(const OptionValues& options, std::uint32_t& frame_bytes_max) noexcept;
  void pause(bool paused) noexcept;
  void close(std::uint64_t linger_ns) noexcept;
  void abandon() noexcept;
  [[nodiscard]] bool drained() const noexcept;
  [[nodiscard]] const Counts& counts() const noexcept { return counts_; }
  [[nodiscard]] std::string peer_address() const;
  void describe(Describer& describer) const;

 private:
  enum class Sent : std::uint8_t {
    yes,
    blocked,
    waits,
    failed
  };  // blocked: by the provider; waits: for the peer
  struct Waiting;
  struct Early;
  static constexpr unsigned early_frames_max = 1024;

  // sending: connection_send.cpp
  static void down_thunk(void* self, const Entry* next, harness_message* message) noexcept;
  void send(Message& message, wire::OfiKind kind) noexcept;
  void enqueue(Message& message, wire::OfiKind kind) noexcept;
  Sent try_send(const Message& message, wire::OfiKind kind) noexcept;
  Sent try_offer(const Message& message, wire::OfiKind kind) noexcept;
  /// One message of the fabric: `fill` writes its `bytes` behind the header.
  template <class Fill>
  Sent post(wire::OfiKind kind, std::uint32_t bytes, std::uint32_t units, Fill&& fill) noexcept;
  Sent posted(long code, std::uint32_t bytes, std::uint32_t units) noexcept;
  bool send_controls() noexcept;
  [[nodiscard]] static constexpr std::uint32_t units_of(std::uint32_t bytes) noexcept {
    return (bytes + wire::OfiFrame::unit_bytes - 1) / wire::OfiFrame::unit_bytes;
  }
  /// Whether a frame of so many bytes is not sent at once: it costs less so, or the peer does not take it.
  [[nodiscard]] bool is_offered(std::uint32_t bytes) const noexcept {
    return header_bytes + bytes > eager_bytes_;
  }
  bool has_arena() noexcept;
  [[nodiscard]] bool has_credit(std::uint32_t units) const noexcept {
    return sent_units_ - acked_units_ + units <= peer_window_;
  }
  [[nodiscard]] bool may_send() const noexcept { return state_ <= State::open && !closing_; }
  void hold() noexcept;
  void look_for_room() noexcept;
  void room();
  void drop_queue() noexcept;

  // receiving: connection_receive.cpp
  [[nodiscard]] bool is_plain(const wire::OfiFrame& header, std::size_t size) const noexcept;
  unsigned take_plain(const wire::OfiFrame& header, const std::byte* bytes);
  unsigned take_next(const wire::OfiFrame& header, const std::byte* bytes, std::size_t size);
  [[nodiscard]] std::uint32_t ahead(std::uint32_t sequence) const noexcept {
    return (sequence - static_cast<std::uint32_t>(received_frames_)) & wire::OfiFrame::sequence_mask;
  }
  [[nodiscard]] bool is_early(const wire::OfiFrame& header) const noexcept;
  void keep_early(const wire::OfiFrame& header, const std::byte* bytes, std::size_t size) noexcept;
  unsigned take_early();
  void drop_early() noexcept;
  void take_taken(Bytes slots) noexcept;
  bool check(const wire::OfiFrame& header, std::size_t size) noexcept;
  bool take_credit(std::uint32_t credit) noexcept;
  bool take_window(const wire::OfiFrame& header) noexcept;
  unsigned take_frame(const wire::OfiFrame& header, const std::byte* bytes);
  unsigned hand_up_now(const wire::OfiFrame& header, const std::byte* bytes);
  unsigned keep_back(const wire::OfiFrame& header, const std::byte* bytes) noexcept;
  bool keep(const wire::OfiFrame& header, const std::byte* bytes) noexcept;
  [[nodiscard]] Slab* allocate(std::uint32_t bytes) noexcept {
    Slab* const slab = pool_.allocate(bytes);
    return slab != nullptr ? slab : allocate_outside(bytes);
  }
  [[nodiscard]] Slab* allocate_outside(std::uint32_t bytes) noexcept;
  [[nodiscard]] bool may_hand_up(wire::OfiKind kind) noexcept;
  void wait_for_receiver() noexcept;
  unsigned hand_up(unsigned budget);
  void deliver(Slab* slab, std::uint32_t offset, std::uint32_t bytes, wire::OfiKind kind);
  void consumed(std::uint32_t units) noexcept;
  void read_ahead() noexcept;
  bool start_read(Waiting& waiting) noexcept;
  void drop_waiting() noexcept;
  void block() noexcept;
  void unblock() noexcept;

  // the control link and the ends: connection_control.cpp, connection.cpp
  void attach_control();
  void on_note(Message& message);
  void on_hello(Bytes note, bool answers);
  bool on_region(const wire::OfiNote& head, Bytes tail);
  [[nodiscard]] std::vector<std::byte> hello() const;
  [[nodiscard]] std::string differs(std::uint64_t version, const wire::OfiTerms& terms,
                                    const wire::OfiFabric& fabric, std::string_view provider) const;
  void open(const wire::OfiTerms& terms, Bytes name);
  void expect(std::uint64_t frames) noexcept;
  void control_ended(Errc code, std::string_view why);
  void on_sleep(std::uint64_t received) noexcept;
  void ring() noexcept;
  void wake() noexcept;
  void answer() noexcept;
  void on_timer();
  void end(EventKind kind, Errc code, std::string why) noexcept;
  void report();
  void look_for_end();
  [[nodiscard]] std::string provider_says(int error) const;
  [[nodiscard]] bool is_judged() const noexcept {
    return state_ == State::open || state_ == State::lingering;
  }
  [[nodiscard]] std::string never_completed() const;
  void bury() noexcept;
  void close_control() noexcept;

  Ofi& ofi_;
  Pool& pool_;
  Fabric& fabric_;
  Handle* handle_ = nullptr;
  std::unique_ptr<Endpoint> control_;
  std::uint32_t cookie_;
  State state_ = State::greeting;
  bool dialled_;
  bool paused_ = false;
  bool blocked_ = false;
  bool held_ = false;
  bool room_due_ = false;
  bool end_due_ = false;
  bool bye_sent_ = false;
  bool bye_received_ = false;
  bool done_sent_ = false;
  bool control_lost_ = false;
  bool closing_ = false;     // closed while it still greets
  bool wants_bell_ = false;  // the peer sleeps …
  bool bell_due_ = false;    // … and could not be rung
  bool answer_due_ = false;  // it asks whether our provider was polled
  static constexpr std::uint64_t none_asleep = ~std::uint64_t{0};
  std::uint64_t asleep_at_ = none_asleep;  // frames it had received when it slept, if it lacked some

  // sending
  fi_addr_t peer_ = FI_ADDR_NOTAVAIL;
  std::uint32_t peer_cookie_ = 0;
  std::uint32_t peer_window_ = 0;  // units
  std::uint32_t eager_bytes_ = 0;  // at most, header included; no more than the peer's receives take
  std::uint32_t sent_units_ = 0;   // modulo 2^32, as the three below
  std::uint32_t acked_units_ = 0;  // of them the peer has taken
  std::uint32_t taken_units_ = 0;  // of the peer's, by us
  std::uint32_t told_units_ = 0;   // … and the peer knows
  std::uint32_t received_units_ = 0;
  std::uint64_t sent_frames_ = 0;  // everything with a number
  std::uint64_t received_frames_ = 0;
  std::uint64_t bye_frames_ = 0;
  std::uint64_t expected_frames_ = 0;  // so many the peer sent, as it says when some are late
  std::uint64_t seen_frames_ = 0;      // received at the last look for overdue ones
  std::uint32_t lacking_since_ = 0;    // the look that found no more of them first
  unsigned under_way_ = 0;             // sends that have not completed
  int placed_ = Offers::none;          // the frame at the front of the queue, once it is in the arena
  std::uint64_t taken_due_ = 0;        // offers of the peer's to be acknowledged, a bit a slot
  std::unique_ptr<SendQueue> queue_;
  Offers::Owner offers_;
  Message reserved_;
  std::uint32_t frame_bytes_max_;

  // receiving
  Slab* first_ = nullptr;  // frames that wait, in order
  Slab* last_ = nullptr;
  Slab* early_ = nullptr;  // frames that came before their turn, by sequence
  unsigned early_frames_ = 0;
  unsigned reading_ = 0;  // frames of the peer's, …
  std::uint64_t reading_bytes_ = 0;
  std::uint64_t peer_offers_ = 0;  // a bit a slot: offered and not taken yet
  RemoteKey peer_key_;
  Quota* waiting_quota_ = nullptr;

  std::unique_ptr<OfiDirect> direct_;  // from the first question for it on
  Overdue overdue_;
  Timer timer_;  // greeting, lingering
  EventKind end_kind_ = EventKind::peer_lost;
  Errc end_code_ = Errc::ok;
  std::string end_why_;
  std::string address_;  // the peer's, once the control link is closed
  Counts counts_;
};

}  // namespace harness::transports::ofi
