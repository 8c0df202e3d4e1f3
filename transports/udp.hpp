// SPDX-License-Identifier: Apache-2.0
// udp: links over UDP datagrams on Linux: lossy, unordered, now and then doubled; the stack repairs what it
// needs.
//
// Sending: frames written in a turn are collected per peer and leave by one call when the turn ends, those of
// one length as trains that the kernel or the card cuts (UDP_SEGMENT). Receiving: trains arrive whole
// (UDP_GRO), up to eight a call, in buffers shared by all peers. Every peer has a connected socket, so that
// its route is looked up once; strangers meet a listener that keeps nothing about them (udp/listener.hpp). A
// peer that is idle has no buffer. Sockets that were busy lately are read without asking epoll.
//
// Addresses as for tcp: "10.0.0.2:7001", "[::1]:7001", "name:7001"; "*:7001" listens on every IPv4 address.
// Nothing is sent by dial: the first set-up frame opens the endpoint at the peer. Silence is no error here;
// a refused port is, while dialling.
// Rejected: sendmmsg of single datagrams (no faster than sendto here, trains are 13–29 times), one socket for
// all peers, SO_ZEROCOPY (loopback copies anyway), a datagram that says goodbye (udp/channel.hpp).
// Sources: RFC 768, RFC 8085 (usage guidelines), RFC 3168 (ECN), RFC 8899 §3 (what a transport must offer to
// a search for the path's MTU), udp(7), ip(7).
// Bounds: channels_max peers; per peer see udp/channel.hpp; of strangers see udp/listener.hpp.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include <harness/transports/udp/channel.hpp>
#include <harness/transports/udp/tokens.hpp>

namespace harness::transports {

class Udp final : public Transport {
 public:
  enum Option : std::size_t {
    option_frame,
    option_sndbuf,
    option_rcvbuf,
    option_gso,
    option_gro,
    option_ecn
  };
  static constexpr std::uint32_t frame_bytes_max = 65507 - udp::outer_bytes;
  static constexpr std::size_t channels_max = 65536;
  static constexpr std::uint64_t resolve_timeout_ns = 5'000'000'000;

  struct Options {
    udp::SocketOptions socket;
    bool gso = true;
    bool gro = true;
  };
  /// What came from strangers and was not let in.
  struct Drops {
    std::uint64_t unknown_cookie = 0;  // also: from another address than the endpoint's peer
    std::uint64_t malformed = 0;       // too short, unknown kind
    std::uint64_t retries = 0;         // opening frames without a good token, answered by one
    std::uint64_t unanswered = 0;      // … and the answer could not be sent
    std::uint64_t late = 0;            // opening frames of endpoints that are gone already
    std::uint64_t table_full = 0;
    std::uint64_t unexpected = 0;  // first frames that the acceptor gives no endpoint for
    std::uint64_t no_socket = 0;   // the system gave none
  };

  /// `options` are values of type().options; the engine outlives the transport, the transport its endpoints.
  explicit Udp(OsEngine& engine, const OptionValues& options = OptionValues(type().options));
  /// Hands what waits to the kernel as far as it takes it, then closes every socket.
  ~Udp() override;

  /// Name, options, headers and facts, for a Catalogue; make() needs an OsEngine and gives null for others.
  /// [any-thread]
  static const TransportType& type() noexcept;
  static Options options_of(const OptionValues& options) noexcept;

  [[nodiscard]] std::string_view name() const noexcept override { return "udp"; }
  Result<std::string> listen(std::string_view address, Acceptor& acceptor) override;
  /// Errors: invalid (address). peer_lost tells later: unreachable, exhausted, timed_out (of a name).
  Result<std::unique_ptr<Endpoint>> dial(std::string_view address) override;
  unsigned poll(unsigned budget) override;
  void flush() override;

  [[nodiscard]] std::size_t channel_count() const noexcept { return by_cookie_.size(); }
  [[nodiscard]] Drops& drops() noexcept { return drops_; }

  // ---- for channels and listeners ----

  [[nodiscard]] OsEngine& engine() noexcept { return engine_; }
  [[nodiscard]] const Facts& facts() const noexcept { return facts_; }
  [[nodiscard]] const Options& options() const noexcept { return options_; }
  [[nodiscard]] udp::Tokens& tokens() noexcept { return tokens_; }
  [[nodiscard]] udp::ReceiveBatch& batch() noexcept { return batch_; }
  [[nodiscard]] HotSet<udp::Channel>& hot() noexcept { return hot_; }
  void wake(udp::Channel& channel) noexcept {
    if (!channel.Hook<ReadyTag>::is_linked()) ready_.push_back(channel);
  }
  void soil(udp::Channel& channel) noexcept {
    if (!channel.Hook<DirtyTag>::is_linked()) dirty_.push_back(channel);
  }
  /// A send queue from those that nobody uses, or a new one; null when there is no memory.
  std::unique_ptr<udp::SendQueue> take_queue() noexcept;
  void give_queue(std::unique_ptr<udp::SendQueue> queue) noexcept { queues_.push_back(std::move(queue)); }
  /// A cookie that no channel has.
  std::uint32_t draw_cookie() noexcept;
  void own(udp::Channel& channel);
  void know_origin(udp::Channel& channel) { by_origin_[channel.origin()] = &channel; }
  [[nodiscard]] udp::Channel* find(std::uint32_t cookie) const noexcept;
  [[nodiscard]] udp::Channel* find_origin(std::uint64_t origin) const noexcept;
  /// Frees the channel in the next poll.
  void bury(udp::Channel& channel) noexcept;

 private:
  OsEngine& engine_;
  Facts facts_;
  Options options_;
  udp::Tokens tokens_;
  udp::ReceiveBatch batch_;
  Drops drops_;
  std::vector<std::unique_ptr<udp::Listener>> listeners_;
  List<udp::Channel, OwnedTag> channels_, graveyard_;
  List<udp::Channel, ReadyTag> ready_;
  List<udp::Channel, DirtyTag> dirty_;
  std::unordered_map<std::uint32_t, udp::Channel*> by_cookie_;
  std::unordered_map<std::uint64_t, udp::Channel*> by_origin_;
  std::vector<std::unique_ptr<udp::SendQueue>> queues_;
  HotSet<udp::Channel> hot_;
};

}  // namespace harness::transports
