// SPDX-License-Identifier: Apache-2.0
// The transport: one endpoint on the fabric for all links of an engine, and a tcp transport for their control
// links.
//
// Addresses are those of tcp: "10.0.0.2:7001" is dialled by tcp, and what the fabric needs is told there. The
// fabric's endpoint is opened by the first listen or dial, on the interface of that address. A poll reads the
// completion queue, which is what makes a provider progress, a few times while it is empty, since the rest of
// a turn takes longer than a look; then it serves the links that have something to do. Sleeping: with a
// descriptor of the provider's the engine waits on it, after fi_trywait; it is watched from the first sleep
// to the next busy time, because a watched one costs every arrival a walk through the engine's epoll. Without
// one every peer is asked once over its control link to ring when it begins something. While something is
// under way that the provider only finishes when it is polled, or may be, a timer wakes at growing intervals;
// nothing spins for ever. What is under way for seconds is looked at once a second (overdue.hpp).
// Bounds: links by the limit of open files (a socket each); the tables of buffers.hpp.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include <harness/transports/ofi/connection.hpp>
#include <harness/transports/ofi/crossover.hpp>
#include <harness/transports/ofi/probe.hpp>
#include <harness/transports/tcp.hpp>

namespace harness::transports::ofi {

class Ofi final : public Transport, Watcher {
 public:
  static constexpr unsigned completions_max = 32;  // read at once
  static constexpr unsigned hot_turns = 4096;      // empty polls before the engine asks epoll every turn
  static constexpr unsigned looks_alone = 8;       // into an empty queue in such a turn: …
  static constexpr unsigned looks_watched = 2;     // … where a descriptor tells as well
  static constexpr unsigned unwatched_turns = 64;  // busy ones before the descriptor is no longer watched
  static constexpr std::uint64_t retry_ns_min = 20'000;
  static constexpr std::uint64_t retry_ns_max = 2'000'000;
  static constexpr std::uint64_t look_ns_max = 1'000'000'000;  // where nothing is known to be under way
  static constexpr unsigned parked_max = 256;
  static constexpr unsigned last_turns = 256;  // for what lingers when the transport goes

  /// Errors: unsupported, no provider is usable.
  static Result<std::unique_ptr<Transport>> make(OsEngine& engine, const OptionValues& options,
                                                 const Library& library);
  ~Ofi() override;

  [[nodiscard]] std::string_view name() const noexcept override { return "ofi"; }
  Result<std::string> listen(std::string_view address, harness::Acceptor& acceptor) override;
  Result<std::unique_ptr<Endpoint>> dial(std::string_view address) override;
  unsigned poll(unsigned budget) override;
  void flush() override;
  bool rest() override;

  [[nodiscard]] std::size_t connection_count() const noexcept { return connections_.size(); }

  // ---- for the connections ----

  [[nodiscard]] OsEngine& engine() noexcept { return engine_; }
  [[nodiscard]] Fabric& fabric() noexcept { return *fabric_; }
  [[nodiscard]] SendSlots& slots() noexcept { return slots_; }
  [[nodiscard]] Reads& reads() noexcept { return reads_; }
  [[nodiscard]] DirectSlots& direct_slots() noexcept { return direct_slots_; }
  /// Keeps what a peer may still write to until the transport goes, as long as there are not too many.
  void park(std::unique_ptr<Region> region);
  [[nodiscard]] const Facts& facts() const noexcept { return facts_; }
  [[nodiscard]] std::byte* inject_buffer() noexcept { return inject_.get(); }
  [[nodiscard]] std::uint32_t inject_bytes() const noexcept { return inject_bytes_; }  // header included
  [[nodiscard]] const Crossover& crossover() const noexcept { return crossover_; }
  [[nodiscard]] std::uint32_t message_bytes() const noexcept { return crossover_.bytes; }  // header included
  /// The largest message of the fabric that is received, header included.
  [[nodiscard]] std::uint32_t receive_bytes_max() const noexcept { return receive_bytes_max_; }
  [[nodiscard]] std::uint32_t window_units() const noexcept { return window_units_; }
  [[nodiscard]] std::uint32_t arena_bytes() const noexcept { return arena_bytes_; }
  [[nodiscard]] std::uint64_t lost_injections() const noexcept { return lost_injections_; }  // of all links
  [[nodiscard]] std::uint64_t connect_timeout_ns() const noexcept { return connect_timeout_ns_; }
  std::unique_ptr<SendQueue> take_queue() noexcept;
  void give_queue(std::unique_ptr<SendQueue> queue) noexcept { queues_.push_back(std::move(queue)); }
  void wake(Connection& connection) noexcept {
    if (!connection.Hook<ReadyTag>::is_linked()) ready_.push_back(connection);
  }
  void blocked(Connection& connection) noexcept {
    if (!connection.Hook<BlockedTag>::is_linked()) waiting_.push_back(connection);
  }
  void unrung(Connection& connection) noexcept {
    if (fabric_->descriptor() < 0 && !connection.Hook<UnrungTag>::is_linked()) unrung_.push_back(connection);
  }
  /// The provider has something new to finish, or may have.
  void sent_some() noexcept { retry_ns_ = retry_ns_min; }
  /// A link lacks frames that its peer sent.
  void lacks_frames() noexcept { lacks_frames_ = true; }
  /// Frees the connection in the next poll; frames that name its cookie are dropped from now on.
  void bury(Connection& connection) noexcept;

