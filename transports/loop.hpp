// SPDX-License-Identifier: Apache-2.0
// loop: links between nodes of one engine, without a copy and without the operating system.
//
// Addresses are names. An endpoint owns the ring of frames on their way to it; sending moves the message into
// the peer's ring, `poll` hands it up in place. Nothing is delivered inside a send, so stacks never recurse.
// Set-up and data frames share one ring and keep their order; while receiving is paused, set-up frames pass
// up to the first data frame.
//
// What is in the ring survives its sender: after close the peer still gets every frame, then peer_lost with
// the code closed (or peer_lost, when the sender was destroyed without close), so the linger time has no use
// here. Received slabs that count to no quota yet are charged to the receiver's: the bytes stay where the
// sender put them. One Loop serves all nodes of an engine that want to reach each other by it; it works on
// any Engine.
//
// Rejected: delivering inside send (unbounded recursion, and no test would see a held link); a ring shared by
// both sides (who owns it after one of them has gone?).
// Bounds: `slots` frames a direction, then held; behind them one frame, control_reserve control frames and as
// many set-up frames.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <boost/intrusive/list.hpp>

#include <harness/stack/transport.hpp>

namespace harness::transports {

class Loop;

namespace detail {

using LoopHook = boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

class LoopEndpoint final : public Endpoint, public LoopHook {
 public:
  LoopEndpoint(Loop& loop, std::string peer_name);
  ~LoopEndpoint() override;

  MutableBytes reserve(std::uint32_t bytes) noexcept override;
  void commit() noexcept override;
  Errc send_setup(Message&& frame) noexcept override;
  Errc configure(const OptionValues& options) noexcept override;
  [[nodiscard]] std::uint64_t frames_sent() const noexcept override { return frames_out_; }
  [[nodiscard]] std::uint64_t frames_received() const noexcept override { return frames_in_; }
  void pause_receive(bool paused) noexcept override;
  void close(std::uint64_t linger_ns) noexcept override;
  [[nodiscard]] bool drained() const noexcept override {
    return peer_ == nullptr || peer_->closed_ || peer_->count_ == 0;
  }
  [[nodiscard]] const Facts& facts() const noexcept override { return facts_; }
  [[nodiscard]] std::string peer_address() const override { return "loop:" + peer_name_; }
  void describe(Describer& describer) const override;

 private:
  friend class harness::transports::Loop;
  static void down_thunk(void* self, const Entry* next, harness_message* message) noexcept;
  void send(Message& frame, FrameKind kind) noexcept;
  void put(Message& frame, FrameKind kind) noexcept;
  void send_scattered(Message& frame, FrameKind kind) noexcept;
  void sent_first_or_last() noexcept;
  unsigned deliver(unsigned budget);
  void hand_up(Message& frame);
  void pop() noexcept;
  void discard() noexcept;
  void resize(std::uint32_t slots);
  void room();
  void end(Errc code, const char* why) noexcept;
  void report_end();
  [[nodiscard]] bool may_receive(const Message& front) noexcept;
  [[nodiscard]] bool may_receive_still(const Message& front) noexcept;
  [[nodiscard]] bool has_work() noexcept;
  void wake() noexcept;

  // Sending touches these of the sender, then the ring of the peer.
  LoopEndpoint* peer_ = nullptr;
  bool closed_ = false;  // by this side: silent from now on
  bool held_ = false;
  bool room_due_ = false;  // held, and the peer has taken enough: report writable
  // The ring of frames to this endpoint.
  std::unique_ptr<Message[]> ring_;
  std::uint32_t capacity_ = 0;
  std::uint32_t slots_ = 0;
  std::uint32_t head_ = 0;
  std::uint32_t count_ = 0;
  std::uint32_t setup_count_ = 0;
  bool paused_ = false;
  bool delivering_ = false;
  Quota* waiting_quota_ = nullptr;  // that calls wake
  bool end_reported_ = false;
  Errc end_code_ = Errc::ok;  // how the sender of this ring ended
  const char* end_why_ = "";

  Loop& loop_;
  Facts facts_;
  std::string peer_name_;
  Message reserved_;
  // No two neighbours are counted together: GCC would make one vector of them, slower than two adds.
  std::uint64_t frames_out_ = 0;
  std::uint64_t frames_in_ = 0;
  std::uint64_t bytes_out_ = 0;
  std::uint64_t bytes_in_ = 0;
  std::uint64_t holds_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace detail

class Loop final : public Transport {
 public:
  enum Option : std::size_t { option_slots, option_frame };
  static constexpr std::uint32_t pending_max = 4096;  // dialled, not yet accepted

  /// `options` are values of type().options; the engine outlives the transport, the transport its endpoints.
  explicit Loop(Engine& engine, const OptionValues& options = OptionValues(type().options));
  ~Loop() override;

  /// Name, options and facts, for a Catalogue. [any-thread]
  static const TransportType& type() noexcept;

  [[nodiscard]] std::string_view name() const noexcept override { return "loop"; }
  /// Listens as `address`, a name; an empty one is given a free number. Errors: exists, invalid.
  Result<std::string> listen(std::string_view address, Acceptor& acceptor) override;
  /// Errors: invalid (no name), exhausted (pending_max). A name nobody listens on: peer_lost with
  /// `unreachable`.
  Result<std::unique_ptr<Endpoint>> dial(std::string_view address) override;
  unsigned poll(unsigned budget) override;

 private:
  friend class detail::LoopEndpoint;
  using Ready = boost::intrusive::list<detail::LoopEndpoint, boost::intrusive::constant_time_size<false>>;
  struct Pending {
    std::unique_ptr<detail::LoopEndpoint> endpoint;
    Acceptor* acceptor;
  };

  Engine& engine_;
  Facts facts_;
  std::uint32_t slots_;
  Ready ready_;  // endpoints with frames or an end to report
  std::map<std::string, Acceptor*, std::less<>> listeners_;
  std::vector<Pending> pending_;
  std::uint64_t names_given_ = 0;
};

}  // namespace harness::transports
