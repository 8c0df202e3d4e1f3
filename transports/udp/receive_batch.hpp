// SPDX-License-Identifier: Apache-2.0
// The receive buffers of a transport, shared by all its sockets: up to eight datagrams or trains a call.
//
// Each buffer is a slab of 64 KiB that the pool gives for the length of a turn: a long datagram is handed up
// where it was received, anything else is copied into a slab of its own size and the buffer used again, so
// that a receiver that keeps one small frame does not keep 64 KiB alive. Rejected: handing up the segments of
// a train as parts of its buffer; their quota would count a whole train for the last segment alive, and a
// message of half the quota could wait for ever for its last frame (docs/decisions/0002).
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include <harness/stack/pool.hpp>
#include <harness/transports/address.hpp>

namespace harness::transports::udp {

/// One datagram, or a train of datagrams of `segment` bytes, the last one shorter.
struct Arrival {
  std::uint32_t bytes = 0;
  std::uint32_t segment = 0;
  bool congested = false;     // marked by a queue on the way (RFC 3168 CE)
  bool overflowed = false;    // the system says how many datagrams it dropped here
  std::uint32_t dropped = 0;  // … since the socket was opened
};

class ReceiveBatch {
 public:
  static constexpr unsigned arrivals_max = 8;
  static constexpr std::uint32_t buffer_bytes = 65536;
  static constexpr std::uint32_t hand_over_bytes = 16 * 1024;  // from here a datagram keeps its buffer

  explicit ReceiveBatch(Pool& pool);
  ~ReceiveBatch();

  /// Reads at most `most` arrivals of one socket; how many, or -1 with errno set (ENOBUFS: the pool is
  /// empty). named: from() and to() will be asked.
  int receive(int descriptor, unsigned most, bool named) noexcept;
  [[nodiscard]] const Arrival& operator[](unsigned i) const noexcept { return arrivals_[i]; }
  [[nodiscard]] const std::byte* bytes(unsigned i) const noexcept { return slabs_[i]->bytes(); }
  /// The buffer of an arrival, now the caller's, counted as what is in it.
  [[nodiscard]] Slab* take(unsigned i) noexcept {
    Slab* const slab = std::exchange(slabs_[i], nullptr);
    slab->wanted = arrivals_[i].bytes;
    return slab;
  }
  /// Who sent an arrival, and to which of our addresses (without a port; empty when that is not asked for).
  [[nodiscard]] Address from(unsigned i) const noexcept;
  [[nodiscard]] Address to(unsigned i) const noexcept;
  /// Gives the buffers back: at the end of a turn.
  void rest() noexcept;

 private:
  struct System;
  bool supply(unsigned count, bool named) noexcept;
  void read(unsigned i) noexcept;

  Pool& pool_;
  std::unique_ptr<System> system_;
  std::array<Slab*, arrivals_max> slabs_{};
  std::array<Arrival, arrivals_max> arrivals_{};
};

}  // namespace harness::transports::udp
