// SPDX-License-Identifier: Apache-2.0
// frag: messages of any size over frames of a limited one.
//
// A message that fits goes as it is behind 4 bytes. A larger one becomes parts {id, offset, total}:
// slices that share its body, so nothing is copied, except into parts of at most 2 KiB, which are cheaper
// to copy than to refer to; the receiver chains the slabs it received the parts in. Parts may arrive in
// any order and those of several messages mixed; a part that overlaps another, or contradicts the total,
// closes the link.
// A pump: it owns at most one unfinished message a channel, the most urgent first (annotation, 0 = most
// urgent), equal ones in turn, one frame at a time while the layer below takes it. A further large
// message is begun only while the begun ones together are at most half of what the peer can hold, so that
// reassembly there cannot deadlock.
// Rejected: fragmentation below reliability (a lost fragment would cost the whole message, R5); a
// reassembly buffer of `total` bytes (memory given away on a peer's word, and a copy).
// Bounds: `reassemblies_max` messages and `runs_max` separate runs under way, bytes under way ≤ the
// quota.
// Sources: Ensemble `frag`; Kent & Mogul, Fragmentation considered harmful, SIGCOMM 1987; RFC 815.
// Above: order, compress, mux. Below: reliable, or a transport that is. Wire: layers/wire/frag.hpp.
// Checked by: check_boundary, check_integrity. Page: docs/layers/frag.md. Next in reading order:
// transports/.
#pragma once

#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set.hpp>

#include <harness/layers/wire/frag.hpp>
#include <harness/stack/layer.hpp>
#include <harness/stack/pooled.hpp>

namespace harness::layers {

class Frag {
 public:
  static constexpr std::array options{
      OptionSpec{"size", OptionKind::size, 0, message_bytes_max, 0,
                 "largest piece of a message in one frame; 0: all that fits below, less 64 bytes of slack"}};
  static constexpr std::array headers{HeaderInfo{"whole", wire::info_of<wire::FragWhole>, 0},
                                      HeaderInfo{"part", wire::info_of<wire::FragPart>, 1}};
  static constexpr Descriptor descriptor{
      .name = "frag",
      .summary = "carries messages of any size in frames of a limited one",
      .options = options,
      .headers = headers,
      .header_bytes_max = wire::bytes_of<wire::FragPart>,
      .contract = {.requires_below = property::message | property::reliable | property::no_duplicates,
                   .forbids_below = {},
                   .adds = {},
                   .clears = property::total.without(property::fifo),  // channels overtake each other
                   .emits_control = false,
                   .state_on_rx = true,
                   .expands_input = false,
                   .encrypts = false,
                   .unlimited_message = true,
                   .frame_bytes_min = 128,
                   .cost = {.round_trips = 0, .nominal_ns = 3, .header_bytes = 4}},
      .swap = SwapClass::full,
      .segment = Segment::session,
      .pump = true,
      .place = 60};

  static constexpr std::uint32_t slack_bytes =
      64;  // so that a resent frame still fits when encryption adds bytes
  static constexpr std::uint32_t copied_bytes_max = 2048;  // longer parts share their message's body
  static constexpr std::uint32_t reassemblies_max = 4096;
  static constexpr std::uint32_t runs_max = 16384;

  Frag(const OptionValues& values, LayerContext& context);
  Frag(const Frag&) = delete;
  Frag& operator=(const Frag&) = delete;
  ~Frag();

  template <class Below>
  void down(Message& message, Below below) {
    if (message.size() > piece_bytes_ || context_.gate.word() != 0) [[unlikely]]
      return keep(message);
    mark_whole(message, next_id_++);
    below(message);
  }

  template <class Above>
  void up(Message& message, Above above) {
    const std::byte* raw = message.front_run(wire::bytes_of<wire::FragWhole>);
    if (raw == nullptr || wire::decode<wire::FragWhole>(raw).form != wire::FragForm::whole || refusing_)
        [[unlikely]]
      return assemble(message);
    message.drop_front(wire::bytes_of<wire::FragWhole>);
    above(message);
  }

