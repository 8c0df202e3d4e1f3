// SPDX-License-Identifier: Apache-2.0
// The state of one sim endpoint inside its transport, private to sim*.cpp: queues both ways, credit, what was
// seen.
#pragma once

#include <deque>
#include <map>
#include <set>

#include <harness/transports/sim.hpp>

namespace harness::transports {

inline constexpr std::size_t sim_header_bytes = wire::bytes_of<SimHeader>;
inline constexpr std::size_t sim_setup_bytes = wire::bytes_of<SimSetup>;

// Reliable media open before any set-up frame: `open` makes the endpoint at the listener, `opened` tells its
// cookie.
inline constexpr std::uint8_t sim_kind_open = 3;
inline constexpr std::uint8_t sim_kind_opened = 4;

/// The check of a setup frame: of the sender's cookie and the bytes after the headers.
inline std::uint32_t sim_check(std::uint32_t sender, Bytes frame) noexcept {
  std::uint32_t hash = 0x811c9dc5u ^ sender;
  for (const std::byte each : frame) hash = (hash ^ static_cast<std::uint32_t>(each)) * 0x01000193u;
  return hash;
}

struct SimChannel {
  SimChannel(Sim& owner, SimAddress local_address, SimAddress peer_address);
  ~SimChannel();

  struct Arrived {
    SimPacketPtr packet;
    std::uint64_t counter;
    bool setup;
  };

  Sim& sim;
  SimEndpoint* endpoint = nullptr;  // null: destroyed, what it left lingers
  std::uint32_t cookie = 0;
  std::uint32_t peer_cookie = 0;
  SimAddress local;
  SimAddress peer;
  std::uint32_t origin = 0;  // the dialler's cookie when a listener opened this one
  bool accepted = false;

  // out
  std::deque<SimPacketPtr> staged;
  unsigned pending = 0;                 // data frames staged or in the queue of the medium
  unsigned setups = 0;                  // setup frames there
  std::set<std::uint64_t> outstanding;  // counters of data frames sent and not taken by the receiver yet
  unsigned queue = 64;
  unsigned window = 256;
  std::uint64_t counter = 0;
  std::shared_ptr<std::uint64_t> fifo_floor;
  bool unflushed = false;
  bool closing = false;  // silent from now on; lives until everything is sent or the linger time ends
  Timer linger;

  // in
  std::deque<Arrived> setup_inbox;  // the stream profile keeps everything in `inbox`
  std::deque<Arrived> inbox;
  std::map<std::uint64_t, bool>
      seen;  // counters received beyond seen_below, data or not; bounded by the window
  std::uint64_t seen_below = 0;
  std::uint64_t data_below = 0;  // data frames among those below it
  std::uint64_t last_counter = 0;
  Quota* waits_for = nullptr;          // exhausted: it tells when there is room
  std::vector<SimPacketPtr> withheld;  // credit to give back then; at most `window` tickets without bytes
  bool paused = false;
  bool ready = false;
  bool room = false;  // held and there is room again: writable is due
  Errc gone = Errc::ok;

  /// True when nothing accepted is still here; on a fabric, when the peer has taken everything.
  [[nodiscard]] bool drained() const noexcept;
  /// True while the oldest frame that the receiver has not taken is less than a window behind the next one:
  /// so memory at the receiver and disorder under way are both bounded.
  [[nodiscard]] bool has_credit() const noexcept {
    return outstanding.empty() || counter - *outstanding.begin() < window;
  }
  void forget_quota() noexcept;
  /// Notes a counter; false when it came before.
  bool first_time(std::uint64_t number, bool is_data) {
    if (number < seen_below || !seen.emplace(number, is_data).second) return false;
    while (!seen.empty() && seen.begin()->first == seen_below) {
      data_below += seen.begin()->second ? 1u : 0u;
      seen.erase(seen.begin());
      ++seen_below;
    }
    return true;
  }
};

}  // namespace harness::transports
