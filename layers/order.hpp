// SPDX-License-Identifier: Apache-2.0
// order: messages of a channel are delivered in the order they were sent, each at most once.
//
// Each channel has its own sequence, 1, 2, 3 …; a message in sequence costs a compare and an add and
// passes. One that comes early waits, sorted by (channel, sequence). Over a reliable layer it waits for
// as long as it takes. Over a lossy one it waits at most `patience`; then the gap before it is given up,
// and what still comes for the gap is late: dropped and counted, like a duplicate. No channel waits for
// another. Sequence 0 is outside every sequence: control messages of the layers above, which must not
// wait for data.
// Over a lossy layer a leap beyond `dropout_max` is believed only when its successor comes next, so that
// one damaged header cannot make the rest of the channel late (RFC 3550 A.1).
// A damaged sequence would be believed, so what is below must be checked (a UDP checksum will do).
// Rejected: one sequence for the link (a lost message would stop every channel); a ring per channel
// (kilobytes of idle memory); giving up a gap by count alone (a quiet channel would wait for ever).
// Bounds: `window` waiting messages a link. More: over reliable the link closes (exhausted); over lossy a
// gap is given up.
// Sources: Ensemble and Horus sequence layers; RFC 3550 appendix A.1.
// Above: compress, mux. Below: frag, reliable. Wire: layers/wire/order.hpp.
// Checked by: check_fifo, check_no_duplicates. Page: docs/layers/order.md. Next in reading order:
// frag.hpp.
#pragma once

#include <array>

#include <boost/intrusive/set.hpp>

#include <harness/layers/wire/order.hpp>
#include <harness/stack/layer.hpp>
#include <harness/stack/pooled.hpp>

namespace harness::layers {

class Order {
 public:
  enum Option : std::size_t { window, patience };
  static constexpr std::array options{
      OptionSpec{"window", OptionKind::count, 1, 65536, 32768,
                 "messages that may wait for a gap before them"},
      OptionSpec{"patience", OptionKind::duration, 1, 60'000'000, 10'000,
                 "how long a message waits for a gap before it over a lossy layer"}};
  static constexpr std::array headers{HeaderInfo{"order", wire::info_of<wire::Order>}};
  static constexpr Descriptor descriptor{
      .name = "order",
      .summary = "delivers the messages of each channel in the order sent, each at most once",
      .options = options,
      .headers = headers,
      .header_bytes_max = wire::bytes_of<wire::Order>,
      .contract = {.requires_below = property::message | property::checked16,
                   .forbids_below = {},
                   .adds = property::fifo | property::no_duplicates,
                   .clears = {},
                   .emits_control = false,
                   .state_on_rx = true,
                   .expands_input = false,
                   .encrypts = false,
                   .unlimited_message = false,
                   .frame_bytes_min = 0,
                   .cost = {.round_trips = 0, .nominal_ns = 3, .header_bytes = 8}},
      .swap = SwapClass::full,
      .segment = Segment::session,
      .pump = false,
      .place = 40};

  static constexpr std::uint64_t dropout_max = 65536;  // messages; a larger gap needs a second witness

  Order(const OptionValues& values, LayerContext& context);
  Order(const Order&) = delete;
  Order& operator=(const Order&) = delete;
  ~Order();

  template <class Below>
  void down(Message& message, Below below) {
    const unsigned channel = message.note().channel % Gate::channels_max;
    const std::uint64_t sequence = message.is_control() ? 0 : ++sent_[channel];
    wire::encode(wire::Order{static_cast<std::uint16_t>(channel), sequence},
                 message.push(wire::bytes_of<wire::Order>));
    below(message);
  }

  template <class Above>
  void up(Message& message, Above above) {
    const std::byte* raw = message.front_run(wire::bytes_of<wire::Order>);
    if (raw == nullptr || !waiting_.empty()) [[unlikely]]
      return sort_in(message);
    const auto header = wire::decode<wire::Order>(raw);
    if (header.channel >= Gate::channels_max || header.sequence != delivered_[header.channel] + 1)
        [[unlikely]]
      return sort_in(message);
    message.drop_front(wire::bytes_of<wire::Order>);
    delivered_[header.channel] = header.sequence;
    message.note().channel = header.channel;
    above(message);
  }

  void on(const Event& event, Onward onward);
  void describe(Describer& describer) const;
  bool take_state(Order& old);

 private:
  static constexpr std::uint16_t no_channel = 0xffff;
  // A message that came early. Key: channel in the upper 16 bits, sequence in the lower 48.
  struct Waiting : boost::intrusive::set_base_hook<> {
    Waiting(std::uint64_t at, std::uint64_t now_ns, Message&& taken) noexcept
        : key(at), since_ns(now_ns), message(std::move(taken)) {}
    std::uint64_t key;
    std::uint64_t since_ns;
    Message message;
  };
  struct KeyOf {
    using type = std::uint64_t;
    type operator()(const Waiting& waiting) const noexcept { return waiting.key; }
  };
  using WaitingSet = boost::intrusive::set<Waiting, boost::intrusive::key_of_value<KeyOf>>;

  void sort_in(Message& message);
  bool believes(wire::Order header) noexcept;
  void keep(Message& message, wire::Order header);
  void deliver(Message& message, wire::Order header);
  void deliver_run(unsigned channel);
  void give_up_to(std::uint64_t key);
  void give_up_aged();
  void arm() noexcept;
  void refuse(Errc code, std::string_view detail);
  void drop_all() noexcept;

  LayerContext& context_;
  std::array<std::uint64_t, Gate::channels_max> sent_{};       // last sequence sent, by channel
  std::array<std::uint64_t, Gate::channels_max> delivered_{};  // last sequence delivered or given up
  WaitingSet waiting_;
  std::size_t window_;
  std::uint64_t patience_ns_;
  bool reliable_;
  bool refusing_ = false;
  std::uint64_t witness_ = 0;  // key after a sequence that was too far ahead to be believed
  Timer aging_;

  std::uint64_t early_messages_ = 0;
  std::uint64_t late_messages_ = 0;
  std::uint64_t duplicate_messages_ = 0;
  std::uint64_t given_up_messages_ = 0;
  std::uint64_t doubted_messages_ = 0;
  std::uint64_t malformed_frames_ = 0;
};

}  // namespace harness::layers