 private:
  struct Ear;  // a listener of tcp's
  struct Place {
    Connection* connection = nullptr;
    std::uint32_t generation = 0;
  };

  Ofi(OsEngine& engine, const OptionValues& options, const Library& library);
  Result<> open(std::string_view address, bool towards);
  Result<> open_buffers();
  Crossover find_crossover();
  bool say_last_words();
  [[nodiscard]] bool has_under_way() const noexcept {
    return slots_.busy() != 0 || reads_.busy() != 0 || direct_slots_.busy() != 0 || lacks_frames_;
  }
  void look_for_overdue() noexcept;
  unsigned look(unsigned budget);
  void serve_blocked();
  unsigned serve_ready(unsigned budget);
  void watch();
  void unwatch() noexcept;
  void ready(unsigned what) override;
  void welcome(std::unique_ptr<Endpoint> control, harness::Acceptor& acceptor);
  Connection& add(std::unique_ptr<Endpoint> control, bool dialled);
  unsigned progress(unsigned budget);
  unsigned completed(const fi_cq_data_entry& entry);
  unsigned arrived(Operation& buffer, const fi_cq_data_entry& entry);
  bool failed();
  void finish(Operation& operation, int error);

  OsEngine& engine_;
  const Library& library_;
  std::string provider_;
  Facts facts_;
  std::uint64_t connect_timeout_ns_;
  std::uint32_t window_units_;
  std::uint32_t arena_bytes_;
  std::uint32_t receive_bytes_;
  std::uint32_t inject_bytes_ = 0;
  std::uint32_t receive_bytes_max_ = 0;
  std::uint32_t eager_option_;
  Crossover crossover_;
  Tcp tcp_;  // outlives the control links
  std::unique_ptr<Fabric> fabric_;
  Result<> opened_;               // whether it has all its buffers
  std::unique_ptr<Probe> probe_;  // one that did not end
  std::unique_ptr<std::byte[]> inject_;
  SendSlots slots_;
  ReceiveBuffers buffers_;
  Reads reads_;
  DirectSlots direct_slots_;
  std::deque<std::unique_ptr<Region>> parked_;
  unsigned misses_ = 0;
  unsigned looks_ = 1;
  unsigned busy_turns_ = 0;   // since the descriptor is watched
  std::uint64_t strays_ = 0;  // frames that name no link
  std::uint64_t lost_injections_ = 0;
  bool watched_ = false;
  bool lacks_frames_ = false;  // some link did at the last look for overdue ones, or does since
  std::vector<std::unique_ptr<Ear>> ears_;
  std::vector<Place> places_;
  std::vector<std::uint32_t> free_places_;
  std::vector<std::unique_ptr<SendQueue>> queues_;
  List<Connection, OwnedTag> connections_, graveyard_;
  List<Connection, ReadyTag> ready_;
  List<Connection, BlockedTag> waiting_;
  List<Connection, UnrungTag> unrung_;
  Timer retry_;
  std::uint64_t retry_ns_ = retry_ns_min;
  Timer overdue_;
  std::uint32_t overdue_looks_ = 0;
};

}  // namespace harness::transports::ofi
