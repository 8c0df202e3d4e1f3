// SPDX-License-Identifier: Apache-2.0
// put: one-sided operations on regions of the peer, by the transport itself where it can, else by messages.
//
// Where the transport reaches the peer's memory (stack/direct.hpp) and nothing between forbids it, an
// operation is handed to it; all else travels as follows.
// The origin cuts an operation into pieces that fit a frame, numbers every piece, and sends them beside the
// messages of the layers above, which pass behind one byte. The target checks key, bounds and access of every
// piece and places it straight from the frame into the region, whatever came before it, unless the piece says
// after which number it wants to be carried out: that is what a fence, `after_previous` and a signal behind
// other pieces are. All pieces below a floor have been carried out; the floor is what `delivered` waits for.
// Over `reliable` it rides on the acknowledgements that are sent anyway (LayerContext::ack_note), so that
// delivered costs one round trip and no packet; over a medium that is reliable by itself one frame of nine
// bytes tells it when asked. A refused piece counts as carried out, and the number of refusals goes with the
// floor: the origin believes nothing delivered before it knows every refusal counted there.
// A word in the domain `nic` is changed by one way at a time: an atomic waits until every one that was begun
// the other way has been carried out (stack/region.hpp has the rest of that rule).
// One-sided operations go on while the application pauses: its messages wait here, charged to the quota.
// Rejected: a window of unnumbered pieces (over a medium without order nobody knows which are there); waiting
// at the origin for what comes before (a round trip a fence); putting before `frag` (a piece would wait for
// reassembly and be copied from a chain).
// Bounds: pieces_max pieces not known to be carried out, reads_max reads and atomics under way, as many being
// served; at the target as many pieces may wait, charged to the quota.
// Sources: see stack/one_sided.hpp; design §4.
// Above: order, compress, mux. Below: frag, reliable. Wire: layers/wire/put.hpp. Parts: layers/put/. Page:
// docs/layers/put.md. Next in reading order: layers/put/origin.cpp, layers/put/target.cpp.
#pragma once

#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set.hpp>

#include <harness/layers/put/tickets.hpp>
#include <harness/layers/wire/put.hpp>
#include <harness/stack/layer.hpp>
#include <harness/stack/numbers.hpp>
#include <harness/stack/one_sided.hpp>
#include <harness/stack/pooled.hpp>

namespace harness::layers {

class Put final : public OneSided, private Regions::Watcher {
 public:
  enum Option : std::size_t { option_piece };
  static constexpr std::array options{
      OptionSpec{"piece", OptionKind::size, 0, 1 << 24, 0,
                 "largest piece of a put or a get in one frame; 0: all that fits below, at most 64 KiB"}};
  static constexpr std::array headers{HeaderInfo{"message", wire::info_of<wire::PutMessage>, 0},
                                      HeaderInfo{"op", wire::info_of<wire::PutOp>, 1},
                                      HeaderInfo{"answer", wire::info_of<wire::PutAnswer>, 2},
                                      HeaderInfo{"refused", wire::info_of<wire::PutRefused>, 3},
                                      HeaderInfo{"placed", wire::info_of<wire::PutPlaced>, 4}};
  static constexpr std::uint32_t message_bytes = wire::bytes_of<wire::PutMessage>;
  static constexpr std::uint32_t op_bytes = wire::bytes_of<wire::PutOp>;
  static constexpr std::uint32_t place_bytes = wire::bytes_of<wire::PutPlace>;
  static constexpr std::uint32_t value_bytes = wire::bytes_of<wire::PutValue>;
  static constexpr std::uint32_t answer_bytes = wire::bytes_of<wire::PutAnswer>;
  static constexpr std::uint32_t refused_bytes = wire::bytes_of<wire::PutRefused>;
  static constexpr std::uint32_t placed_bytes = wire::bytes_of<wire::PutPlaced>;

  static constexpr Descriptor descriptor{
      .name = "put",
      .summary = "one-sided operations on memory that the peer exposes",
      .options = options,
      .headers = headers,
      .header_bytes_max = op_bytes + 2 * place_bytes + value_bytes,
      .contract = {.requires_below =
                       property::message | property::reliable | property::no_duplicates | property::checked16,
                   .forbids_below = {},
                   .adds = property::put_emulated,
                   .clears = {},
                   .emits_control = true,
                   .state_on_rx = true,
                   .expands_input = false,
                   .encrypts = false,
                   .unlimited_message = false,
                   .frame_bytes_min = 128,
                   .cost = {.round_trips = 0, .nominal_ns = 4, .header_bytes = message_bytes}},
      .swap = SwapClass::full,
      .segment = Segment::session,
      .place = 55};

  static constexpr std::uint32_t piece_bytes_max = 64 * 1024;
  static constexpr std::uint64_t pieces_max = 8192;
  static constexpr std::uint64_t ask_every = 1024;  // pieces, where nothing rides on acknowledgements
  static constexpr unsigned reads_max = 64;

