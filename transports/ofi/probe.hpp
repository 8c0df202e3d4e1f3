// SPDX-License-Identifier: Apache-2.0
// Measures what a provider takes for frames that are sent, and for frames that are offered and read.
//
// The transport's endpoint sends to itself before it has a link: a second one would cost more than the
// measure (ofi_rxm touches 30 MB for each), and shm's times are the same. A frame takes the way it takes on a
// link: into a slot or an arena, over the provider, out of the transport's receive buffers or by a read into
// a slab of the pool; for an offer also the `taken` that answers it. The buffers must be the transport's: in
// small ones, which stay in the cache, eager looks cheaper than it is. A few frames go in a row, as in a
// stream. Rounds go over all sizes, each both ways, so that a disturbance hits all alike; the median counts.
// It cannot know the wire, nor the peer's processor: one thread works for both ends, and a card loops.
// Bounds: `connect_ns_max`, then `measure_ns_max`; `rounds` rounds, and fewer than `rounds_min` are no
// measure. What is under way when time is over may complete later: so long the probe must stay.
#pragma once

#include <array>
#include <memory>

#include <harness/transports/ofi/crossover.hpp>
#include <harness/transports/ofi/probe_end.hpp>

namespace harness::transports::ofi {

class Probe {
 public:
  static constexpr unsigned rounds = 5;
  static constexpr unsigned rounds_min = 3;
  static constexpr std::uint64_t connect_ns_max = 25'000'000;  // ofi_rxm looks for connections every 10 ms
  static constexpr std::uint64_t measure_ns_max = 10'000'000;
  static constexpr std::array<std::uint32_t, 6> sizes = {2048, 4096, 8192, 16384, 32768, eager_bytes_max};

  /// `buffers` are posted on the fabric's endpoint and take messages of `bytes_max`.
  Probe(Fabric& fabric, ReceiveBuffers& buffers, Pool& pool, std::uint32_t bytes_max);

  /// Measures the sizes up to that and to the policy's bound, and decides; any failure gives the table's
  /// figure. [stack-thread]
  Crossover run();
  /// Nothing of it is under way.
  [[nodiscard]] bool is_idle() const noexcept { return end_.is_idle(); }
  /// Takes the memory from the provider; it stays mapped.
  void retire() noexcept { end_.retire(); }

 private:
  using Times = std::array<std::uint64_t, rounds>;

  bool one_round(unsigned round);
  std::uint64_t in_a_row(std::uint32_t bytes, bool offered);
  [[nodiscard]] Crossover failed(const char* why) const noexcept;
  [[nodiscard]] Crossover decide(unsigned done);

  Fabric& fabric_;
  Pool& pool_;
  std::uint32_t bytes_max_;
  std::uint64_t deadline_ns_ = 0;
  ProbeEnd end_;
  std::array<Times, sizes.size()> eager_ns_{}, offered_ns_{};
};

}  // namespace harness::transports::ofi
