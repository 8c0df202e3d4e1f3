// SPDX-License-Identifier: Apache-2.0
// tcp: links over TCP connections on Linux.
//
// Sending: frames written in a turn are collected per connection, small ones by a copy into a staging slab,
// large ones where they lie, and go to the kernel by one call when the turn ends (or 64 KiB wait). Receiving:
// one read takes many frames. A connection that is idle has no buffer at all. Sockets that were busy lately
// are read without asking epoll, so that a busy-polled exchange costs one send and one receive like raw
// sockets.
//
// Addresses are "10.0.0.2:7001", "[::1]:7001" or "name:7001"; "*:7001" listens on every IPv4 address. A
// dialled name is looked up by an offload thread, its addresses are tried in turn. listen takes numbers (and
// "localhost") only: it returns at once and must not wait for a name service. An orderly close is told by a
// `bye` frame; a stream that ends without one is peer_lost.
//
// Bytes that nobody acknowledges for `user_timeout` end a connection; the kernel sees to it (RFC 5482). But
// Linux counts a receiver that answers and takes nothing as silent, too, where RFC 9293 §3.8.6.1 wants the
// connection to stay: connections with bytes under way are looked at four times in that time, and the timeout
// of those whose peer answered meanwhile is put off. Rejected: no user timeout (a dead host is then noticed
// after a quarter of an hour), TCP_RTO_MAX_MS (Linux 6.15).
// Rejected: per-connection buffers (10,000 idle links), edge handling by epoll alone (a system call more a
// message), MSG_ZEROCOPY (loopback copies anyway; later, for remote links). Sources: RFC 9293, RFC 5482 (user
// timeout), tcp(7).
// Bounds: connections by the limit of open files; per connection see tcp/connection.hpp; 16 accepts a turn.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <harness/transports/tcp/connection.hpp>

namespace harness::transports {

class Tcp final : public Transport {
 public:
  enum Option : std::size_t {
    option_frame,
    option_sndbuf,
    option_rcvbuf,
    option_notsent,
    option_congestion,
    option_nodelay,
    option_keepalive,
    option_user_timeout,
    option_connect_timeout,
  };
  static constexpr std::size_t scratch_bytes = 64 * 1024;
  static constexpr unsigned accepts_max = 16;
  static constexpr unsigned looks_max = 64;  // at connections with bytes under way, a turn
  static constexpr std::uint64_t accept_pause_ns = 100'000'000;  // after "too many open files"

  /// `options` are values of type().options; the engine outlives the transport, the transport its endpoints.
  explicit Tcp(OsEngine& engine, const OptionValues& options = OptionValues(type().options));
  /// Hands what waits to the kernel as far as it takes it, then closes every connection.
  ~Tcp() override;

  /// Name, options, header and facts, for a Catalogue; make() needs an OsEngine and gives null for others.
  /// [any-thread]
  static const TransportType& type() noexcept;

  [[nodiscard]] std::string_view name() const noexcept override { return "tcp"; }
  Result<std::string> listen(std::string_view address, Acceptor& acceptor) override;
  /// Errors: invalid (address), exhausted (names being looked up). peer_lost tells later: unreachable,
  /// timed_out.
  Result<std::unique_ptr<Endpoint>> dial(std::string_view address) override;
  unsigned poll(unsigned budget) override;
  void flush() override;

  [[nodiscard]] std::size_t connection_count() const noexcept { return connections_.size(); }

  // ---- for the connections ----

  [[nodiscard]] OsEngine& engine() noexcept { return engine_; }
  [[nodiscard]] std::byte* scratch() noexcept { return scratch_.get(); }
  [[nodiscard]] const Facts& facts() const noexcept { return facts_; }
  [[nodiscard]] std::uint64_t connect_timeout_ns() const noexcept { return connect_timeout_ns_; }
  [[nodiscard]] const tcp::SocketOptions& socket_options() const noexcept { return socket_options_; }
  void wake(tcp::Connection& connection) noexcept {
    if (!connection.Hook<ReadyTag>::is_linked()) ready_.push_back(connection);
  }
  void soil(tcp::Connection& connection) noexcept {
    if (!connection.Hook<DirtyTag>::is_linked()) dirty_.push_back(connection);
  }
  /// A send queue from those that nobody uses, or a new one; null when there is no memory.
  std::unique_ptr<tcp::SendQueue> take_queue() noexcept;
  void give_queue(std::unique_ptr<tcp::SendQueue> queue) noexcept { queues_.push_back(std::move(queue)); }
  [[nodiscard]] HotSet<tcp::Connection>& hot() noexcept { return hot_; }
  /// Looks after a connection that is not yet until the peer has what was sent, first within `every_ns`.
  void look_after(tcp::Connection& connection, std::uint64_t every_ns) noexcept {
    sent_.push_back(connection);
    look_every_ns_ = std::min(look_every_ns_, every_ns);
    if (!look_.armed()) engine_.timers().arm(look_, engine_.now_ns() + look_every_ns_);
  }
  /// Frees the connection in the next poll.
  void bury(tcp::Connection& connection) noexcept;

 private:
  struct Listener;

  unsigned accept_waiting();
  unsigned accept_from(Listener& listener);
  void look();

  OsEngine& engine_;
  Facts facts_;
  tcp::SocketOptions socket_options_;
  std::uint64_t connect_timeout_ns_;
  std::unique_ptr<std::byte[]> scratch_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  List<tcp::Connection, OwnedTag> connections_, graveyard_;
  List<tcp::Connection, ReadyTag> ready_;
  List<tcp::Connection, DirtyTag> dirty_;
  List<tcp::Connection, SentTag> sent_, looked_at_;
  Timer look_;
  std::uint64_t look_every_ns_ = ~std::uint64_t{0};
  std::vector<std::unique_ptr<tcp::SendQueue>> queues_;
  HotSet<tcp::Connection> hot_;
};

/// The socket options that these option values ask for.
tcp::SocketOptions socket_options_of(const OptionValues& options) noexcept;

}  // namespace harness::transports
