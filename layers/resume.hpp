// SPDX-License-Identifier: Apache-2.0
// resume: a link that loses contact goes on where it stopped, with nothing lost or doubled.
//
// Every message of a channel has a number, 1, 2, 3 …, that outlives the connection. The sender keeps each
// (its body shared, not copied) until the peer says that its application has got it. When contact is lost the
// link dials again, on the same or another transport (stack/link_resume.cpp), and hands this layer's state to
// the new stack; both ends first tell the last number they have of each channel, then send again what the
// other misses, and drop what they have already. Everything below starts afresh.
// What was got is told when a quarter of `retain` has been, and `delay` after the first untold message at the
// latest, so that a thin stream is not kept for ever. The sender is held when it keeps `retain` bytes.
// Rejected: telling of every message (a frame a message); numbers of the link instead of the channel
// (channels overtake each other below); resuming in `reliable` (its state names packets of one path, and tcp
// has none).
// Bounds: `retain` bytes and one largest message kept, twice that with what layers above send unasked; a
// message counts its bytes and 256 more. What a peer
// tells is checked against what was sent before anything is given back.
// Sources: RFC 3720 §3.2.2 and §6 (session recovery of iSCSI); XEP-0198 (stream management).
// Above: the application. Below: mux, compress, order, frag, or a transport that keeps order.
// Wire: layers/wire/resume.hpp. Checked by: check_fifo, check_no_duplicates, check_reliable above it.
// Page: docs/layers/resume.md.
#pragma once

#include <array>

#include <boost/intrusive/list.hpp>

#include <harness/layers/wire/resume.hpp>
#include <harness/stack/layer.hpp>
#include <harness/stack/pooled.hpp>

namespace harness::layers {

class Resume {
 public:
  enum Option : std::size_t { retain, delay };
  static constexpr std::array options{
      OptionSpec{"retain", OptionKind::size, 64 << 10, 1 << 30, 4 << 20,
                 "bytes kept until the peer's application has got them; then the sender is held"},
      OptionSpec{"delay", OptionKind::duration, 100, 10'000'000, 10'000,
                 "how long a received message may go untold"}};
  static constexpr std::array headers{HeaderInfo{"message", wire::info_of<wire::ResumeMessage>, 0},
                                      HeaderInfo{"have", wire::info_of<wire::ResumeHave>, 1}};
  static constexpr Descriptor descriptor{
      .name = "resume",
      .summary = "goes on after a lost connection with nothing lost or doubled",
      .options = options,
      .headers = headers,
      .header_bytes_max = wire::bytes_of<wire::ResumeMessage>,
      .contract = {.requires_below =
                       property::message | property::reliable | property::fifo | property::no_duplicates,
                   .forbids_below = {},
                   .adds = property::resumable,
                   .clears = {},
                   .emits_control = true,
                   .state_on_rx = true,
                   .cost = {.round_trips = 0, .nominal_ns = 20, .header_bytes = 7}},
      .swap = SwapClass::full,
      .segment = Segment::session,
      .pump = false,
      .place = 10};

  static constexpr unsigned channels_max = Gate::channels_max;
  static constexpr std::uint64_t message_cost_bytes = 256;  // beside the body: what keeping it takes

  Resume(const OptionValues& values, LayerContext& context);
  Resume(const Resume&) = delete;
  Resume& operator=(const Resume&) = delete;
  ~Resume();

  template <class Below>
  void down(Message& message, Below below) {
    if (message.is_control() || !in_contact_ || missing_ != 0) [[unlikely]]
      return down_slowly(message);
    if (!keep(message)) [[unlikely]]
      return;
    below(message);
  }

  template <class Above>
  void up(Message& message, Above above) {
    const std::byte* raw = message.front_run(wire::bytes_of<wire::ResumeMessage>);
    if (raw == nullptr) [[unlikely]]
      return sort(message);
    const auto header = wire::decode<wire::ResumeMessage>(raw);
    if (header.form != wire::ResumeForm::message || header.channel >= channels_max ||
        header.sequence != got_[header.channel] + 1 || !note_got(message)) [[unlikely]]
      return sort(message);
    message.drop_front(wire::bytes_of<wire::ResumeMessage>);
    got_[header.channel] = header.sequence;
    untold_ |= std::uint32_t{1} << header.channel;
    message.note().channel = header.channel;
    above(message);
  }

  void on(const Event& event, Onward onward);
  void describe(Describer& describer) const;
  bool take_state(Resume& old);

 private:
  struct Kept : boost::intrusive::list_base_hook<> {
    Kept(std::uint64_t number, Message&& taken) noexcept : sequence(number), message(std::move(taken)) {}
    std::uint64_t sequence;
    Message message;
  };
  using KeptList = boost::intrusive::list<Kept, boost::intrusive::constant_time_size<false>>;

  static std::uint64_t cost(const Message& message) noexcept { return message.size() + message_cost_bytes; }
  /// Counts a message that is about to be handed up; false: tell the peer after it, by the slow path.
  bool note_got(const Message& message) noexcept {
    if (untold_bytes_ + cost(message) >= retain_bytes_ / 4 || !tell_.armed()) return false;
    untold_bytes_ += cost(message);
    return true;
  }

  // down
  bool keep(Message& message);
  void down_slowly(Message& message);
  void send_again();
  bool send_missing(unsigned channel);
  void hold_or_release();
  void close_when_told();
  // up
  void sort(Message& message);
  void deliver(Message& message, wire::ResumeMessage header);
  void take_have(Message& message);
  bool give_back(wire::ResumeGot got);
  void tell(wire::ResumeForm form, std::uint32_t channels, bool asks);
  void tell_untold();
  void refuse(Errc code, std::string_view detail);
  void drop_all() noexcept;

  LayerContext& context_;
  std::uint64_t retain_bytes_;
  std::uint64_t delay_ns_;
  bool in_contact_ = true;    // false between two connections
  bool awaits_have_ = false;  // opened again: the peer has not told what it has
  bool refusing_ = false;
  bool closing_ = false;        // a close waits until the peer has got everything
  bool sending_again_ = false;  // send_again is under way
  bool held_ = false;           // our bit in the gate
  std::uint32_t missing_ = 0;   // channels with messages to be sent again
  std::uint32_t untold_ = 0;    // channels of which more was got than told
  std::uint64_t untold_bytes_ = 0;
  std::uint64_t kept_bytes_ = 0;
  std::array<std::uint64_t, channels_max> sent_{};  // the last number given
  std::array<std::uint64_t, channels_max> got_{};   // … and received
  std::array<std::uint64_t, channels_max> out_{};   // … and sent on this connection
  std::array<KeptList, channels_max> kept_;
  Timer tell_;

  std::uint64_t contacts_ = 0;
  std::uint64_t resent_messages_ = 0;
  std::uint64_t duplicate_messages_ = 0;
  std::uint64_t haves_sent_ = 0;
  std::uint64_t haves_received_ = 0;
};

}  // namespace harness::layers
