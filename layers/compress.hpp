// SPDX-License-Identifier: Apache-2.0
// compress: messages that shrink travel smaller.
//
// Each message carries its method: stored (1 byte), lz4 or zstd (5 bytes with the original length), so that
// changing the method needs no swap and a message that would not shrink by more than its header goes as it
// is. After eight messages in a row that did not shrink, of the next ones up to 63 go stored untried for each
// try: incompressible traffic costs almost nothing.
// What would take longer than 50 µs goes through Env.offload, both ways: the channel keeps its order (a
// channel with a message in work is held; received ones wait behind it), the others go on. At most `jobs_max`
// at a time; the received ones in work together claim at most half the quota.
// An original length is believed only when the largest message of the link allows it and, for LZ4, when the
// format can reach it (255:1); memory is taken after that, and charged to the quota.
// Rejected: one stream over all messages (loses its dictionary with any message, and every swap);
// dictionaries exchanged at open (nobody maintains them); compressing above mux per channel (the channels
// share nothing).
// Bounds: one message in work per sending channel; waiting received ones by the quota; contexts only while in
// use.
// Sources: LZ4 block format; RFC 8878 (Zstandard).
// Above: mux. Below: order, frag. Wire: layers/wire/compress.hpp. Checked by: check_integrity,
// check_boundary.
// Page: docs/layers/compress.md.
#pragma once

#include <memory>

#include <boost/intrusive/list.hpp>

#include <harness/layers/wire/compress.hpp>
#include <harness/stack/layer.hpp>
#include <harness/stack/pooled.hpp>

namespace harness::layers {

class Codec;

class Compress {
 public:
  enum Option : std::size_t { method, level, min };
  enum class Method : std::uint8_t { lz4, zstd };
  static constexpr std::array<std::string_view, 2> method_words{"lz4", "zstd"};
  static constexpr std::array options{
      OptionSpec{"method", OptionKind::word, 0, 1, 0, "how to compress; either end may differ", method_words},
      OptionSpec{"level", OptionKind::count, 1, 19, 1, "effort of zstd; lz4 has one"},
      OptionSpec{"min", OptionKind::size, 16, 1 << 28, 128, "smaller messages go as they are"}};
  static constexpr std::array headers{HeaderInfo{"stored", wire::info_of<wire::CompressStored>, 0},
                                      HeaderInfo{"packed", wire::info_of<wire::CompressPacked>, 1}};
  static constexpr Descriptor descriptor{
      .name = "compress",
      .summary = "sends messages that shrink compressed, by lz4 or zstd",
      .options = options,
      .headers = headers,
      .header_bytes_max = wire::bytes_of<wire::CompressPacked>,
      .contract = {.requires_below = property::message,
                   .forbids_below = {},
                   .adds = property::compact,
                   .clears = {},
                   .emits_control = false,
                   .state_on_rx = true,
                   .expands_input = true,
                   .cost = {.round_trips = 0, .nominal_ns = 5, .header_bytes = 1}},
      .swap = SwapClass::full,
      .segment = Segment::session,
      .pump = true,
      .place = 30};

  static constexpr unsigned jobs_max = 4;

  Compress(const OptionValues& values, LayerContext& context);
  Compress(const Compress&) = delete;
  Compress& operator=(const Compress&) = delete;
  ~Compress();

  template <class Below>
  void down(Message& message, Below below) {
    if (message.size() >= min_bytes_ || context_.gate.word() != 0) [[unlikely]]
      return pack(message);
    mark_stored(message);
    below(message);
  }

  template <class Above>
  void up(Message& message, Above above) {
    const std::byte* raw = message.front_run(wire::bytes_of<wire::CompressStored>);
    if (raw == nullptr || !receiving_.empty() || refusing_ ||
        wire::decode<wire::CompressStored>(raw).method != wire::CompressMethod::stored) [[unlikely]]
      return unpack(message);
    message.drop_front(wire::bytes_of<wire::CompressStored>);
    above(message);
  }

  void on(const Event& event, Onward onward);
  void describe(Describer& describer) const;
  bool take_state(Compress& old);

 private:
  struct Work;
  // What a running job and its layer both know. Owner null: the layer is gone, and the work goes with the
  // ticket, when the job has ended or never will.
  struct Ticket {
    Ticket(Compress* layer, Work* running) noexcept : owner(layer), work(running) {}
    Ticket(const Ticket&) = delete;
    Ticket& operator=(const Ticket&) = delete;
    ~Ticket();
    Compress* owner;
    Work* work;
  };
  // One message in work, or waiting behind one that is, in either direction.
  struct Work : boost::intrusive::list_base_hook<> {
    enum class State : std::uint8_t { waiting, running, ready };
    Work(Message&& taken, State at, bool received) noexcept
        : message(std::move(taken)), state(at), up(received) {}
    Message message;  // ready: what goes on; before: what is to be packed or unpacked
    Message output;
    std::shared_ptr<Ticket> ticket;
    State state;
    bool up;
    wire::CompressMethod method = wire::CompressMethod::stored;
    std::uint32_t original_bytes = 0;
    std::uint32_t result_bytes = 0;  // 0: it did not shrink, or was damaged
  };
  using WorkList = boost::intrusive::list<Work>;

  static void mark_stored(Message& message) noexcept {
    wire::encode(wire::CompressStored{}, message.push(wire::bytes_of<wire::CompressStored>));
  }
  // down
  void pack(Message& message);
  bool worth_trying(std::uint32_t bytes) noexcept;
  void settle_packed(Message& message, Message& output, std::uint32_t packed_bytes);
  void hand_down(Message& message);
  bool keep(Message& message, Work::State state, bool up);
  Work* next_to_send() noexcept;
  void pump();
  void work();
  void resume();
  void close_when_empty();
  void release_channel_of(const Message& sent) noexcept;
  // up
  void unpack(Message& message);
  bool read_header(Message& message, wire::CompressPacked& header);
  void unpack_packed(Message& message, const wire::CompressPacked& header);
  void deliver_ready();
  void damaged(std::string_view detail, Errc code = Errc::corrupt);
  [[nodiscard]] bool busy(const WorkList& list, unsigned channel) const noexcept;
  // jobs
  void start_jobs();
  bool may_start(const Work& work) const noexcept;
  bool start(Work& work);
  void ended(Work& work);
  Codec& codec();
  void drop(WorkList& list) noexcept;
  void drop_all() noexcept;

  LayerContext& context_;
  wire::CompressMethod method_;
  int level_;
  std::uint32_t min_bytes_;
  std::uint32_t pack_now_bytes_max_;  // larger ones are offloaded
  std::uint64_t expanding_bytes_max_;
  std::uint32_t in_vain_ = 0;  // tries in a row that did not shrink
  std::uint32_t skip_left_ = 0;
  std::uint32_t released_ = 0;  // channels that came free: `writable` is due
  unsigned jobs_ = 0;
  bool reliable_;
  bool refusing_ = false;
  bool pumping_ = false;
  bool closing_ = false;
  WorkList sending_;
  WorkList receiving_;
  std::uint64_t expanding_bytes_ = 0;  // originals of the received messages in work
  std::unique_ptr<Codec> codec_;       // made at the first use
  Timer again_;

  std::uint64_t packed_messages_ = 0;
  std::uint64_t stored_messages_ = 0;
  std::uint64_t original_bytes_ = 0;
  std::uint64_t packed_bytes_ = 0;
  std::uint64_t unpacked_messages_ = 0;
  std::uint64_t offloaded_ = 0;
  std::uint64_t damaged_messages_ = 0;
};

}  // namespace harness::layers
