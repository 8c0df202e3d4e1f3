// SPDX-License-Identifier: Apache-2.0
// sim: a transport over a simulated network in virtual time; the code above it is the production code.
//
// A datagram carrier with the outer header of wire v1 for datagrams, {cookie 32 = receiver index, kind 4,
// counter 60}; setup frames carry the sender's cookie after it. A first frame has cookie 0: a listener finds
// its endpoint by (source, sender cookie), so that duplicates make no second one, also for a while after that
// endpoint is gone; reliable media send one of their own when they are dialled. Any other unknown cookie,
// kind or length is dropped and counted, and nothing is allocated for it. What it promises is an option, so
// that every stack can be tested on just what it bears:
//
//   datagram    lossy, unordered, duplicated; full inboxes drop; nobody says when the peer is gone (UDP)
//   fabric      every frame arrives once, or with duplicates=yes at least once, in any order, but none is
//               overtaken by more than `inbox` frames; receiver credit (RDM)
//   stream      every frame arrives once and in order; receiver credit (TCP with framing)
//   damage=yes  data frames may arrive with flipped bits, never the outer header of a reliable medium
//   death=no    fabric and stream keep silent about a peer that crashed; else they report it at once
//   native=yes  reaches the peer's memory by itself (sim_direct.hpp)
//
// The faults themselves are set on SimWorld's paths; a medium repairs what it promises not to show (a loss
// becomes a delay) unless the path breaks promises. Both ends must use the same options.
// Bounds: `queue` frames wait in an endpoint (then it holds), `inbox` frames in a receiver, endpoints_max
// endpoints, first_frames_max frames for listeners.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include <harness/stack/field.hpp>
#include <harness/stack/transport.hpp>
#include <harness/transports/sim_direct.hpp>
#include <harness/transports/sim_world.hpp>

namespace harness::transports {

/// Before every frame.
struct SimHeader {
  std::uint32_t cookie = 0;
  std::uint8_t kind = 0;
  std::uint64_t counter = 0;
  static constexpr auto fields = std::tuple{
      Field<&SimHeader::cookie>{"cookie", 32, "the receiver's endpoint; 0 in frames that open one"},
      Field<&SimHeader::kind>{"kind", 4, "1 data, 2 setup; reliable media: 3 open, 4 opened"},
      Field<&SimHeader::counter>{"counter", 60, "frames this endpoint has sent before"}};
};
/// After it in setup frames, which are checked on every medium: link set-up comes before any checksum layer.
struct SimSetup {
  std::uint32_t sender = 0;
  std::uint32_t check = 0;
  static constexpr auto fields =
      std::tuple{Field<&SimSetup::sender>{"sender", 32, "the sender's endpoint: where to answer"},
                 Field<&SimSetup::check>{"check", 32, "FNV-1a of the sender's cookie and the frame"}};
};

class SimEndpoint;
struct SimChannel;

class Sim final : public Transport, private SimPort {
 public:
  static constexpr std::uint32_t endpoints_max = 8192;
  static constexpr std::size_t first_frames_max = 1024;
  static constexpr std::size_t departed_max = 256;  // remembered endpoints of listeners that are gone

  enum class Profile : std::uint8_t { datagram, fabric, stream };
  enum Option : std::size_t {
    option_profile,
    option_frame,
    option_queue,
    option_inbox,
    option_duplicates,
    option_damage,
    option_death,
    option_native
  };

  /// What it dropped and why.
  struct Counters {
    std::uint64_t unknown_cookie = 0;  // also: from another source than the endpoint's peer
    std::uint64_t malformed = 0;       // too short, too long, unknown kind
    std::uint64_t no_listener = 0;
    std::uint64_t repeated_first = 0;  // first frames of endpoints that are gone already
    std::uint64_t table_full = 0;      // no endpoint or no place in the queue of first frames
    std::uint64_t inbox_full = 0;
    std::uint64_t no_receiver = 0;  // data on a datagram medium before a stack was there
    std::uint64_t pool_empty = 0;
    std::uint64_t beyond_reserve = 0;  // frames sent although held: a bug above when it is not 0
    std::uint64_t after_end = 0;       // frames for an endpoint that is closing
  };

  /// The catalogue's entry; `make` is null, since a Sim needs a world.
  static TransportType type();
  /// `name`: under which stacks and addresses know it, when a node has several.
  explicit Sim(SimEngine& engine, const OptionValues& options = OptionValues(type().options),
               std::string name = "sim");
  ~Sim() override;

  [[nodiscard]] std::string_view name() const noexcept override { return name_; }
  /// "[engine]:port"; port 0 picks one. [stack-thread]
  Result<std::string> listen(std::string_view address, Acceptor& acceptor) override;
  /// "engine:port". Over fabric and stream a missing listener is told by peer_lost(unreachable), over
  /// datagram nothing is.
  Result<std::unique_ptr<Endpoint>> dial(std::string_view address) override;
  unsigned poll(unsigned budget) override;
  void flush() override;

  [[nodiscard]] const Counters& counters() const noexcept { return counters_; }
  [[nodiscard]] const Facts& facts() const noexcept { return facts_; }
  [[nodiscard]] Profile profile() const noexcept { return profile_; }
  [[nodiscard]] std::size_t endpoint_count() const noexcept { return alive_; }

