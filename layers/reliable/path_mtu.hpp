// SPDX-License-Identifier: Apache-2.0
// How large a packet may be: packetization layer path MTU discovery (RFC 8899).
//
// Starts at `base_bytes`, which every path carries, and looks upwards with padded probes, whose loss costs
// nothing else. The first candidate is the largest packet that can leave this host: over loopback and within
// one network it is right, and the search is over after one round trip. If not, it halves the interval until
// that is `close_bytes` wide. A size that was lost `probes_max` times does not pass (§5.1.2 MAX_PROBES);
// after `raise_ns` it is tried again (PMTU_RAISE_TIMER). When `black_hole_packets` large packets in a row
// vanish while none sent after them arrives, the path has become narrower: back to base (§4.3, black hole).
// ICMP is not listened to: whoever forges it would decide (§4.6 makes it optional).
// A value: it sends nothing and has no clock.
#pragma once

#include <algorithm>
#include <cstdint>

namespace harness::layers {

class PathMtu {
 public:
  static constexpr std::uint32_t base_bytes = 1200;
  static constexpr std::uint32_t close_bytes = 16;
  static constexpr unsigned probes_max = 3;
  static constexpr unsigned black_hole_packets = 3;
  static constexpr std::uint64_t raise_ns = 600'000'000'000;

  /// `local_bytes`: the largest packet that the layer below takes.
  explicit PathMtu(std::uint32_t local_bytes) noexcept
      : local_bytes_(local_bytes), host_bytes_(local_bytes), bytes_(std::min(local_bytes, base_bytes)),
        above_bytes_(local_bytes + 1), candidate_bytes_(local_bytes) {}

  /// What may be sent now.
  [[nodiscard]] std::uint32_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] bool searching() const noexcept { return candidate_bytes_ > bytes_; }

  /// This host says that no packet of more than `bytes` can leave it now (§4.6.1: a hint to the search).
  void limit(std::uint32_t bytes) noexcept {
    host_bytes_ = std::min(local_bytes_, bytes);
    bytes_ = std::min(bytes_, host_bytes_);
    start_over();
  }
  /// The size of the probe to send now, or 0.
  [[nodiscard]] std::uint32_t wanted(std::uint64_t now_ns) noexcept {
    if (!searching() && raise_at_ns_ != 0 && now_ns >= raise_at_ns_) {
      raise_at_ns_ = 0;
      start_over();
    }
    return searching() && !probing_ ? candidate_bytes_ : 0;
  }
  void on_probe_sent() noexcept { probing_ = true; }
  void on_probe_unsent() noexcept { probing_ = false; }
  void on_probe_acked(std::uint32_t bytes, std::uint64_t now_ns) noexcept {
    probing_ = false;
    failed_ = 0;
    if (bytes > bytes_ && bytes < above_bytes_) bytes_ = bytes;
    choose(now_ns);
  }
  void on_probe_lost(std::uint32_t bytes, std::uint64_t now_ns) noexcept {
    probing_ = false;
    if (bytes != candidate_bytes_ || ++failed_ < probes_max) return;
    failed_ = 0;
    above_bytes_ = std::max(bytes, bytes_ + 1);
    choose(now_ns);
  }

  /// A packet was acknowledged; `number` orders packets by when they were sent.
  void on_acked(std::uint32_t bytes, std::uint64_t number) noexcept {
    if (bytes <= floor_bytes()) return;
    newest_large_ = std::max(newest_large_, number);
    vanished_ = 0;
  }
  /// A packet that was no probe is lost; true when that makes a black hole: bytes() has fallen.
  bool on_lost(std::uint32_t bytes, std::uint64_t number, std::uint64_t now_ns) noexcept {
    if (bytes <= floor_bytes() || bytes > bytes_ || number < newest_large_) return false;
    if (++vanished_ < black_hole_packets) return false;
    ++black_holes_;
    vanished_ = 0;
    above_bytes_ = bytes_;
    bytes_ = floor_bytes();
    choose(now_ns);
    return true;
  }
  [[nodiscard]] std::uint64_t black_holes() const noexcept { return black_holes_; }

 private:
  [[nodiscard]] std::uint32_t floor_bytes() const noexcept { return std::min(local_bytes_, base_bytes); }
  void start_over() noexcept {
    above_bytes_ = host_bytes_ + 1;
    candidate_bytes_ = host_bytes_;
    failed_ = 0;
  }
  void choose(std::uint64_t now_ns) noexcept {
    const std::uint32_t gap = above_bytes_ - 1 - bytes_;
    candidate_bytes_ = gap >= close_bytes ? bytes_ + (gap + 1) / 2 : bytes_;
    raise_at_ns_ = searching() || bytes_ == host_bytes_ ? 0 : now_ns + raise_ns;
  }

  std::uint32_t local_bytes_;
  std::uint32_t host_bytes_;  // what can leave this host
  std::uint32_t bytes_;
  std::uint32_t above_bytes_;      // does not pass
  std::uint32_t candidate_bytes_;  // what is probed; bytes_: nothing
  unsigned failed_ = 0;            // probes of the candidate
  unsigned vanished_ = 0;          // large packets in a row
  bool probing_ = false;
  std::uint64_t newest_large_ = 0;
  std::uint64_t raise_at_ns_ = 0;
  std::uint64_t black_holes_ = 0;
};

}  // namespace harness::layers
