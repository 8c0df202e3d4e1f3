// SPDX-License-Identifier: Apache-2.0
// What a congestion controller is told and what it answers.
#pragma once

#include <cstdint>

namespace harness::congestion {

/// Something was sent after a pause: nothing was in flight.
struct Sending {
  std::uint64_t now_ns = 0;
};

/// Packets newly acknowledged by one acknowledgement.
struct Acked {
  std::uint64_t now_ns = 0;
  std::uint64_t bytes = 0;
  std::uint64_t sent_ns = 0;  // when the newest of them was sent
  std::uint64_t smoothed_rtt_ns = 0;
  bool limited = false;          // the window was what kept the sender from sending more (RFC 9002 §7.8)
  std::uint64_t min_rtt_ns = 0;  // 0: not known
};

/// Packets newly lost, or marked by a router (ECN).
struct Lost {
  std::uint64_t now_ns = 0;
  std::uint64_t sent_ns = 0;  // when the newest of them was sent
  std::uint64_t in_flight_bytes = 0;
};

struct Window {
  std::uint64_t window_bytes = 0;
  std::uint64_t bytes_per_s = 0;  // 0: not paced
};

}  // namespace harness::congestion