  Put(const OptionValues& values, LayerContext& context);
  Put(const Put&) = delete;
  Put& operator=(const Put&) = delete;
  ~Put();

  template <class Below>
  void down(Message& message, Below below) {
    *message.push(message_bytes) = std::byte{static_cast<std::uint8_t>(wire::PutForm::message)};
    below(message);
  }

  template <class Above>
  void up(Message& message, Above above) {
    const std::byte* raw = message.front_run(message_bytes);
    if (raw == nullptr || *raw != std::byte{0} || paused_ || ended_) [[unlikely]]
      return sort(message);
    message.drop_front(message_bytes);
    above(message);
  }

  /// Where the bytes of a write belong, unless it has to wait or would be refused.
  std::uint32_t place(Bytes front, std::uint32_t bytes, Placement& to) noexcept;
  void on(const Event& event, Onward onward);
  void describe(Describer& describer) const;
  bool take_state(Put& old);

  // OneSided
  Errc put(Operation& operation, const RegionHandle& to, std::uint64_t offset, Bytes source,
           const PutOptions& how) override;
  Errc get(Operation& operation, const RegionHandle& from, std::uint64_t offset, MutableBytes into) override;
  Errc atomic(Operation& operation, AtomicOp op, const RegionHandle& at, std::uint64_t offset,
              std::uint64_t operand, std::uint64_t compare) override;
  Errc flush(Operation& operation) override;
  void fence() noexcept override { ++fences_; }
  [[nodiscard]] std::size_t operations() const noexcept override;

 private:
  using Operations = boost::intrusive::list<Operation, boost::intrusive::constant_time_size<false>>;
  // A message of the layers above that came while the application paused.
  struct Kept : boost::intrusive::list_base_hook<> {
    explicit Kept(Message&& taken) noexcept : message(std::move(taken)) {}
    Message message;
  };
  // A piece that wants others to be carried out first.
  struct Early : boost::intrusive::set_base_hook<> {
    Early(const wire::PutOp& what, Message&& rest) noexcept : op(what), message(std::move(rest)) {}
    wire::PutOp op;
    Message message;
  };
  struct AfterOf {
    using type = std::uint64_t;
    type operator()(const Early& early) const noexcept { return early.op.after; }
  };
  // An answer that has not left, or not all of it: what stands in a region, a word, or refusals.
  struct Answer : boost::intrusive::list_base_hook<> {
    wire::PutAnswer head{};
    std::uint16_t refused = 0;  // writes refused, from head.number on …
    std::uint64_t index = 0;    // … and refusals before them
    std::uint64_t word = 0;     // an atomic's, when bytes is 0
    std::uint64_t bytes = 0;    // of the read
    wire::PutPlace place{};
    bool ask = false;  // one of them asked for the floor
  };
  using Answers = boost::intrusive::list<Answer>;

  // the origin: put/origin.cpp
  [[nodiscard]] Errc may(const RegionHandle& region, std::uint64_t offset, std::uint64_t bytes,
                         Access access) const noexcept;
  Errc queue(Operation& operation);
  void pump();
  [[nodiscard]] bool may_send(const Operation& operation) const noexcept;
  bool send_write(Operation& operation);
  bool send_read(Operation& operation);
  bool send_flush(Operation& operation);
  [[nodiscard]] bool is_told() const noexcept;
  void ask_for_floor();
  void number(Operation& operation, wire::PutOp& op) noexcept;
  static void add_signal(const Operation::Work& work, wire::PutOp& op, Message& message);
  void hand_down(wire::PutOp& op, bool last_of_delivered, Message& message);
  void take_answer(Message& message);
  void take_refused(Message& message);
  void take_placed(std::uint64_t floor, std::uint16_t refused);
  void settle();
  void fail_all(Errc code);
  void go_on();

  // the origin, by the transport: put/direct.cpp
  enum class Step : std::uint8_t { went, waits, by_messages };
  bool put_at_once(Operation& operation, const RegionHandle& to, std::uint64_t offset, Bytes source,
                   const Signal& signal);
  Step step_directly(Operation& operation);
  Step write_directly(Operation& operation);
  Step get_directly(Operation& operation);
  Step change_directly(Operation& operation);
  Step begun(Operation& operation, Direct::Outcome outcome) noexcept;
  static void redo(Operation::Work& work) noexcept;
  Step keep(Operation& operation) noexcept;
  static Operation* find_flying(Operations& operations, std::uint64_t ticket) noexcept;
  void take_ended(std::uint64_t ticket, Errc code, Bytes result);
  void take_piece(Operation& operation, std::uint64_t ticket, Errc code, Bytes result) noexcept;
  void end_carried(Operation& operation);
  // The pieces below this number come before it: all, or those that an earlier operation behind the same
  // fence was behind.
  [[nodiscard]] std::uint64_t messages_before(bool fenced) const noexcept {
    return fenced ? next_ : fence_at_;
  }
  [[nodiscard]] bool goes_directly(const Operation::Work& work) const noexcept;
  [[nodiscard]] static bool changes_for_the_card(const Operation::Work& work) noexcept {
    return work.kind == Operation::Kind::atomic && work.region.atomics == AtomicDomain::nic;
  }
  void use(Direct& direct) noexcept;
  void set_direct(Direct* direct) noexcept {
    direct_ = direct;
    at_once_ = direct != nullptr && direct->piece_bytes_max() == ~std::uint64_t{0};
  }
  void forget(const Direct& direct) noexcept;
  void leave_direct() noexcept;
  void take_direct(Put& old) noexcept;
  void unwatch() noexcept;
  void exposed(const Exposed& region) noexcept override;
  void revoked(std::uint64_t key) noexcept override;

