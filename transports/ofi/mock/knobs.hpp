// SPDX-License-Identifier: Apache-2.0
// What HARNESS_MOCK sets: `seed=7,eagain=0.2,late=16,errors=0.01,tx=8,rx=8,cq=64`, any of the words below.
#pragma once

#include <cstdint>
#include <string_view>

#include <harness/stack/result.hpp>

namespace harness::transports::ofi::mock {

// Times are in ticks: one tick is one look into a completion queue, so a test decides how fast they go.
struct Knobs {
  std::uint64_t seed = 1;
  std::uint64_t eagain_ppm = 20'000;  // eagain=0.02: how often a post is refused, and fi_trywait says no
  std::uint64_t errors_ppm = 0;       // errors=0: how often an operation ends with FI_EIO
  std::uint64_t never_ppm = 0;        // never=0: how often one is taken and nothing more is heard of it
  std::uint64_t drops_ppm = 0;        // drops=0: how often a write that completed does not land, or not all
  std::uint64_t late = 4;             // each step of an operation waits 0 to so many ticks
  std::uint64_t tx = 8;               // operations under way, largest fi_tx_attr.size
  std::uint64_t rx = 8;               // posted receives, largest fi_rx_attr.size
  std::uint64_t cq = 16;              // entries of a completion queue whose attributes say 0
  std::uint64_t rnr = 1 << 20;        // ticks until a message without a receive ends with FI_ENORX
  std::uint64_t memlock = 0;          // bytes that may be registered; 0: any
  std::uint64_t raw = 0;              // 1: mock-cxi has keys of 16 bytes and wants FI_MR_RAW
  std::uint64_t atomics = 1;          // 0: no FI_ATOMIC; 2: it is there, and every operation of it is refused
  std::uint64_t liar = 0;             // 1: FI_DELIVERY_COMPLETE is accepted and not kept
};

/// Parses such a text; an empty one gives the defaults. Errors: invalid, naming the word and its range.
/// [any-thread]
Result<Knobs> parse_knobs(std::string_view text);

}  // namespace harness::transports::ofi::mock
