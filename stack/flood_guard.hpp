// SPDX-License-Identifier: Apache-2.0
// How much strangers may cost: whether a node is under load, and how often one source may begin a handshake.
//
// A level rises by one with each first frame and falls by `frames_s` a second; above `frames_burst` the node
// is under load, and stays so for `calm_ns`. Under load a first frame must show a cookie, so that whoever
// sends it hears answers at its address, and each source (a host; of IPv6 its /64) has a bucket of
// handshakes: `source_burst`, filled by `source_s` a second. Not under load nobody is asked for anything.
// A table of buckets forgets the fullest in its row; who comes anew has a full bucket, so that a crowd of
// addresses displaces nobody who is honest. Rejected: a bucket for all together (the
// attacker would drain it), buckets without cookies (an address is easily forged).
// Bounds: rows_max rows of ways_max sources, taken when the first load comes. Sources: WireGuard
// (Donenfeld, NDSS 2017 §5.3, §5.4), RFC 6013, RFC 9000 §8.1.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace harness {

class FloodGuard {
 public:
  static constexpr std::uint32_t frames_s = 400;
  static constexpr std::uint32_t frames_burst = 200;
  static constexpr std::uint64_t calm_ns = 1'000'000'000;
  static constexpr std::uint32_t source_s = 50;
  static constexpr std::uint32_t source_burst = 100;
  static constexpr std::size_t rows_max = 256;
  static constexpr std::size_t ways_max = 4;

  /// A first frame came.
  void note(std::uint64_t now_ns) noexcept;
  /// Cookies are asked for from now on: too many places are taken.
  void alarm(std::uint64_t now_ns) noexcept { loaded_until_ns_ = now_ns + calm_ns; }
  [[nodiscard]] bool under_load(std::uint64_t now_ns) const noexcept { return now_ns < loaded_until_ns_; }
  /// Whether the source may begin another handshake now, which is counted. `source`: a keyed hash of it.
  bool admits(std::uint64_t source, std::uint64_t now_ns);

  /// The part of an endpoint's address that one sender cannot easily change: "udp:10.0.0.2:7001" →
  /// "udp:10.0.0.2", "tcp:[2001:db8:1:2:3::4]:7001" → "tcp:[2001:db8:1:2". [any-thread]
  static std::string_view source_of(std::string_view address) noexcept;

 private:
  struct Bucket {
    std::uint64_t source = 0;
    std::uint64_t empty_ns = 0;  // when it held nothing: what has flowed in since is time
  };
  std::uint64_t level_ns_ = 0;  // when the level is back at 0
  std::uint64_t loaded_until_ns_ = 0;
  std::vector<Bucket> buckets_;
};

}  // namespace harness
