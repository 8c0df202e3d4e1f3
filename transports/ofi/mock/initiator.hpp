// SPDX-License-Identifier: Apache-2.0
// The half of an endpoint that asks: operations from the post until their completion.
//
//   waiting → asked → granted → (confirming) → over      send, write, atomic
//   waiting → asked → ending → over                      read, fetch, compare
//   lost                                             by seed: nothing ever happens to it
// Every step is late by seed. A source is read when the target has granted the bytes, and the completion is
// written right behind: whoever changes it before changes what arrives. A destination holds poison until its
// completion. With FI_DELIVERY_COMPLETE the completion waits for the target's word.
// Bounds: fi_tx_attr.size operations; a message that finds no receive is given up after `rnr` ticks.
#pragma once

#include <list>

#include <harness/transports/ofi/mock/station.hpp>

namespace harness::transports::ofi::mock {

struct Operation {
  enum class State : std::uint8_t { waiting, asked, granted, confirming, ending, lost };
  Packet packet;  // the request
  std::string peer;
  Segments from;                // operand, then comparand, of atomics
  Segments to;                  // of read, fetch, compare
  std::vector<std::byte> kept;  // what was injected, or what came for `to`
  void* context = nullptr;
  std::uint64_t flags = 0;  // of its completion
  bool injected = false;    // reads `kept`, not `from`
  bool reports = true;      // a success has a completion; an error always has one
  State state = State::waiting;
  Fault fault = Fault::none;  // when ending
  bool unready = false;       // the target has no receive for it
  bool given_up = false;
  std::uint64_t delay = 0;
  std::uint64_t ticks = 0;
  std::size_t moved = 0;
};

class Initiator {
 public:
  Initiator(Station& station, std::size_t size) noexcept : station_(station), size_(size) {}
  [[nodiscard]] bool full() const noexcept { return operations_.size() >= size_; }
  /// Takes an operation; there must be room.
  void post(Operation&& operation);
  void step();
  void hear(const std::string& from, const Packet& packet, std::span<const std::byte> piece);
  /// Something will happen in a later step without anything coming in.
  [[nodiscard]] bool busy() const noexcept;
  [[nodiscard]] bool waits_for_peer() const noexcept { return !operations_.empty(); }

 private:
  using State = Operation::State;
  bool advance(Operation& operation);
  [[nodiscard]] bool must_wait(const Operation& operation) const;
  Fault start(Operation& operation);
  bool send_pieces(Operation& operation);
  bool leave(Operation& operation);
  bool wait_for_peer(Operation& operation);
  bool end(Operation& operation, Fault fault);
  void report(const Operation& operation, Fault fault);

  Station& station_;
  std::size_t size_;
  std::uint64_t next_ = 0;
  std::list<Operation> operations_;
};

}  // namespace harness::transports::ofi::mock