 private:
  friend class SimEndpoint;
  friend struct SimChannel;
  struct Listener {
    std::uint16_t port;
    Acceptor* acceptor;
  };
  struct Origin {  // who opened an endpoint of a listener
    SimAddress from;
    std::uint32_t sender;
    friend auto operator<=>(const Origin&, const Origin&) = default;
  };

  void arrive(SimPacketPtr packet) override;
  void departed(std::uint32_t cookie, bool setup) override;
  void credit(std::uint32_t cookie, std::uint64_t counter) override;
  void crashed() override;
  [[nodiscard]] SimDirect* direct(std::uint32_t cookie) const noexcept override;

  [[nodiscard]] SimChannel* find(std::uint32_t cookie) const noexcept;
  SimChannel* open(SimAddress local, SimAddress peer);  // nullptr when the table is full
  void end(SimChannel& channel, Errc code);  // tells the peer as far as the medium does, frees the channel
  void ready(SimChannel& channel);           // has something for the next turn
  void unflushed(SimChannel& channel);       // has something for the next flush
  void transmit(SimChannel& channel);
  void send(SimChannel& channel, SimPacketPtr packet);
  void drop(std::uint64_t& counter, const SimPacket& packet);
  void arrive_first(SimPacketPtr packet);
  void arrive_at(SimChannel& channel, SimPacketPtr packet);
  void arrive_gone(SimPacketPtr packet);
  void accept(SimPacketPtr packet);
  void shake_hands(SimChannel& channel, std::uint8_t kind);
  unsigned serve(std::uint32_t cookie, unsigned budget);
  unsigned report_end(SimChannel& channel);
  bool take_setup(SimChannel& channel);
  bool take_data(SimChannel& channel);
  bool must_wait(SimChannel& channel, Quota* quota);
  void wait_for_quota(SimChannel& channel, Quota& quota);
  void take_credit(SimChannel& channel, SimPacket& packet, Quota* quota);
  void starve(SimChannel& channel);
  void send_gone(const SimChannel& channel, Errc code);
  void discard(SimChannel& channel, std::uint64_t linger_ns);  // its endpoint closed
  void give_up(SimChannel& channel);                           // … and the linger time is over
  void trace(SimMark mark, std::string_view what);
  [[nodiscard]] bool reliable() const noexcept { return profile_ != Profile::datagram; }

  SimEngine& engine_;
  std::string name_;
  OptionValues options_;
  Profile profile_;
  Facts facts_;
  std::uint16_t port_ = 0;  // the source of what this side dials
  Counters counters_;
  std::vector<Listener> listeners_;
  std::vector<std::unique_ptr<SimChannel>> table_;  // by the low 16 bits of the cookie
  std::vector<std::uint32_t> free_;
  std::size_t alive_ = 0;
  std::deque<std::uint32_t> ready_;      // cookies of channels with something to hand up
  std::deque<std::uint32_t> unflushed_;  // … with something to send
  std::deque<SimPacketPtr> first_;
  std::map<Origin, std::uint32_t> accepted_;               // to the cookie of the channel
  std::deque<std::pair<Origin, std::uint64_t>> departed_;  // channels that are gone, with their last counter
  std::deque<std::uint32_t> given_;                        // the last cookies
  std::vector<std::uint32_t> starved_;                     // channels that found no memory
  Timer retry_;
};

/// One peer. What it accepted and is not sent when it goes lives on in its channel until the linger time
/// ends.
class SimEndpoint final : public Endpoint {
 public:
  SimEndpoint(Sim& sim, SimChannel& channel);
  ~SimEndpoint() override;

  MutableBytes reserve(std::uint32_t bytes) noexcept override;
  void commit() noexcept override;
  Errc send_setup(Message&& frame) noexcept override;
  Errc configure(const OptionValues& options) noexcept override;
  [[nodiscard]] std::uint64_t frames_sent() const noexcept override { return frames_out_; }
  [[nodiscard]] std::uint64_t frames_received() const noexcept override;
  void pause_receive(bool paused) noexcept override;
  void close(std::uint64_t linger_ns) noexcept override;
  [[nodiscard]] bool drained() const noexcept override;
  [[nodiscard]] const Facts& facts() const noexcept override { return facts_; }
  [[nodiscard]] std::string peer_address() const override { return peer_address_; }
  void describe(Describer& describer) const override;
  [[nodiscard]] Direct* direct() noexcept override;

 private:
  friend class Sim;
  static void down_thunk(void* self, const Entry* next, harness_message* message) noexcept;
  [[nodiscard]] bool takes_data(std::uint32_t bytes) noexcept;
  void stage(SimPacketPtr packet) noexcept;
  void hold(bool held);

  SimChannel* channel_;  // null when it has ended
  Facts facts_;
  std::string peer_address_;
  SimPacketPtr reserved_;
  std::unique_ptr<SimDirect> direct_;  // when native
  bool held_ = false;
  std::uint64_t frames_out_ = 0;
  std::uint64_t frames_in_ = 0;
  std::uint64_t frames_without_gap_ = 0;  // once the channel has ended
  std::uint64_t bytes_out_ = 0;
  std::uint64_t bytes_in_ = 0;
  std::uint64_t holds_ = 0;
};

}  // namespace harness::transports
