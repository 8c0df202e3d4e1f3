// SPDX-License-Identifier: Apache-2.0
// shm: links through shared memory between processes of one host.
//
// Each link has a ring a direction, which its sender alone can write (shm/ring.hpp), so a small message is
// one cache line on its way to the other core and no system call. Links that received lately are hot: the
// transport looks into their rings by itself, several times a turn when nothing else is to be done. All
// others sleep: their peers ring the socket, once a sleep, and the engine's descriptor wakes us. Before the
// engine sleeps every hot link goes to sleep, too, and is looked at once more.
//
// Addresses are names (shm/socket.hpp). Who may connect is decided by the kernel's word about the peer.
// Rejected: a bitmap of doorbells that all peers may write (a liar clears the bells of others; a hot set and
// bells on the socket serve as many links and wake with a system call at most once a sleep), futexes (they
// join no event loop), a descriptor for bells beside the socket.
// Sources: design §5; Lamport, Proving the Correctness of Multiprocess Programs, 1977 (the ring).
// Bounds: links by the limit of open files; `greeting_max` diallers without memory, the others wait in the
// system's queue; 16 accepts a turn.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include <harness/transports/shm/connection.hpp>

namespace harness::transports {

class Shm final : public Transport {
 public:
  enum Option : std::size_t { option_frame, option_ring, option_arena, option_peers, option_connect_timeout };
  static constexpr unsigned hot_max = 64;
  static constexpr unsigned hot_misses_max = 4096;  // turns without a message before a link is no longer hot
  static constexpr unsigned looks = 256;            // into the rings, in a turn that finds nothing
  static constexpr unsigned accepts_max = 16;
  static constexpr unsigned greeting_max = 256;

  /// `options` are values of type().options; the engine outlives the transport, the transport its endpoints.
  explicit Shm(OsEngine& engine, const OptionValues& options = OptionValues(type().options));
  ~Shm() override;

  /// Name, options, headers and facts, for a Catalogue; make() needs an OsEngine and gives null for others.
  /// [any-thread]
  static const TransportType& type() noexcept;

  [[nodiscard]] std::string_view name() const noexcept override { return "shm"; }
  /// Listens by a name; an empty one is given a number that nobody uses. Errors: exists, invalid, denied, io.
  Result<std::string> listen(std::string_view address, Acceptor& acceptor) override;
  /// Errors: invalid (address). peer_lost tells later: unreachable, denied, timed_out, exhausted.
  Result<std::unique_ptr<Endpoint>> dial(std::string_view address) override;
  unsigned poll(unsigned budget) override;
  void flush() override;
  bool rest() override;

  [[nodiscard]] std::size_t connection_count() const noexcept { return connections_.size(); }

  // ---- for the connections ----

  [[nodiscard]] OsEngine& engine() noexcept { return engine_; }
  [[nodiscard]] const Facts& facts() const noexcept { return facts_; }
  [[nodiscard]] std::uint64_t ring_bytes() const noexcept { return ring_bytes_; }
  [[nodiscard]] std::uint32_t whole_bytes_max() const noexcept { return whole_bytes_max_; }
  [[nodiscard]] std::uint64_t connect_timeout_ns() const noexcept { return connect_timeout_ns_; }
  /// Counts flushes: who writes twice in a turn may be shown together.
  [[nodiscard]] std::uint64_t turn() const noexcept { return turn_; }
  /// Counts polls, and whether this one has looked into the rings only once so far.
  [[nodiscard]] std::uint64_t polls() const noexcept { return polls_; }
  [[nodiscard]] bool looks_first() const noexcept { return looks_first_; }
  [[nodiscard]] bool admits(std::uint32_t uid) const noexcept { return any_user_ || uid == shm::own_uid(); }
  [[nodiscard]] std::uint64_t arena_bytes() const noexcept { return arena_bytes_; }
  /// Loans are made between processes of one user.
  [[nodiscard]] bool lends_to(std::uint32_t uid) const noexcept {
    return arena_bytes_ != 0 && uid == shm::own_uid();
  }
  /// … and regions shared.
  [[nodiscard]] static bool shares_with(std::uint32_t uid) noexcept { return uid == shm::own_uid(); }
  /// True when these options ask for what this transport was made with, as far as it cannot change.
  [[nodiscard]] bool fits(const OptionValues& options) const noexcept;
  void wake(shm::Connection& connection) noexcept {
    if (!connection.Hook<ReadyTag>::is_linked()) ready_.push_back(connection);
  }
  void soil(shm::Connection& connection) noexcept {
    if (!connection.Hook<DirtyTag>::is_linked()) dirty_.push_back(connection);
  }
  /// A dialler has shown its memory, or is gone.
  void greeted() noexcept {
    if (greeting_count_-- == greeting_max) watch_listeners(Watcher::readable);
  }
  /// The link received something: we look into its ring from now on, if there are not too many.
  void warm(shm::Connection& connection) noexcept;
  /// … or its peer rings.
  void cool(shm::Connection& connection) noexcept;
  /// Frees the connection in the next poll.
  void bury(shm::Connection& connection) noexcept;

 private:
  struct Listener;

  unsigned accept_waiting();
  unsigned accept_from(Listener& listener);
  void watch_listeners(unsigned interest) noexcept;
  unsigned look(unsigned budget);
  void age() noexcept;

  OsEngine& engine_;
  Facts facts_;
  std::uint64_t ring_bytes_;
  std::uint32_t whole_bytes_max_;
  std::uint64_t arena_bytes_;
  bool any_user_;
  std::uint64_t connect_timeout_ns_;
  std::uint64_t turn_ = 1;
  std::uint64_t polls_ = 0;
  bool looks_first_ = true;
  std::array<shm::Connection*, hot_max> hot_{};
  unsigned hot_count_ = 0;
  unsigned greeting_count_ = 0;
  std::vector<std::unique_ptr<Listener>> listeners_;
  boost::intrusive::list<shm::Connection, boost::intrusive::base_hook<Hook<OwnedTag>>,
                         boost::intrusive::constant_time_size<false>>
      connections_, graveyard_;
  List<shm::Connection, ReadyTag> ready_;
  List<shm::Connection, DirtyTag> dirty_;
};

}  // namespace harness::transports
