// SPDX-License-Identifier: Apache-2.0
// What a transport gives the stack: endpoints that carry whole frames to one peer.
//
// A Transport belongs to one engine; it listens, dials and is polled. An Endpoint is one peer. Frames have a
// kind: `data` frames belong to the stack and arrive at `Receiver::up`; `setup` frames belong to link set-up
// and arrive at `Receiver::setup`. A transport frames, checks lengths before it allocates, and never aborts,
// blocks in poll, installs signal handlers or drops without counting.
//
// | call            | blocks | errors                    | who owns the message afterwards                                  |
// |-----------------|--------|---------------------------|------------------------------------------------------------------|
// | Endpoint::down  | never  | none: not called when held| the transport (moved out or copied); the caller destroys the rest |
// | reserve/commit  | never  | empty span when held      | –                                                                |
// | send_setup      | never  | exhausted (reserve used)  | the transport on ok, else the caller                             |
// | Transport::dial | never  | a text in three parts     | –                                                                |
//
// Back-pressure: the endpoint sets its gate bit while it can still take one largest frame and
// `control_reserve` control frames; it clears the bit and reports `writable` when there is room again.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <harness/stack/engine.hpp>
#include <harness/stack/layer.hpp>
#include <harness/stack/placement.hpp>

namespace harness {

enum class FrameKind : std::uint8_t { data = 1, setup = 2 };

/// Where an endpoint hands what arrives; set by the link before the first poll. All calls on the stack
/// thread, from a poll. A callback may close the endpoint, not destroy it. Gate and quota live until close or
/// the endpoint's destruction. A default one ignores everything, so that an endpoint never tests for null;
/// only gate and quota may be.
struct Receiver {
  Entry up{&ignore_data, nullptr, nullptr};  // data frames: headers and body as one received message
  void* self = nullptr;
  void (*setup)(void* self, Message& frame) = &ignore_setup;  // setup frames
  void (*event)(void* self,
                const Event& event) =
      &ignore_event;     // writable, mtu, peer_lost (code closed: in order), corrupt
  Placer place{};        // asked where the body of a large data frame goes; null: into a slab
  Gate* gate = nullptr;  // the endpoint owns Gate::transport_bit
  // Charged for received frames. Exhausted: a medium that keeps order stops receiving; an unordered reliable
  // one gives no new credit but hands up what credit was given for, since any of it may complete what layers
  // keep.
  Quota* quota = nullptr;

  static void ignore_data(void*, const Entry*, harness_message*) {}
  static void ignore_setup(void*, Message&) {}
  static void ignore_event(void*, const Event&) {}
};

class Endpoint {
 public:
  static constexpr unsigned control_reserve = 4;

  virtual ~Endpoint() = default;
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  /// The bottom of the stack: sends one data frame of at most facts().max_message bytes. Requires: not held,
  /// or a control message within the reserve. [stack-thread]
  [[nodiscard]] Entry down() const noexcept { return down_; }
  /// Room for one data frame of `bytes`, written in place and sent by commit; empty when held. [stack-thread]
  virtual MutableBytes reserve(std::uint32_t bytes) noexcept = 0;
  virtual void commit() noexcept = 0;
  /// A writable message of `bytes`, in memory that this endpoint sends without a copy where it has some;
  /// empty at the limits of both. The message may outlive the endpoint. Asked for messages of at least
  /// `make_bytes_min`, the others come from the pool. [stack-thread]
  virtual Message make(Pool& pool, std::uint32_t bytes) noexcept { return Message::make(pool, bytes); }
  static constexpr std::uint32_t make_bytes_min = 4096;
  /// Sends one setup frame, also while the gate is held; it keeps its place between the data frames. ok:
  /// consumed; exhausted (four wait already), too_large or closed: still the caller's.
  virtual Errc send_setup(Message&& frame) noexcept = 0;

