// SPDX-License-Identifier: Apache-2.0
// reliable: every message arrives once over a medium that loses, repeats and reorders packets.
//
// A transport protocol as RFC 9002 describes it, without the stream: each transmission has a packet number of
// its own, never used again, so that an acknowledgement says which one arrived; a retransmission carries the
// same bytes, found by the message's own number. Acknowledgements are ranges of packet numbers, one a poll
// turn, or ride on data. A packet is lost when three later ones arrived or 9/8 of a round trip passed after
// one did; a path that reorders is given more time (RACK). When nothing comes back, probes are sent ever more
// rarely, and after `patience` the peer is reported lost. What may be under way is bounded by the peer's
// credit (what remains of its quota, told in every acknowledgement), by the congestion window (a policy:
// static or cubic, paced in trains), and by 32768 messages and 65536 packets. A pause of this end, longer
// than a probe timeout between two turns, is in no round trip: no sample is taken of what was under way.
// A message that is delivered is not held back: order is the business of `order`, each channel by itself.
// Only an application that pauses leaves messages here, acknowledged, until it resumes: credit was given for
// them, and when it is used up the peer stops. Rejected for that: pausing the endpoint, which shuts out the
// peer's acknowledgements together with its messages, so that both ends repeat and give up.
// The bytes sent are kept by reference, not copied. A message larger than the path's packets travels in
// parts; the packet size is searched for upwards from 1200 bytes (RFC 8899), and what must be sent again is
// cut anew when the path became narrower.
// Rejected: cumulative sequence numbers with selective repeats (ambiguous round trips); fragmentation below
// (one lost fragment costs the message, R5); a negative acknowledgement (silence at the end of a burst).
// Bounds: see above; 33 ranges, 4096 runs of parts, three probes a size.
// Sources: RFC 9002, RFC 9000 §13 and §21.4, RFC 8985, RFC 8899, RFC 9438.
// Above: frag, order. Below: heartbeat, checksum or encrypt, udp. Wire: layers/wire/reliable.hpp. Parts:
// layers/reliable/. Checked by: check_reliable, check_no_duplicates. Page: docs/layers/reliable.md.
// Next in reading order: layers/reliable/sent_table.hpp.
#pragma once

#include <array>
#include <span>

#include <boost/intrusive/list.hpp>

#include <harness/layers/reliable/ack_ranges.hpp>
#include <harness/layers/reliable/joiner.hpp>
#include <harness/layers/reliable/pacer.hpp>
#include <harness/layers/reliable/path_mtu.hpp>
#include <harness/layers/reliable/reordering.hpp>
#include <harness/layers/reliable/rtt.hpp>
#include <harness/layers/reliable/sent_table.hpp>
#include <harness/layers/wire/reliable.hpp>
#include <harness/policies/congestion/congestion.hpp>
#include <harness/stack/layer.hpp>
#include <harness/stack/numbers.hpp>
#include <harness/stack/pooled.hpp>

namespace harness::layers {

class Reliable {
 public:
  enum Option : std::size_t { cc, window, patience };
  static constexpr std::array options{
      OptionSpec{"cc", OptionKind::word, 0, 1, 1, "congestion control of what this end sends",
                 congestion::kind_words},
      OptionSpec{"window", OptionKind::size, 0, 1 << 30, 0,
                 "most bytes in flight, and what static keeps there; 0: what the peer has room for"},
      OptionSpec{"patience", OptionKind::duration, 100'000, 3'600'000'000, 10'000'000,
                 "how long a peer may be silent before it is reported lost"}};
  static constexpr std::array headers{HeaderInfo{"data", wire::info_of<wire::ReliableData>, 0},
                                      HeaderInfo{"part", wire::info_of<wire::ReliablePart>, 1},
                                      HeaderInfo{"ack", wire::info_of<wire::ReliableAck>, 2},
                                      HeaderInfo{"probe", wire::info_of<wire::ReliableProbe>, 3},
                                      HeaderInfo{"noted ack", wire::info_of<wire::ReliableAck>, 4}};
  static constexpr std::uint32_t data_bytes = wire::bytes_of<wire::ReliableData>;
  static constexpr std::uint32_t part_bytes = wire::bytes_of<wire::ReliablePart>;
  static constexpr std::uint32_t ack_bytes = wire::bytes_of<wire::ReliableAck>;
  static constexpr std::uint32_t note_bytes = wire::bytes_of<wire::ReliableNote>;
  static constexpr std::uint32_t range_bytes = wire::bytes_of<wire::ReliableRange>;
  static constexpr std::uint32_t probe_bytes = wire::bytes_of<wire::ReliableProbe>;

