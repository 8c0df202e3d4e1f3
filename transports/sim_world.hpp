// SPDX-License-Identifier: Apache-2.0
// A world in virtual time: engines with clocks of their own and a network that does to frames what it is told
// to do.
//
// Everything that happens is an event in one queue ordered by (time, sequence), so that one seed is one
// history: the order of events, every fault, every clock. Nothing sleeps and nothing reads a real clock. What
// an engine runs is the production code: node, link, stack and layers cannot tell this engine from the one on
// epoll.
//   test ── at(time, work) ──▶ queue ──▶ turn of an engine ──▶ Sim endpoint ──▶ path (delay, loss, …) ──▶
//   queue …
// An engine runs a turn when a frame, a timer, posted or offloaded work is due, never two in the same
// instant, so that virtual time always moves. Each event can be written as one line (see `legend`) and is
// always part of `trace_hash`. Rejected: threads with a simulated scheduler (does not replay); real sockets
// with tc/netem (slow, not repeatable). Bounds: trace_lines_max lines of trace, log_lines_max lines of log an
// engine; frames in flight are bounded by senders. Sources: smoltcp `tests/netsim.rs`, TigerBeetle
// `packet_simulator.zig` (what a network may do). Next: transports/sim.hpp.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <harness/stack/engine.hpp>
#include <harness/stack/random.hpp>
#include <harness/stack/result.hpp>

namespace harness::transports {

class SimWorld;

/// What one direction between two engines does to frames; may be changed at any time.
struct SimPath {
  std::uint64_t delay_ns = 50'000;
  std::uint64_t jitter_ns = 0;  // up to this much more, drawn for each frame: reorders
  std::uint32_t loss_ppm = 0;
  std::uint32_t duplicate_ppm = 0;
  std::uint32_t reorder_ppm = 0;  // frames held back by up to reorder_ns
  std::uint64_t reorder_ns = 1'000'000;
  std::uint32_t corrupt_ppm = 0;       // one to four bits of the frame flipped
  std::uint64_t rate_bytes_per_s = 0;  // 0: no limit
  std::uint64_t queue_bytes =
      0;                        // 0: the rate holds the sender back; else a router that drops what exceeds it
  std::uint32_t mtu_bytes = 0;  // larger frames vanish; 0: none do
  bool cut = false;             // partition: a lossy medium loses, a reliable one waits for the heal
  bool break_promises =
      false;  // apply every fault as it is, whatever the transport promises: proves checkers
};

struct SimAddress {
  std::uint32_t engine = 0;
  std::uint16_t port = 0;
  friend auto operator<=>(const SimAddress&, const SimAddress&) = default;
};

/// A frame under way. What the medium promises for it decides what a fault means: over a reliable medium a
/// loss is a resend (delay), over one without damage a corruption is a loss.
struct SimPacket {
  SimAddress from;
  SimAddress to;
  std::uint32_t sender_cookie = 0;  // whom to tell about departure and credit; not on the wire
  bool reliable = false;
  bool single = false;  // never duplicated
  bool intact = true;   // never damaged
  bool uses_credit = false;
  std::uint64_t counter = 0;
  bool setup = false;             // everything that is no data frame
  std::uint8_t handshake = 0;     // a handshake frame of the medium itself: its kind
  bool gone = false;              // a notice of the medium: the sender's endpoint no longer exists
  Errc gone_code = Errc::ok;      // of that notice
  std::uint32_t gone_cookie = 0;  // whom it is for
  bool answered = false;          // a host without its process refuses it
  std::shared_ptr<std::uint64_t> fifo_floor;  // set: arrives no earlier than its predecessors
  std::vector<std::byte> bytes;
};
using SimPacketPtr = std::unique_ptr<SimPacket>;

class SimDirect;

/// What the world calls on a transport; all between or within turns of its engine, none hands anything up.
class SimPort {
 public:
  virtual ~SimPort() = default;
  virtual void arrive(SimPacketPtr packet) = 0;
  virtual void departed(std::uint32_t cookie, bool setup) = 0;  // one frame left the sender's queue
  virtual void credit(std::uint32_t cookie,
                      std::uint64_t counter) = 0;  // one frame was taken by the receiver, or is lost for good
  virtual void crashed() = 0;  // the last words of the medium, before the engine goes silent
  /// An endpoint's way to its peer's memory, or null.
  [[nodiscard]] virtual SimDirect* direct(std::uint32_t cookie) const noexcept = 0;
};

struct SimEngineOptions {
  std::uint64_t clock_offset_ns = 1'000'000'000;  // local clock when the world's is 0
  std::int64_t drift_ppm = 0;
  std::uint64_t turn_ns = 1'000;     // least time between two turns
  std::uint64_t turn_jitter_ns = 0;  // a wake-up may come this much late
  std::uint64_t offload_ns_min = 20'000;
  std::uint64_t offload_ns_max = 200'000;
  std::uint64_t pool_limit_bytes = std::uint64_t{1} << 28;
};

/// One simulated process: clock, pool, timers, log. Made by SimWorld::add.
class SimEngine final : public Engine {
 public:
  static constexpr std::size_t log_lines_max = 4096;
  struct LogLine {
    std::uint64_t at_ns;  // world time
    LogLevel level;
    std::string text;
  };