  /// Applies the chosen stack's transport options to this endpoint; facts() follows. Called once, before the
  /// first data frame. unsupported: an option that only the other kind of endpoint has.
  virtual Errc configure(const OptionValues& options) noexcept {
    (void)options;
    return Errc::ok;
  }
  /// Data frames sent so far; and of the peer's, how many were handed up without a gap from its first one on.
  /// An orderly close over an unordered medium waits until the latter reaches the number the peer named:
  /// frames that overtook others (control, sent after that number was named) must not stand in for them.
  [[nodiscard]] virtual std::uint64_t frames_sent() const noexcept = 0;
  [[nodiscard]] virtual std::uint64_t frames_received() const noexcept = 0;

  /// Attaches the receiver; may be called again to replace it (a listener hands over to a link).
  void attach(const Receiver& receiver) noexcept { receiver_ = receiver; }
  /// Stops or resumes handing up received data frames; setup frames still pass where the medium keeps them
  /// apart.
  virtual void pause_receive(bool paused) noexcept = 0;
  /// Lets go: the endpoint is silent from now on and may be destroyed; everything accepted before is sent for
  /// up to `linger_ns`, the peer then hears peer_lost with code `closed`. Destroyed
  /// without close: with code `peer_lost`.
  virtual void close(std::uint64_t linger_ns) noexcept = 0;
  /// True when nothing accepted is still waiting to leave this process.
  [[nodiscard]] virtual bool drained() const noexcept = 0;

  [[nodiscard]] virtual const Facts& facts() const noexcept = 0;
  /// The largest data frame that can leave this host on the path now, at most facts().max_message; the event
  /// `mtu` tells of changes. A larger one goes in pieces of the network's own making, or not at all when it
  /// is marked flag_whole.
  [[nodiscard]] virtual std::uint32_t mtu() const noexcept { return facts().max_message; }
  /// "tcp:10.0.0.2:7001" as a person would dial it. [stack-thread]
  [[nodiscard]] virtual std::string peer_address() const = 0;
  virtual void describe(Describer& describer) const = 0;
  /// Its own way to the peer's memory; null: none, or not to this peer. Goes with the endpoint.
  /// [stack-thread]
  [[nodiscard]] virtual Direct* direct() noexcept { return nullptr; }

 protected:
  Endpoint() = default;
  Entry down_{};
  Receiver receiver_{};
};

/// Takes endpoints of peers that dialled us. [stack-thread]
class Acceptor {
 public:
  virtual ~Acceptor() = default;
  virtual void accepted(std::unique_ptr<Endpoint> endpoint) = 0;
  /// Whether a stranger's first frame is worth an endpoint; asked before one is opened, where the whole frame
  /// is there by then.
  virtual bool expects(Bytes frame) {
    (void)frame;
    return true;
  }
};

class Transport : public Poller {
 public:
  [[nodiscard]] virtual std::string_view name() const noexcept = 0;
  /// Listens on `address` (without "name:"); returns the address others can dial, ports filled in. The
  /// acceptor outlives the transport. Errors: invalid (address), exists (in use), io. [stack-thread]
  virtual Result<std::string> listen(std::string_view address, Acceptor& acceptor) = 0;
  /// Starts to reach `address`; a later `peer_lost` event (code unreachable, timed_out) tells failure.
  /// [stack-thread]
  virtual Result<std::unique_ptr<Endpoint>> dial(std::string_view address) = 0;
};

/// A transport type: its options, what it gives at a distance, and how to make one for an engine.
struct TransportType {
  std::string_view name{};
  std::string_view summary{};
  std::span<const OptionSpec> options{};
  std::span<const HeaderInfo> headers{};
  /// Facts for a peer as near as `trust` says (Axis::trust levels in the word), with these options. Pure.
  Facts (*facts)(const OptionValues& options, Properties trust) = nullptr;
  /// Null for transports that only a test or a simulation makes. Errors: unsupported (another engine, or
  /// nothing on this machine to make it of), not_found (a part of it is not installed).
  Result<std::unique_ptr<Transport>> (*make)(Engine& engine, const OptionValues& options) = nullptr;
  /// What two ends must have in common to meet over it (Axis::trust); null: nothing.
  Properties (*reach)(const OptionValues& options) = nullptr;
};

/// Whether two ends that have `trust` in common can meet over the transport. [any-thread]
inline bool reaches(const TransportType& type, const OptionValues& options, Properties trust) {
  return type.reach == nullptr || trust.covers(type.reach(options));
}

}  // namespace harness