  static constexpr Descriptor descriptor{
      .name = "reliable",
      .summary = "delivers every message once over a medium that loses packets",
      .options = options,
      .headers = headers,
      .header_bytes_max = ack_bytes + note_bytes + part_bytes,
      .contract = {.requires_below = property::message | property::checked16,
                   .forbids_below = {},
                   .adds = property::reliable | property::no_duplicates | property::flow_controlled |
                           property::congestion_controlled | property::death_within,
                   .clears = property::total | property::place,
                   .emits_control = true,
                   .state_on_rx = true,
                   .expands_input = false,
                   .encrypts = false,
                   .unlimited_message = false,
                   .frame_bytes_min = 256,
                   .cost = {.round_trips = 0, .nominal_ns = 20, .header_bytes = data_bytes}},
      .swap = SwapClass::full,
      .segment = Segment::session,
      .pump = true,
      .place = 65};

  Reliable(const OptionValues& values, LayerContext& context);
  Reliable(const Reliable&) = delete;
  Reliable& operator=(const Reliable&) = delete;
  ~Reliable();

  template <class Below>
  void down(Message& message, Below below) {
    const std::uint32_t bytes = message.size();
    const std::uint64_t cost = cost_of(bytes);
    Slab* const home = message.home();
    if (cost > ready_bytes_ || bytes + data_bytes > mtu_.bytes() || home == nullptr || held(message))
        [[unlikely]]
      return send_slowly(message);
    ready_bytes_ -= cost;
    if (--ready_packets_ == 0) ready_bytes_ = 0;
    const wire::ReliableData header{.packet = static_cast<std::uint32_t>(sent_.next()),
                                    .message = static_cast<std::uint32_t>(next_message_)};
    record(message, *home, bytes);
    wire::encode(header, message.push(data_bytes));
    message.note().flags |= flag_whole;
    below(message);
  }

  template <class Above>
  void up(Message& message, Above above) {
    const std::byte* raw = message.front_run(data_bytes);
    const std::uint64_t cost = received_cost_ + cost_of(message.size() - data_bytes);
    if (raw == nullptr || cost > usual_cost_ || message.note().flags != 0) [[unlikely]]
      return receive(message);
    const std::uint64_t packet = arrived_.largest() + 1;
    const wire::ReliableData expected{.packet = static_cast<std::uint32_t>(packet),
                                      .message = static_cast<std::uint32_t>(received_.floor())};
    std::array<std::byte, data_bytes> next;
    wire::encode(expected, next.data());
    if (load<std::uint64_t>(raw) != load<std::uint64_t>(next.data())) [[unlikely]]
      return receive(message);
    received_cost_ = cost;
    arrived_.take_next();
    received_.take_floor();
    message.drop_front(data_bytes);
    above(message);
  }

  void on(const Event& event, Onward onward);
  void describe(Describer& describer) const;
  bool take_state(Reliable& old);

 private:
  // A message that could not leave at once, or does not fit one packet; or one received during a pause.
  struct Waiting : boost::intrusive::list_base_hook<> {
    explicit Waiting(Message&& taken) noexcept : message(std::move(taken)) {}
    Message message;
    Split* split = nullptr;  // set once its first part was sent
    std::uint64_t number = 0;
    std::uint32_t offset = 0;  // bytes already sent
  };
  using Queue = boost::intrusive::list<Waiting>;
  using State = Sent::State;

  /// What a message costs of the credit: about what it costs of the receiver's quota, slab and node included.
  static constexpr std::uint64_t cost_of(std::uint64_t bytes) noexcept { return bytes + 320; }
  static constexpr std::uint64_t credit_unit_bytes = 64;
  static constexpr unsigned credit_bits = 38;
  static constexpr std::uint64_t span_of(std::uint64_t quota_bytes) noexcept {
    return quota_bytes - quota_bytes / 8;  // the rest is for acknowledgements, which must always come in
  }

