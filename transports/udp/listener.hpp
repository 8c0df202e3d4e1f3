// SPDX-License-Identifier: Apache-2.0
// Where strangers ask for an endpoint, and what they get before they have shown that they are where they say.
//
//   dialler                                   listener
//     open{cookie c}                    ──▶     nothing is kept
//                                       ◀──   retry{token = hash(key, address, c, time)}
//     open{cookie c, token, HELLO}      ──▶     a good token: an endpoint and a socket of its own
//                                       ◀──   set-up frames, from that socket
//
// The answer to a stranger is shorter than the question, so that nobody can be flooded through us. A further
// opening frame of the same dialler (same address, same cookie) finds the endpoint it has opened; one that is
// late finds it among the departed, and opens another only when it was sent after all that came from the
// first. Rejected: opening at the first datagram (state for anyone who forges an address), an endpoint
// without a socket of its own (every frame would pass one socket, with its route looked up each time).
// Bounds: strangers_max datagrams a turn, departed_max remembered, Udp::channels_max endpoints.
#pragma once

#include <vector>

#include <harness/stack/transport.hpp>
#include <harness/transports/engine.hpp>
#include <harness/transports/udp/receive_batch.hpp>

namespace harness::transports {
class Udp;
}

namespace harness::transports::udp {

class Channel;

class Listener final : public Watcher {
 public:
  static constexpr unsigned strangers_max = 64;
  static constexpr std::size_t departed_max = 256;

  /// Takes over a bound socket.
  Listener(Udp& udp, int descriptor, const Address& local, Acceptor& acceptor) noexcept;
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  [[nodiscard]] bool watch() noexcept;
  void ready(unsigned) override { waiting_ = true; }
  /// Reads what strangers sent; how many datagrams.
  unsigned receive();
  /// A datagram from `from` to our address `to` (empty: the one we listen on) that is of no channel of its
  /// socket.
  void take(const Address& from, const Address& to, Bytes datagram);
  /// A channel that was opened here is gone.
  void departed(const Channel& channel) noexcept;

 private:
  struct Departed {
    std::uint64_t origin = 0;
    std::uint64_t last_counter = 0;
  };
  void open(const Address& from, const Address& to, Bytes datagram);
  void retry(const Address& from, const Address& to, std::uint32_t cookie);
  Channel* accept(const Address& from, const Address& to, std::uint32_t cookie, std::uint64_t origin);
  [[nodiscard]] bool is_late(std::uint64_t origin, std::uint64_t counter) const noexcept;

  Udp& udp_;
  int descriptor_;
  Address local_;
  Acceptor& acceptor_;
  bool waiting_ = false;
  std::vector<Departed> departed_;  // a ring
  std::size_t departed_next_ = 0;
};

}  // namespace harness::transports::udp
