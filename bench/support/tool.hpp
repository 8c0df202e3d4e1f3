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

/// Of messages: one at a time, as fast as they are taken. Of one-sided operations: puts that the other side
/// waits for in its memory, and answers by one; puts until they are delivered; puts as fast as they are
/// taken, until all are delivered; reads, additions of 64 bits with their former value, one at a time;
/// additions as fast as they are taken.
enum class Measure : std::uint8_t { one_way, flood, put, delivered, put_flood, get, fetch_add, add_flood };
constexpr bool is_flood(Measure what) noexcept {
  return what == Measure::flood || what == Measure::put_flood || what == Measure::add_flood;
}
/// As the drivers of ours are told it: "put_flood".
const char* word_of(Measure what) noexcept;

/// What is measured, and of how many bytes.
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

/// A setting that was tried, and what it took; an empty one: each has failed.
struct Tried {
  std::string setting;
  double ns;
};
/// The fastest of a tool's settings at this point; briefly the first, untried. Requires: it has settings.
Tried best_setting(Tool& tool, const Point& point, bool briefly);
/// The repetitions of a first run: a moment over shared memory, some 50 ms where a message takes 10 µs.
std::uint64_t first_repetitions(const Point& point) noexcept;
/// As many as fill a quarter of a second, by what a first run found; those of the first where it failed.
std::uint64_t repetitions(const Point& point, double found_ns) noexcept;
/// The path of a program that was built beside this one.
std::string beside_us(const std::string& name);

/// ucx_perftest with these transports: tag_lat, tag_bw, and the ucp_ tests of what is one-sided.
std::unique_ptr<Tool> ucx(bool shared_memory);
/// fi_pingpong; it has neither a flood nor anything one-sided.
std::unique_ptr<Tool> libfabric(bool shared_memory);
/// libfabric by a driver of ours (bench/fabric), over one of its providers.
std::unique_ptr<Tool> raw_libfabric(const std::string& provider);
/// OpenSHMEM, Open MPI's, by a driver of ours (bench/shmem); it has no messages.
std::unique_ptr<Tool> open_shmem(bool shared_memory);
/// Drivers of ours over Open MPI or MPICH (bench/mpi).
std::unique_ptr<Tool> open_mpi(bool shared_memory);
/// What is one-sided by Open MPI over one of libfabric's providers.
std::unique_ptr<Tool> open_mpi_over(const std::string& provider);
std::unique_ptr<Tool> mpich(bool shared_memory);
/// iperf3 over loopback: floods of messages of 1 KiB and more.
std::unique_ptr<Tool> iperf3();

}  // namespace harness::bench
