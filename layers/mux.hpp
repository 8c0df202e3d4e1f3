// SPDX-License-Identifier: Apache-2.0
// mux: many channels on one link, none of which stops another.
//
// One byte names the channel (annotation, 0 … 31). A channel that its receiver pauses (event `pause` with
// value channel + 1) goes on being received up to its credit, and waits there; the other channels do not
// notice. The sender of a channel without credit keeps one message of it and refuses the next at the gate; no
// other channel is refused. Credit is in bytes, absolute ("up to byte n since the link opened"), so that a
// late or repeated grant does no harm; it is granted when half of `window` has been handed up, which is one
// frame of 8 bytes for each half window. One message may go beyond the credit, so that messages larger than
// the window need no second mechanism. `priority` says whose message is the more urgent for frag below and in
// the queue here: as the sender annotated it
// (message), the lower channel first (channel), or all alike (equal).
// Over a lossy layer there is no credit (a lost message would never return it): a paused channel keeps
// `window` bytes and what comes beyond is dropped and counted.
// Rejected: credit in messages (a message may be 256 MiB); stream identifiers opened and closed at run time
// as in HTTP/2 (a link is cheap here: open another); weights (strict urgency and turns among equals are
// easier to predict).
// Bounds: 32 channels; a paused channel keeps window + one largest message; window ≤ quota / 64 at either
// end, so that all channels but one may be paused and the link still moves.
// Sources: RFC 9000 §4.1 (absolute limits per stream), RFC 9113 §5.2; RFC 9218 (urgency).
// Above: the application. Below: compress, order, frag. Wire: layers/wire/mux.hpp. Checked by:
// check_channels.
// Page: docs/layers/mux.md.
#pragma once

#include <array>

#include <boost/intrusive/list.hpp>

#include <harness/layers/wire/mux.hpp>
#include <harness/stack/layer.hpp>
#include <harness/stack/pooled.hpp>

namespace harness::layers {

class Mux {
 public:
  enum Option : std::size_t { priority, window };
  enum class Priority : std::uint8_t { message, channel, equal };
  static constexpr std::array<std::string_view, 3> priority_words{"message", "channel", "equal"};
  static constexpr std::array options{
      OptionSpec{"priority", OptionKind::word, 0, 2, 0,
                 "whose message is more urgent: as annotated, the lower channel's, or all alike",
                 priority_words},
      OptionSpec{"window", OptionKind::size, 4096, 1 << 28, 256 << 10,
                 "bytes a channel may be ahead of its receiver; at most a 64th of the smaller quota"}};
  static constexpr std::array headers{HeaderInfo{"message", wire::info_of<wire::MuxMessage>, 0},
                                      HeaderInfo{"credit", wire::info_of<wire::MuxCredit>, 1}};
  static constexpr Descriptor descriptor{
      .name = "mux",
      .summary = "carries many channels on one link, none of which stops another",
      .options = options,
      .headers = headers,
      .header_bytes_max = wire::bytes_of<wire::MuxCredit>,
      .contract = {.requires_below = property::message | property::checked16,
                   .forbids_below = {},
                   .adds = property::channels,
                   .clears = {},
                   .emits_control = true,
                   .state_on_rx = true,
                   .cost = {.round_trips = 0, .nominal_ns = 4, .header_bytes = 1}},
      .swap = SwapClass::full,
      .segment = Segment::session,
      .pump = true,
      .place = 20};

  static constexpr unsigned channels_max = Gate::channels_max;
  static constexpr std::uint64_t message_cost_bytes =
      64;  // credit beside the bytes, so that empty ones cost some

  Mux(const OptionValues& values, LayerContext& context);
  Mux(const Mux&) = delete;
  Mux& operator=(const Mux&) = delete;
  ~Mux();

  template <class Below>
  void down(Message& message, Below below) {
    const unsigned channel = message.note().channel % channels_max;
    if (context_.gate.word() != 0 || message.is_control() || sent_bytes_[channel] >= limit_bytes_[channel])
        [[unlikely]]
      return keep(message);
    mark(message, channel);
    below(message);
  }