  // A pump above that owns an unfinished message is in the gate's word, too, but holds nothing down here.
  [[nodiscard]] bool held(const Message& message) const noexcept {
    return context_.gate.word() != 0 && context_.held_below(message.note().channel % Gate::channels_max);
  }
  // Requires: the message lies in `home` as a whole.
  void record(const Message& message, Slab& home, std::uint32_t bytes) noexcept {
    Sent& sent = sent_.append(context_.env.now_ns());
    sent.data.keep(home, message.run().data(), bytes);
    sent.channel = static_cast<std::uint8_t>(message.note().channel);
    sent.priority = message.note().priority;
    sent.message = static_cast<std::uint32_t>(next_message_++);
    sent.bytes = bytes + data_bytes;
    in_flight_bytes_ += bytes + data_bytes;
    sent_cost_ += cost_of(bytes);
    pacer_.spend(bytes + data_bytes);
  }

  // sending: reliable/send.cpp
  void send_slowly(Message& message);
  void enqueue(Message& message);
  void send_now(Message& message);
  void pump();
  void resume();
  bool send_queued();
  bool send_part_of(Waiting& waiting, std::uint32_t bytes);
  void finish(Waiting& waiting) noexcept;
  bool send_lost();
  bool send_again(std::uint32_t number, bool as_probe);
  void transmit(std::uint32_t number, Message& packet);
  Sent& append(std::uint32_t bytes, bool mtu_probe = false) noexcept;
  void send_probe(std::uint32_t bytes, bool for_mtu);
  bool window_open(std::uint64_t bytes) noexcept;
  bool fresh_allowed(std::uint64_t bytes) noexcept;
  void refresh() noexcept;
  void update_window() noexcept;
  void search_mtu();
  void start_flight() noexcept;

  // acknowledgements of the peer, loss and timeouts: reliable/recover.cpp
  struct Progress;
  struct Losses {
    bool any = false;
    bool persistent = false;
    std::uint64_t last = 0;           // number of the last one
    std::uint64_t first_sent_ns = 0;  // of the unbroken run that ends with it
    std::uint64_t newest_sent_ns = 0;
  };
  bool take_ack(Message& message, std::uint64_t& note);
  void take_credit(const wire::ReliableAck& ack, std::uint64_t largest) noexcept;
  void take_ranges(const wire::ReliableAck& ack, std::span<const AckRanges::Range> ranges);
  void take_usual(const AckRanges::Range& range, Progress& progress);
  void take_acked(std::uint32_t number, Progress& progress);
  void look_for_spurious(std::uint32_t number, std::span<const AckRanges::Range> ranges);
  void release_data(Sent& sent) noexcept;
  void follow(std::uint32_t successor) noexcept;
  void message_acked(std::uint32_t number) noexcept;
  void look_for_pause() noexcept;
  [[nodiscard]] std::uint64_t left_ns(const Sent& sent) const noexcept {
    return sent.sent_ns > woke_ns_ ? sent.sent_ns : woke_ns_;
  }
  void detect_lost();
  void lose(std::uint32_t number, Losses& losses);
  void on_timer();
  void on_probe_timeout();
  bool probe_with_data();
  bool peer_is_lost();
  void arm_timer() noexcept;
  [[nodiscard]] std::uint64_t timer_due_ns() const noexcept;
  [[nodiscard]] std::uint64_t probe_interval_ns(unsigned tries) const noexcept;
  void keep_alive();

  // receiving: reliable/receive.cpp
  void receive(Message& message);
  bool receive_packet(Message& message);
  bool take_data(Message& message);
  bool take_part(Message& message);
  bool take_probe(Message& message);
  void hand_up(Message& message);
  void hand_up_kept();
  bool has_room(std::uint64_t cost) noexcept;
  void note_arrival(std::uint32_t packet) noexcept;
  void want_ack() noexcept;
  void send_ack();
  wire::ReliableAck make_ack() noexcept;
  void push_ack(Message& packet, wire::ReliableAck ack) noexcept;
  [[nodiscard]] std::uint32_t ack_bytes_now() const noexcept {
    return ack_bytes + (context_.ack_note->bits != 0 ? note_bytes : 0);
  }
  void note_ack_sent() noexcept;
  std::uint64_t credit_now() noexcept;
  void watch_credit() noexcept;

