// SPDX-License-Identifier: Apache-2.0
// What two endpoints of the mock say to each other: one datagram, this header and perhaps a piece of data.
//
// An operation asks first (`request`); the target looks at its keys and receives, and answers `grant` when
// the bytes may come, `done` with a fault when not, `not_ready` when a receive is missing. Only then does the
// initiator read its buffer. A read is answered by `reply` and `done`. Both ends are the same program on the
// same machine: the header travels as it lies in memory, and only the fields are checked, not their order.
#pragma once

#include <harness/transports/ofi/mock/memory.hpp>

namespace harness::transports::ofi::mock {

enum class Kind : std::uint8_t { request, grant, not_ready, data, done, reply, cancel };
enum class Verb : std::uint8_t { send, write, read, atomic, fetch, compare };

/// Bytes of a target's.
struct Place {
  std::uint64_t address = 0;
  WireKey key;
  std::uint64_t length = 0;
};

// What becomes of a write that has completed, and whose connection then died.
enum class Drop : std::uint8_t { nothing, second_place, all };

struct Packet {
  static constexpr std::uint32_t magic_word = 0x6b636f6d;
  std::uint32_t magic = magic_word;
  Kind kind{};
  Verb verb{};
  std::uint8_t has_data = 0;   // `data` is for the target's completion queue
  std::uint8_t delivered = 0;  // the initiator waits until the bytes are in place
  std::uint8_t fence = 0;
  std::uint8_t last = 0;  // of `data` and `reply`: no piece follows
  Drop drop = Drop::nothing;
  std::uint16_t action = 0;  // an atomic's fi_op
  Fault fault = Fault::none;
  std::uint64_t operation = 0;  // the initiator's number of it
  std::uint64_t address = 0;
  WireKey key;
  std::uint64_t length = 0;  // of all places
  Place second;              // of a read or a write; length 0: it has one place
  std::uint64_t offset = 0;
  std::uint64_t data = 0;

  [[nodiscard]] Place first() const noexcept { return {address, key, length - second.length}; }
};

constexpr std::size_t piece_bytes = 32 * 1024;

/// Whether an operation must not pass another of the same peer that was posted before it, by what msg_order
/// promises. An atomic counts as a write.
bool must_follow(std::uint64_t order, const Packet& later, const Packet& earlier) noexcept;

}  // namespace harness::transports::ofi::mock