  /// A whole message's header is taken off; what belongs to a part is known when all parts are there.
  std::uint32_t place(Bytes front, std::uint32_t bytes, Placement&) const noexcept {
    constexpr std::uint32_t whole_bytes = wire::bytes_of<wire::FragWhole>;
    if (front.size() < whole_bytes || bytes <= whole_bytes || refusing_) return 0;
    return wire::decode<wire::FragWhole>(front.data()).form == wire::FragForm::whole ? whole_bytes : 0;
  }

  void on(const Event& event, Onward onward);
  void describe(Describer& describer) const;
  bool take_state(Frag& old);

 private:
  // One unfinished message on its way down. In `sending_`: most urgent first, a channel's own in order.
  struct Sending : boost::intrusive::list_base_hook<> {
    explicit Sending(Message&& taken) noexcept : message(std::move(taken)), total(message.size()) {}
    Message message;
    std::uint32_t total;
    std::uint32_t offset = 0;  // bytes already sent
    std::uint32_t id = 0;
    bool begun = false;
  };
  // A message on its way up, and what of it has arrived: runs of bytes keyed by (id, offset), none touching
  // another.
  struct Reassembly : boost::intrusive::set_base_hook<> {
    Reassembly(std::uint32_t number, std::uint32_t bytes) noexcept : id(number), total(bytes) {}
    std::uint32_t id;
    std::uint32_t total;
    std::uint32_t arrived = 0;
  };
  struct Run : boost::intrusive::set_base_hook<> {
    Run(std::uint64_t at, Message&& taken) noexcept : key(at), bytes(std::move(taken)) {}
    [[nodiscard]] std::uint64_t end() const noexcept { return key + bytes.body_size(); }
    std::uint64_t key;
    Message bytes;
  };
  struct IdOf {
    using type = std::uint32_t;
    type operator()(const Reassembly& one) const noexcept { return one.id; }
  };
  struct KeyOf {
    using type = std::uint64_t;
    type operator()(const Run& run) const noexcept { return run.key; }
  };
  using SendingList = boost::intrusive::list<Sending>;
  using Reassemblies = boost::intrusive::set<Reassembly, boost::intrusive::key_of_value<IdOf>>;
  using Runs = boost::intrusive::set<Run, boost::intrusive::key_of_value<KeyOf>>;

  static void mark_whole(Message& message, std::uint32_t id) noexcept {
    wire::encode(wire::FragWhole{.id = id}, message.push(wire::bytes_of<wire::FragWhole>));
  }
  // down, slowly
  void keep(Message& message);
  void enqueue(Sending& sending) noexcept;
  void pump();
  void resume();
  void close_when_empty();
  Sending* next_to_send() noexcept;
  bool send_some(Sending& sending);
  bool send_part(Sending& sending);
  void let_others_go(Sending& sending) noexcept;
  void finish(Sending& sending, unsigned channel) noexcept;
  // up, slowly
  void assemble(Message& message);
  bool take_part(Message& message);
  bool place_part(Reassembly& whole, const wire::FragPart& part, Message& message);
  bool join(Run& run, Message&& bytes) noexcept;
  void complete(Reassembly& whole, Message& message) noexcept;
  void refuse(Errc code, std::string_view detail);
  void drop_all() noexcept;

  LayerContext& context_;
  std::uint32_t piece_bytes_;  // largest message part in a frame
  std::uint32_t next_id_ = 0;
  SendingList sending_;
  bool refusing_ = false;  // the link closes: nothing more is taken from below
  bool pumping_ = false;
  bool closing_ = false;           // a close waits for sending_ to become empty
  std::uint32_t released_ = 0;     // channels that came free: `writable` is due
  std::uint64_t begun_bytes_ = 0;  // totals of the messages begun and not finished
  std::uint64_t reassembly_bytes_max_;
  Timer again_;  // pump once more: the pool gave nothing, or a channel came free inside `down`

  Reassemblies reassemblies_;
  Runs runs_;
  std::uint64_t arrived_bytes_ = 0;  // in runs_
  std::uint64_t split_messages_ = 0;
  std::uint64_t sent_parts_ = 0;
  std::uint64_t received_parts_ = 0;
  std::uint64_t joined_messages_ = 0;
  std::uint64_t refused_frames_ = 0;
  std::uint64_t waited_for_memory_ = 0;
};

}  // namespace harness::layers