  ~SimEngine() override;

  unsigned poll(unsigned budget = 256) override;  // one turn, now
  bool post(std::function<void()> work) override;
  std::uint64_t arm() override;
  bool offload(std::function<void()> job, std::function<void()> done) override;
  void log(LogLevel level, std::string_view line) override;

  /// Moves the local clock: forwards at once (a suspended machine), backwards by standing still that long,
  /// since a monotonic clock never runs back. [stack-thread]
  void jump(std::int64_t by_ns);
  /// Runs no turn for so long: a stopped process, a busy machine. [stack-thread]
  void stall(std::uint64_t for_ns);
  /// The process dies: from now on it runs nothing and sends nothing. Its objects are then destroyed in
  /// peace, and the engine last, by SimWorld::remove. Peers hear of it as far as their transport promises.
  void crash();
  [[nodiscard]] bool alive() const noexcept { return alive_; }

  /// Asks for a turn as soon as one may be.
  void wake();
  [[nodiscard]] SimWorld& world() noexcept { return world_; }
  [[nodiscard]] std::uint32_t index() const noexcept { return index_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] const std::deque<LogLine>& log_lines() const noexcept { return log_; }
  [[nodiscard]] std::uint64_t turns() const noexcept { return turns_; }
  [[nodiscard]] unsigned offloaded() const noexcept { return static_cast<unsigned>(offloaded_.size()); }

  /// Transports bind the ports at which frames for them arrive; port 0 picks a free one. False: in use.
  bool bind(std::uint16_t& port, SimPort& to);
  void unbind(std::uint16_t port);
  [[nodiscard]] SimPort* port(std::uint16_t number) const;

 private:
  friend class SimWorld;
  SimEngine(SimWorld& world, std::uint32_t index, std::string name, const SimEngineOptions& options,
            std::uint64_t seed);
  [[nodiscard]] std::int64_t raw_clock_ns() const noexcept;
  void read_clock() noexcept;
  void schedule_timers();
  void schedule(std::uint64_t at_ns);

  static constexpr std::uint64_t no_turn = ~std::uint64_t{0};
  SimWorld& world_;
  std::uint32_t index_;
  std::string name_;
  SimEngineOptions options_;
  std::int64_t jumped_ns_ = 0;
  std::uint64_t stalled_until_ns_ = 0;
  std::uint64_t turn_at_ns_ = no_turn;  // the next turn, world time
  std::uint64_t last_turn_ns_ = 0;
  std::uint64_t turns_ = 0;
  // Slow work under way, by number: it goes with the engine, and not with the event that would end it.
  std::map<std::uint64_t, std::pair<std::function<void()>, std::function<void()>>> offloaded_;
  std::uint64_t offloads_ = 0;
  bool alive_ = true;
  bool in_turn_ = false;
  bool again_ = false;  // somebody asked for another turn during this one
  std::vector<std::function<void()>> posted_;
  std::map<std::uint16_t, SimPort*> ports_;
  std::deque<LogLine> log_;
};

/// What happened to a frame, an engine or the test: one letter of the trace.
enum class SimMark : char {
  sent = 'S',
  delivered = 'D',
  lost = 'L',
  duplicated = 'U',
  held_back = 'R',
  corrupted = 'C',
  cut = 'P',
  too_big = 'M',
  queue_full = 'Q',
  dropped = 'X',
  stalled = 'W',
  gone = 'G',
  turn = 'T',
  jump = 'J',
  stall = 'Z',
  crash = 'K',
  path = 'N',
  hold = 'H',
  writable = 'V',
  note = '*',
};

class SimWorld {
 public:
  static constexpr std::size_t trace_lines_max = 200'000;

  explicit SimWorld(std::uint64_t seed);
  ~SimWorld();
  SimWorld(const SimWorld&) = delete;
  SimWorld& operator=(const SimWorld&) = delete;

  /// A new engine; lives until `remove` or the world's end. Names are unique.
  SimEngine& add(std::string name, const SimEngineOptions& options = {});
  /// Destroys an engine whose objects are gone; crashes it first when it is still alive.
  void remove(SimEngine& engine);

