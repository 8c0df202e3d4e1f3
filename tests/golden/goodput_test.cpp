// SPDX-License-Identifier: Apache-2.0
// The golden table: goodput of reliable at 1 Gbit/s by loss, round trip and controller, the same on every run.
//
// HARNESS_WRITE_GOLDEN=1 ctest --preset dev -R Golden writes tests/golden/goodput.txt anew; without it the
// test compares. A commit that changes a row says why.
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <harness/layers/reliable.hpp>
#include <harness/tests/golden/transfer.hpp>

namespace harness::tests {
namespace {

constexpr std::uint64_t us = 1'000;
constexpr std::uint64_t ms = 1'000'000;
constexpr std::uint64_t volume_bytes = 16 << 20;
constexpr std::array<std::uint32_t, 6> losses_ppm{0, 1'000, 10'000, 30'000, 50'000, 100'000};
constexpr std::array<std::uint64_t, 4> rtts_ns{100 * us, 1 * ms, 10 * ms, 100 * ms};

// The router's queue is one round trip's worth. A fixed window is made for the path: half the queue.
Course course_of(std::string_view controller, std::uint32_t loss_ppm, std::uint64_t rtt_ns) {
  Course course{.rtt_ns = rtt_ns, .loss_ppm = loss_ppm};
  course.queue_bytes = std::max<std::uint64_t>(path_bytes(rtt_ns), 150'000);
  course.options = fmt::format("cc={}", controller);
  if (controller == "static")
    course.options += fmt::format(", window={}", path_bytes(rtt_ns) + course.queue_bytes / 2);
  return course;
}

std::string table() {
  std::string text =
      fmt::format("goodput in Mbit/s of {} MiB at 1000 Mbit/s, packets of 1500 bytes\n{:<8} {:>7}",
                  volume_bytes >> 20, "cc", "loss");
  for (const std::uint64_t rtt_ns : rtts_ns)
    text += fmt::format(" {:>9}", fmt::format("{} ms", static_cast<double>(rtt_ns) / 1e6));
  text += "\n";
  for (const std::string_view controller : {"static", "cubic"})
    for (const std::uint32_t loss_ppm : losses_ppm) {
      text += fmt::format("{:<8} {:>6}%", controller, loss_ppm / 10'000.0);
      for (const std::uint64_t rtt_ns : rtts_ns) {
        const Figures figures = transfer(course_of(controller, loss_ppm, rtt_ns), volume_bytes);
        text += figures.complete
                    ? fmt::format(" {:>9.2f}", static_cast<double>(figures.goodput_bytes_per_s) * 8e-6)
                    : fmt::format(" {:>9}", "never");
      }
      text += "\n";
    }
  return text;
}

TEST(Golden, GoodputByLossAndRoundTripIsWhatTheTableSays) {
  const std::string path = std::string(HARNESS_SOURCE_DIR) + "/tests/golden/goodput.txt";
  const std::string now = table();
  if (std::getenv("HARNESS_WRITE_GOLDEN") != nullptr) std::ofstream(path) << now;
  std::ifstream file(path);
  std::stringstream committed;
  committed << file.rdbuf();
  EXPECT_EQ(committed.str(), now) << "HARNESS_WRITE_GOLDEN=1 writes it; say in the commit why it changed";
  EXPECT_EQ(now.find("never"), std::string::npos);
}

TEST(Golden, StaticKeepsFourFifthsOfItsGoodputAtOnePercentLoss) {
  for (const std::uint64_t rtt_ns : rtts_ns) {
    const std::uint64_t bytes = std::max<std::uint64_t>(volume_bytes, 8 * path_bytes(rtt_ns));
    const Figures clean = transfer(course_of("static", 0, rtt_ns), bytes);
    const Figures lossy = transfer(course_of("static", 10'000, rtt_ns), bytes);
    EXPECT_GE(lossy.goodput_bytes_per_s * 10, clean.goodput_bytes_per_s * 8) << rtt_ns / us << " µs";
    EXPECT_LT(lossy.retransmitted_packets, 2 * lossy.lost_packets + 50)
        << "nothing is sent again for nothing";
  }
}

TEST(Golden, StaticAtHalfLoadAndOnePercentLossHasItsP99WithinThreeRoundTrips) {
  for (const std::uint64_t rtt_ns : rtts_ns) {
    const auto all = latencies_ns(course_of("static", 10'000, rtt_ns), 20'000, 1200, 1200 * 16);
    ASSERT_EQ(all.size(), 20'000u);
    EXPECT_LE(all[all.size() * 99 / 100], 3 * rtt_ns) << rtt_ns / us << " µs";
  }
}

// RFC 9438 §5.1, figure 2: the average window at a loss of one packet in n, where cubic is faster than Reno.
TEST(Golden, CubicIsWithinATenthOfItsResponseFunction) {
  constexpr std::uint64_t n = 10'000;
  constexpr std::uint64_t bytes = 1400;  // the first 25 losses bring slow start's overshoot down
  Course course{.rtt_ns = 100 * ms, .lose_every = n};
  course.options = "cc=cubic";
  const Figures figures = transfer(course, 15 * n * bytes, 25 * n * bytes);
  const double window =
      static_cast<double>(figures.goodput_bytes_per_s) * 0.1 / static_cast<double>(figures.mtu_bytes - 12);
  const double expected = std::pow(0.4 * 3.7 / 1.2, 0.25) * std::pow(0.1 * n, 0.75);
  EXPECT_NEAR(window, expected, 0.1 * expected);
}

}  // namespace
}  // namespace harness::tests