  template <class Above>
  void up(Message& message, Above above) {
    const std::byte* raw = message.front_run(wire::bytes_of<wire::MuxMessage>);
    if (raw == nullptr || paused_ != 0) [[unlikely]]
      return sort(message);
    const auto header = wire::decode<wire::MuxMessage>(raw);
    if (header.form != wire::MuxForm::message || header.channel >= channels_max) [[unlikely]]
      return sort(message);
    const std::uint64_t received =
        received_bytes_[header.channel] + cost(message) - wire::bytes_of<wire::MuxMessage>;
    if (received >= grant_at_bytes_[header.channel]) [[unlikely]]
      return sort(message);
    message.drop_front(wire::bytes_of<wire::MuxMessage>);
    received_bytes_[header.channel] = received;
    name(message, header.channel);
    above(message);
  }

  void on(const Event& event, Onward onward);
  void describe(Describer& describer) const;
  bool take_state(Mux& old);

 private:
  struct Kept : boost::intrusive::list_base_hook<> {
    explicit Kept(Message&& taken) noexcept : message(std::move(taken)) {}
    Message message;
  };
  using KeptList = boost::intrusive::list<Kept, boost::intrusive::constant_time_size<false>>;
  using PerChannel = std::array<std::uint64_t, channels_max>;

  static std::uint64_t cost(const Message& message) noexcept { return message.size() + message_cost_bytes; }
  void mark(Message& message, unsigned channel) noexcept {
    sent_bytes_[channel] += cost(message);
    if (priority_ != Priority::message) urge(message, channel);
    wire::encode(wire::MuxMessage{wire::MuxForm::message, static_cast<std::uint8_t>(channel)},
                 message.push(wire::bytes_of<wire::MuxMessage>));
  }
  void name(Message& message, unsigned channel) const noexcept {
    message.note().channel = static_cast<std::uint16_t>(channel);
    if (priority_ == Priority::channel) message.note().priority = static_cast<std::uint8_t>(channel);
  }
  void urge(Message& message, unsigned channel) const noexcept {
    message.note().priority =
        priority_ == Priority::channel ? static_cast<std::uint8_t>(channel) : std::uint8_t{0};
  }

  // down
  void keep(Message& message);
  void pump();
  void resume();
  void close_when_empty();
  Kept* next_to_send() noexcept;
  // up
  void sort(Message& message);
  void take_credit(Message& message, unsigned channel);
  void receive(Message& message, unsigned channel);
  void hold_back(Message& message, unsigned channel);
  void release_waiting(unsigned channel);
  void grant(unsigned channel);
  void grant_due();
  void set_paused(unsigned channel, bool paused);
  void malformed();
  void refuse(Errc code, std::string_view detail);
  void drop_all() noexcept;

  LayerContext& context_;
  Priority priority_;
  bool credit_;  // the layer below is reliable
  bool refusing_ = false;
  bool pumping_ = false;
  bool closing_ = false;
  std::uint32_t paused_ = 0;     // channels whose receiver is paused, or which still have messages waiting
  std::uint32_t stopped_ = 0;    // … paused
  std::uint32_t released_ = 0;   // channels that came free: `writable` is due
  std::uint32_t ungranted_ = 0;  // channels whose grant found no memory
  std::uint64_t window_bytes_;   // what we grant
  PerChannel sent_bytes_{};      // bytes of the channel since the link opened …
  PerChannel limit_bytes_{};     // … and how far they may go
  PerChannel received_bytes_{};  // the same of the other direction
  PerChannel grant_at_bytes_{};  // when received_bytes_ gets here, more is granted
  KeptList kept_;                // ours, without credit or held below; at most one a channel
  std::array<KeptList, channels_max> waiting_;  // received while the channel was paused
  PerChannel waiting_bytes_{};
  Timer again_;

  std::uint64_t waiting_messages_ = 0;
  std::uint64_t out_of_credit_ = 0;
  std::uint64_t grants_sent_ = 0;
  std::uint64_t grants_received_ = 0;
  std::uint64_t unknown_channels_ = 0;
  std::uint64_t malformed_frames_ = 0;
  std::uint64_t overrun_messages_ = 0;
};

}  // namespace harness::layers
