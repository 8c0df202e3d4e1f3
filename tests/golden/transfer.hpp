// SPDX-License-Identifier: Apache-2.0
// One link over a simulated path of 1 Gbit/s, used by one application: how long a transfer takes, how late
// single messages are. Virtual time, so every run gives the same numbers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <harness/transports/sim.hpp>

namespace harness::tests {

struct Course {
  std::uint64_t rtt_ns = 1'000'000;
  std::uint32_t loss_ppm = 0;         // in both directions, drawn
  std::uint32_t lose_every = 0;       // … or every n-th data packet of the sender; 0: none
  std::uint64_t queue_bytes = 0;      // of the router before the bottleneck
  std::string options;                // of reliable: "cc=static, window=2MiB"
  std::uint32_t packet_bytes = 1500;  // the path's
  std::uint64_t seed = 1;
};

inline constexpr std::uint64_t rate_bytes_per_s = 125'000'000;

/// Bytes in flight that fill the path of a course.
constexpr std::uint64_t path_bytes(std::uint64_t rtt_ns) {
  return rate_bytes_per_s / 1'000'000 * (rtt_ns / 1000);
}

struct Figures {
  bool complete = false;  // everything arrived within an hour of virtual time
  std::uint64_t goodput_bytes_per_s = 0;
  std::uint64_t mtu_bytes = 0;  // found
  std::uint64_t sent_packets = 0;
  std::uint64_t lost_packets = 0;
  std::uint64_t retransmitted_packets = 0;
};

/// Sends `bytes` in messages of 64 KiB as fast as the link takes them, after `lead_bytes` that are not
/// measured.
Figures transfer(const Course& course, std::uint64_t bytes, std::uint64_t lead_bytes = 0);

/// Sends `count` messages of `bytes` at a fixed interval; how long each was under way, sorted.
std::vector<std::uint64_t> latencies_ns(const Course& course, unsigned count, std::uint32_t bytes,
                                        std::uint64_t interval_ns);

}  // namespace harness::tests
