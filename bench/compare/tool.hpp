// SPDX-License-Identifier: Apache-2.0
// Peers that are programs of their own: one file each. A tool names its settings; each is tried at each point
// of a sweep, and the best is the one we run against. A run takes about half a second, most of it its start:
// it cannot be cut into slices.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace harness::bench {

enum class Measure : std::uint8_t { one_way, flood };

/// What is measured: messages of a size, one at a time or as fast as they are taken.
struct Point {
  Measure what;
  std::uint32_t bytes;
};

class Tool {
 public:
  virtual ~Tool() = default;
  [[nodiscard]] virtual std::string name() const = 0;
  /// What to install when it is not there; empty when it is.
  [[nodiscard]] virtual std::string missing() const = 0;
  /// The settings to try, as a person would type them; none when the tool has no such test.
  [[nodiscard]] virtual std::vector<std::string> settings(const Point& point) const = 0;
  /// ns one way, or ns a message, over so many repetitions; NaN when it failed.
  virtual double ns(const Point& point, const std::string& setting, std::uint64_t repetitions) = 0;
};

/// The repetitions of a first run: a moment over shared memory, some 50 ms where a message takes 10 µs.
std::uint64_t first_repetitions(const Point& point) noexcept;
/// As many as fill a quarter of a second, by what a first run found; those of the first where it failed.
std::uint64_t repetitions(const Point& point, double found_ns) noexcept;

/// ucx_perftest with these transports: tag_lat, tag_bw.
std::unique_ptr<Tool> ucx(bool shared_memory);
/// fi_pingpong; it has no flood.
std::unique_ptr<Tool> libfabric(bool shared_memory);
/// A ping-pong and a flood of ours over Open MPI or MPICH (bench/mpi).
std::unique_ptr<Tool> open_mpi(bool shared_memory);
std::unique_ptr<Tool> mpich(bool shared_memory);
/// iperf3 over loopback: floods of messages of 1 KiB and more.
std::unique_ptr<Tool> iperf3();

}  // namespace harness::bench