  // the target: put/target.cpp
  void take_op(Message& message);
  void carry_out(const wire::PutOp& op, Message& message);
  void write(const wire::PutOp& op, Message& message);
  [[nodiscard]] bool cannot_be(const wire::PutOp& op) const noexcept;
  wire::PutCode store(const wire::PutOp& op, Message& message, std::uint64_t& key);
  wire::PutCode judge(const wire::PutWrite& write, std::uint64_t bytes, std::byte*& at,
                      std::byte*& word) const noexcept;
  void read(const wire::PutOp& op, Message& message);
  void change(const wire::PutOp& op, Message& message);
  void done(const wire::PutOp& op);
  void release_early();
  void refuse_write(const wire::PutOp& op, wire::PutCode code);
  Answer* new_answer(const wire::PutOp& op) noexcept;
  Answer* new_asked(const wire::PutOp& op) noexcept;
  void send_answers();
  bool send_answer(Answer& answer);
  bool send_refused(Answer& answer);
  void tell_placed();
  void send_placed();
  void tell_late();
  void note_floor() noexcept;

  // both
  void sort(Message& message);
  void resume();
  void set_paused(bool paused);
  void hand_up_kept();
  void close_when_idle();
  [[nodiscard]] bool idle() const noexcept;
  void refuse(Errc code, std::string_view detail);
  void drop_all(Errc code);
  void try_again() noexcept;

  LayerContext& context_;
  bool paused_ = false;
  bool ended_ = false;  // the link closes: nothing more is taken from below
  bool pumping_ = false;
  bool answering_ = false;
  bool begins_no_more_ = false;  // the application closes
  bool closing_ = false;         // … and it waits for what is under way
  bool at_once_ = false;         // the transport does all it does at once
  Timer again_;                  // the pool gave nothing, or a close waits
  Timer tell_;                   // the floor moved behind the acknowledgement
  const bool rides_;
  std::uint32_t piece_bytes_;

  // origin
  Direct* direct_ = nullptr;        // the transport's own way …
  Direct* old_direct_ = nullptr;    // … and of the stack before, whose state was taken over
  Tickets tickets_;                 // what the transport has under way
  Operations sending_;              // first in, first out; the first may be sent in part
  Operations carried_;              // with the transport, all of it, until the last piece has ended
  Operations flying_;               // sent, until delivered: by the end of their numbers
  Operations asking_;               // reads and atomics, until answered
  unsigned asking_count_ = 0;       // … those that the caller has destroyed included
  std::uint64_t next_ = 0;          // number of the next piece
  std::uint64_t asked_ = 0;         // the target was asked to tell when all below are carried out
  std::uint64_t fence_at_ = 0;      // no later piece is carried out before all below this are
  std::uint64_t fences_ = 0;        // begun …
  std::uint64_t fence_passed_ = 0;  // … and known to the last piece that was sent
  std::uint64_t floor_ = 0;         // the target's, as told
  std::uint64_t card_pieces_ = 0;   // all that change words in the domain `nic` are below this number …
  std::uint64_t card_tickets_ = 0;  // … and, by the transport, below this ticket
  std::uint64_t told_refused_ = 0;  // as told with it …
  Numbers heard_refused_;           // … and by their own frames, by index
  Errc failed_ = Errc::ok;          // since the last flush

  // target
  Numbers carried_out_;
  boost::intrusive::multiset<Early, boost::intrusive::key_of_value<AfterOf>> early_;
  Answers answers_;
  unsigned asks_in_ = 0;  // reads and atomics among them
  std::uint64_t refused_ = 0;
  std::uint64_t wanted_floor_ = 0;  // that the origin asked to be told of
  std::uint64_t told_floor_ = 0;
  boost::intrusive::list<Kept> kept_;

  std::uint64_t by_transport_ = 0;
  std::uint64_t pieces_in_ = 0;
  std::uint64_t bytes_out_ = 0;
  std::uint64_t bytes_in_ = 0;
  std::uint64_t refusals_in_ = 0;
  std::uint64_t placed_sent_ = 0;
  std::uint64_t signals_in_ = 0;
  std::uint64_t waited_for_memory_ = 0;
};

}  // namespace harness::layers