  /// The model of frames going from one engine to the other. Changing `cut` here does not release waiting
  /// frames: `heal` does.
  SimPath& path(const SimEngine& from, const SimEngine& to);
  /// The model of every pair not asked for yet.
  void set_default_path(const SimPath& path) { default_path_ = path; }
  /// Cuts or heals one direction; what a reliable medium kept is sent on.
  void cut(const SimEngine& from, const SimEngine& to, bool is_cut);
  /// Cuts or heals both directions.
  void partition(const SimEngine& one, const SimEngine& other, bool is_cut);

  [[nodiscard]] std::uint64_t now_ns() const noexcept { return now_ns_; }
  [[nodiscard]] Random& random() noexcept { return random_; }
  [[nodiscard]] std::uint64_t seed() const noexcept { return seed_; }

  /// Runs `work` at a time, outside any turn; what belongs to an engine is posted to it.
  void at(std::uint64_t time_ns, std::function<void()> work);
  /// The next event; false when there is none before `until_ns`. Time then stands at the event.
  bool step(std::uint64_t until_ns = ~std::uint64_t{0});
  /// Runs for so long; time then stands exactly there.
  void run_for(std::uint64_t ns);
  /// Runs until `done`, which is asked after every event; false when `limit_ns` passed or nothing is left to
  /// happen.
  bool run_until(const std::function<bool()>& done, std::uint64_t limit_ns);
  [[nodiscard]] std::uint64_t events() const noexcept { return events_; }
  [[nodiscard]] std::uint64_t frames_under_way() const noexcept { return under_way_; }

  /// Lines of trace are kept from now on (costly; the hash is always kept).
  void keep_trace(bool keep) { keeping_ = keep; }
  [[nodiscard]] const std::vector<std::string>& trace() const noexcept { return trace_; }
  [[nodiscard]] std::uint64_t trace_hash() const noexcept { return hash_; }
  /// What the letters mean.
  static std::string_view legend() noexcept;
  /// Adds a line of the test's own to trace and hash.
  void note(std::string_view who, std::string_view what, std::uint64_t value = 0);

  // ---- for Sim ----
  void transmit(SimPacketPtr packet);
  void trace_engine(SimMark mark, const SimEngine& engine, std::string_view what, std::uint64_t value);
  void trace_packet(SimMark mark, const SimPacket& packet);
  void give_credit(const SimPacket& packet);
  void refuse(const SimPacket& packet);  // the sender hears that nobody listens
  [[nodiscard]] SimEngine* engine(std::uint32_t index) const noexcept;
  /// The engine of that name that is alive, or nullptr.
  [[nodiscard]] SimEngine* find(std::string_view name) const noexcept;

 private:
  friend class SimEngine;
  enum class What : std::uint8_t { turn, arrive, departed, call };
  struct Event {
    What what;
    SimAddress address = {};
    std::uint32_t cookie = 0;
    bool setup = false;
    SimPacketPtr packet = {};
    std::function<void()> call = {};
    std::uint64_t at_ns = 0;
    std::uint64_t sequence = 0;
  };
  struct Later {
    bool operator()(const Event& a, const Event& b) const noexcept {
      return a.at_ns != b.at_ns ? a.at_ns > b.at_ns : a.sequence > b.sequence;
    }
  };
  struct PathState {
    SimPath model;
    std::uint64_t busy_until_ns = 0;
    std::vector<SimPacketPtr> waiting;  // reliable frames behind a cut
  };

  void push(std::uint64_t at_ns, Event event);
  void push_arrival(std::uint64_t at_ns, SimPacketPtr packet);
  void run(Event& event);
  void arrive(SimPacketPtr packet);
  PathState& path_state(std::uint32_t from, std::uint32_t to);
  bool leave(PathState& path, const SimPacket& packet, std::uint64_t& at_ns);
  void travel(PathState& path, SimPacketPtr packet, std::uint64_t at_ns);
  bool apply_faults(const SimPath& path, SimPacket& packet, std::uint64_t& at_ns);
  void lose(SimMark mark, const SimPacket& packet);
  void corrupt(SimPacket& packet);
  void schedule_all_timers();
  void hash(std::uint64_t value) noexcept;
  void hash(std::string_view text) noexcept;
  void line(SimMark mark, std::string_view who, std::string_view what, std::uint64_t value);
  [[nodiscard]] std::string_view name_of(std::uint32_t engine) const noexcept;

  std::uint64_t seed_;
  Random random_;
  std::uint64_t now_ns_ = 0;
  std::uint64_t sequence_ = 0;
  std::uint64_t events_ = 0;
  std::uint64_t under_way_ = 0;
  std::vector<Event> queue_;  // a heap by Later
  std::vector<std::string> names_;
  std::vector<std::unique_ptr<SimEngine>> engines_;  // by index; null when removed
  SimPath default_path_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, PathState> paths_;
  bool keeping_ = false;
  std::uint64_t hash_ = 0xcbf29ce484222325u;
  std::vector<std::string> trace_;
};

}  // namespace harness::transports