  void start();
  void limit_mtu(std::uint64_t frame_bytes);
  void release_closing();
  void refuse(Errc code, std::string_view detail);
  static void drop_split(Split* split, std::uint32_t bytes) noexcept;
  void drop_all() noexcept;
  [[nodiscard]] std::uint64_t own_span() const noexcept;

  LayerContext& context_;

  // The message path first: sending …
  std::uint64_t ready_bytes_ = 0;  // cost of messages that may go without a further look
  std::uint32_t ready_packets_ = 0;
  std::uint64_t in_flight_bytes_ = 0;
  std::uint64_t next_message_ = 0;  // between two sums: neighbours become one vector, slower than two adds
  std::uint64_t sent_cost_ = 0;     // of all messages so far
  PathMtu mtu_;
  SentTable sent_;
  // … and receiving.
  // Up to this received cost the usual packet needs no look: no gap, and an acknowledgement is due anyway.
  std::uint64_t usual_cost_ = 0;
  std::uint64_t received_cost_ = 0;
  Numbers received_;
  AckRanges arrived_;

  bool ended_ = false;  // nothing is sent or taken any more
  bool up_ = false;
  bool closing_ = false;  // a close waits for everything to be acknowledged
  bool pumping_ = false;
  bool paused_ = false;  // by the application: what arrives is kept
  bool ack_due_ = false;
  bool acked_while_held_ = false;
  bool limited_ = false;        // the congestion window kept something back
  std::uint32_t released_ = 0;  // channels that came free: `writable` is due
  unsigned timeouts_ = 0;       // probe timeouts in a row
  unsigned begged_ = 0;         // probes for credit in a row
  Queue queue_;
  Queue kept_;     // received and acknowledged, for an application that has paused
  Numbers acked_;  // messages

  Rtt rtt_;
  Reordering reordering_;
  congestion::Controller controller_;
  congestion::Window window_;
  Pacer pacer_;
  std::uint64_t credit_cost_;        // the peer's: what may be sent in all
  std::uint64_t advertised_cost_;    // ours, as told last
  std::uint32_t message_bytes_max_;  // that may arrive in parts
  std::uint64_t largest_acked_ = 0;
  std::uint64_t skipped_ = 0;  // a number that was left out: who acknowledges it lies
  std::uint64_t skip_at_;
  std::uint64_t recovery_ns_ = 0;       // losses of what was sent up to then are one event
  std::uint64_t waiting_since_ns_ = 0;  // nothing is in flight, yet something waits
  std::uint64_t armed_for_ns_ = 0;      // timer_
  std::uint64_t loss_due_ns_ =
      0;  // when the oldest packet in flight counts as lost; 0: not before a later ack
  std::uint64_t largest_at_ns_ = 0;  // when the largest packet arrived
  std::uint64_t heard_ns_ = 0;
  std::uint64_t late_at_heard_ns_ = 0;
  std::uint64_t measured_ns_ = 0;  // the first round trip was measured
  std::uint64_t woke_ns_ = 0;      // the last pause of ours that was longer than a probe timeout ended
  std::uint64_t late_seen_ns_ = 0;
  std::uint64_t patience_ns_;
  std::uint16_t peer_congested_ = 0;
  std::uint16_t congested_ = 0;
  Joiner joiner_;
  Timer timer_;
  Timer ack_timer_;
  Timer pace_timer_;
  Timer idle_timer_;

  std::uint64_t lost_packets_ = 0;
  std::uint64_t resent_packets_ = 0;
  std::uint64_t spurious_packets_ = 0;
  std::uint64_t probe_timeouts_ = 0;
  std::uint64_t persistent_ = 0;
  std::uint64_t split_messages_ = 0;
  std::uint64_t duplicate_packets_ = 0;
  std::uint64_t refused_packets_ = 0;
  std::uint64_t over_credit_packets_ = 0;
  std::uint64_t credit_regressions_ = 0;
  std::uint64_t acks_sent_ = 0;
  std::uint64_t waited_for_memory_ = 0;
};

}  // namespace harness::layers
