// SPDX-License-Identifier: Apache-2.0
// An epoch of a link: one stack over one endpoint, with what belongs to these two alone.
//
// A link has one, which a swap (stack/link_swap.hpp) replaces as a whole: for a while there are two, then the
// old one ends as a link does, by FIN in both directions. Values that outlive a swap stand in Link.
#pragma once

#include <memory>

#include <harness/stack/handshake.hpp>
#include <harness/stack/setup.hpp>
#include <harness/stack/stack.hpp>
#include <harness/stack/transport.hpp>

namespace harness {

struct Epoch {
  explicit Epoch(std::uint64_t quota_bytes)
      : gate(std::make_unique<Gate>()), quota(Quota::make(quota_bytes)) {
    gate->hold(Gate::link_bit);
  }
  Epoch(Epoch&&) noexcept = default;
  Epoch& operator=(Epoch&&) noexcept = default;
  // Layers that go hand back what they hold of the gate and the quota.
  ~Epoch() {
    endpoint.reset();
    stack.reset();
  }

  /// The medium may lose set-up frames: they are repeated.
  [[nodiscard]] bool repeats() const noexcept { return !endpoint->facts().word.covers(property::reliable); }
  /// Data that comes before READY is late, not lost: there is an order, or the layers above bear losses.
  [[nodiscard]] bool bears_early_data() const noexcept {
    return endpoint->facts().word.covers(property::fifo) || repeats();
  }
  [[nodiscard]] bool is_resumable() const noexcept { return given.covers(property::resumable); }
  [[nodiscard]] bool is_reliable() const noexcept { return given.covers(property::reliable); }

  /// Messages that went and came by this epoch's stack.
  [[nodiscard]] std::uint64_t sent() const noexcept { return stack->sent_messages() - sent_before; }
  [[nodiscard]] std::uint64_t delivered() const noexcept {
    return stack->delivered_messages() - delivered_before;
  }
  /// Sends one set-up frame; false: the endpoint is gone or its reserve used up. [stack-thread]
  bool send(Pool& pool, const setup::Frame& frame) noexcept;
  /// The code over a frame that goes to the peer (`sent`) or came from it; empty without a handshake.
  [[nodiscard]] setup::Proof seal(bool sent, const setup::Frame& frame) const;
  /// Whether `proof` is the code over a frame of the peer's.
  [[nodiscard]] bool is_sealed(const setup::Frame& frame, Bytes proof) const;

  std::unique_ptr<Stack> stack;  // first: the message path
  std::unique_ptr<Gate> gate;
  Quota::Owner quota;
  std::unique_ptr<Handshake> handshake;  // of the stack, which it outlives
  std::unique_ptr<Endpoint> endpoint;
  Facts facts;
  Properties given{};                  // what the stack promises
  setup::Proof ready_proof;            // on lossy media, to repeat it
  std::uint64_t attempt = 0;           // names it; drawn by the initiator
  std::uint64_t sent_before = 0;       // messages of the link, when it began
  std::uint64_t delivered_before = 0;  // …
  std::uint64_t peer_messages = 0;     // … sent, as its FIN told
  std::uint64_t peer_frames = 0;       // as its FIN told
  bool fin_sent = false;
  bool fin_acked = false;
  bool fin_received = false;
  bool peer_gone = false;  // after its FIN
};

}  // namespace harness
