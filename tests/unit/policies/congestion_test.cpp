// SPDX-License-Identifier: Apache-2.0
// Congestion control as RFC 9438 and RFC 9002 §7 describe it, played to the policies as histories.
#include <cmath>

#include <gtest/gtest.h>

#include <harness/policies/congestion/congestion.hpp>

namespace harness::congestion {
namespace {

constexpr std::uint32_t packet = 1000;
constexpr std::uint64_t ms = 1'000'000;
constexpr std::uint64_t no_limit = std::uint64_t{1} << 40;

// A path of a fixed round trip: acknowledges a window of packets each round and loses every n-th.
struct Path {
  Cubic cubic{no_limit, packet};
  std::uint64_t now_ns = 1'000 * ms;
  std::uint64_t rtt_ns = 100 * ms;
  std::uint64_t min_rtt_ns = 0;

  void round(bool limited = true) {
    const auto packets = static_cast<unsigned>(cubic.packets());
    const std::uint64_t sent_ns = now_ns;
    for (unsigned i = 0; i < packets; ++i)
      cubic.on_ack(
          {now_ns + rtt_ns + i * rtt_ns / (packets + 1), packet, sent_ns + 1, rtt_ns, limited, min_rtt_ns});
    now_ns += rtt_ns;
  }
  void lose() { cubic.on_loss({now_ns, now_ns, 0}); }
  // To congestion avoidance at a window of `packets`.
  void reach(double packets) {
    while (cubic.packets() < packets) round();
    lose();
    now_ns += rtt_ns;
  }
};

TEST(Rfc9002, Section7_2TheInitialWindowIsTenPackets) {
  EXPECT_DOUBLE_EQ(Cubic(no_limit, packet).packets(), 10);
  EXPECT_DOUBLE_EQ(Cubic(no_limit, 9000).packets(), 2) << "or 14720 bytes, or two packets";
}

TEST(Rfc9002, Section7_3_1SlowStartAddsWhatIsAcknowledged) {
  Path path;
  path.round();
  EXPECT_DOUBLE_EQ(path.cubic.packets(), 20);
  path.round();
  EXPECT_DOUBLE_EQ(path.cubic.packets(), 40);
}

TEST(Rfc9002, Section7_3_2OneLossARoundTripCounts) {
  Path path;
  path.round();
  const double before = path.cubic.packets();
  path.cubic.on_loss({path.now_ns, path.now_ns - 1, 0});
  path.cubic.on_loss({path.now_ns + 1, path.now_ns, 0});
  EXPECT_DOUBLE_EQ(path.cubic.packets(), before * Cubic::beta);
  path.cubic.on_loss({path.now_ns + 2 * path.rtt_ns, path.now_ns + 1, 0});
  EXPECT_DOUBLE_EQ(path.cubic.packets(), before * Cubic::beta * Cubic::beta);
}

TEST(Rfc9002, Section7_3_2NothingGrowsInRecovery) {
  Path path;
  path.round();
  path.lose();
  const double before = path.cubic.packets();
  path.cubic.on_ack({path.now_ns + 1, 5 * packet, path.now_ns - 1, path.rtt_ns, true});
  EXPECT_DOUBLE_EQ(path.cubic.packets(), before);
}

TEST(Rfc9002, Section7_6_2PersistentCongestionLeavesTwoPackets) {
  Path path;
  path.reach(100);
  path.cubic.on_persistent(path.now_ns);
  EXPECT_DOUBLE_EQ(path.cubic.packets(), 2);
  EXPECT_TRUE(path.cubic.slow_start()) << "up to the threshold of the loss before";
}

TEST(Rfc9002, Section7_8AnApplicationThatIsTheLimitGrowsNothing) {
  Path path;
  path.round(false);
  EXPECT_DOUBLE_EQ(path.cubic.packets(), 10);
}

TEST(Congestion, CubicIsContentWithAnAmpleWindowThatHasMadeAQueueOfThreeRoundTrips) {
  const auto grown = [](std::uint64_t min_rtt_ns, double from_bytes) {
    Path path;
    while (path.cubic.packets() * packet < from_bytes) path.round();
    path.min_rtt_ns = min_rtt_ns;
    const double before = path.cubic.packets();
    path.round();
    return path.cubic.packets() > before;
  };
  EXPECT_FALSE(grown(24 * ms, Cubic::ample_bytes));
  EXPECT_TRUE(grown(25 * ms, Cubic::ample_bytes)) << "a queue of three round trips, not more";
  EXPECT_TRUE(grown(1 * ms, Cubic::ample_bytes / 4)) << "a small window fills the path first";
  EXPECT_TRUE(grown(0, Cubic::ample_bytes)) << "no round trip was measured";
}

TEST(Congestion, CubicKeepsAnAmpleWindowThatIsAlreadyThere) {
  Path path;
  while (path.cubic.packets() * packet < 8 * Cubic::ample_bytes) path.round();
  const double before = path.cubic.packets();
  path.min_rtt_ns = 1 * ms;
  for (int i = 0; i < 10; ++i) path.round();
  EXPECT_DOUBLE_EQ(path.cubic.packets(), before);
}

TEST(Rfc9438, Section4_6ALossLeavesSeventyPercent) {
  Path path;
  path.round();
  const double before = path.cubic.packets();
  path.lose();
  EXPECT_NEAR(path.cubic.packets(), 0.7 * before, 1e-9);
  EXPECT_FALSE(path.cubic.slow_start());
}

TEST(Rfc9438, Section4_2TheWindowIsBackAtItsMaximumAfterK) {
  Path path;
  path.rtt_ns = 200 * ms;  // long enough to be in the cubic region
  while (path.cubic.packets() < 5000) path.round();
  const double most = path.cubic.packets();
  path.lose();
  path.now_ns += path.rtt_ns;
  const double k_s = std::cbrt(most * (1 - Cubic::beta) / Cubic::c);
  const std::uint64_t begin_ns = path.now_ns;
  std::uint64_t back_ns = 0;
  double half_way = 0;
  for (int i = 0; i < 1000 && back_ns == 0; ++i) {
    path.round();
    if (half_way == 0 && static_cast<double>(path.now_ns - begin_ns) * 1e-9 > k_s / 2)
      half_way = path.cubic.packets();
    if (path.cubic.packets() >= 0.9999 * most) back_ns = path.now_ns;
  }
  EXPECT_NEAR(static_cast<double>(back_ns - begin_ns) * 1e-9, k_s, 0.15 * k_s);
  EXPECT_NEAR(half_way, most - (1 - Cubic::beta) * most / 8, 0.03 * most)
      << "concave: 7/8 of the way in half the time";
}

TEST(Rfc9438, Section4_3FollowsRenoWhereThatIsFaster) {
  Path path;
  path.rtt_ns = 1 * ms;  // short: C t^3 is nothing
  path.reach(40);
  const double begin = path.cubic.packets();
  for (int i = 0; i < 10; ++i) path.round();
  const double reno_step = 3 * (1 - Cubic::beta) / (1 + Cubic::beta);
  EXPECT_NEAR(path.cubic.packets() - begin, 10 * reno_step, 1.0);
}

TEST(Rfc9438, Section4_3AboveTheWindowOfTheLastLossItGrowsOnePacketARound) {
  Path path;
  path.rtt_ns = 1 * ms;
  path.reach(20);
  while (path.cubic.packets() < 25) path.round();
  const double begin = path.cubic.packets();
  for (int i = 0; i < 10; ++i) path.round();
  EXPECT_NEAR(path.cubic.packets() - begin, 10, 1.5);
}

TEST(Rfc9438, Section4_4ARoundTripAddsAtMostHalfAsMuchAgain) {
  Path path;
  path.rtt_ns = 10'000 * ms;
  path.reach(100);
  for (int i = 0; i < 5; ++i) {
    const double before = path.cubic.packets();
    path.round();
    EXPECT_LE(path.cubic.packets(), 1.65 * before);  // each acknowledgement sees the window already grown
  }
}

TEST(Rfc9438, Section4_7FastConvergenceGivesWayBelowTheLastMaximum) {
  Path one;
  one.rtt_ns = 200 * ms;
  while (one.cubic.packets() < 1000) one.round();
  one.lose();
  one.now_ns += one.rtt_ns;
  one.round();
  one.lose();  // far below the last maximum: W_max becomes 0.85 of the window, not the window
  one.now_ns += one.rtt_ns;
  const double before = one.cubic.packets() / Cubic::beta;
  for (int i = 0; i < 400 && one.cubic.packets() < 0.85 * before; ++i) one.round();
  const double plateau = one.cubic.packets();
  one.round();
  EXPECT_LT(one.cubic.packets() - plateau, 0.02 * plateau) << "flat at 0.85 of it";
}

TEST(Rfc9438, Section5_8APauseIsNoTimeOfTheEpoch) {
  Path path;
  path.rtt_ns = 200 * ms;
  while (path.cubic.packets() < 500) path.round();
  path.lose();
  path.now_ns += path.rtt_ns;
  path.round();
  const double before = path.cubic.packets();
  path.round(false);
  path.now_ns += 60'000 * ms;
  path.cubic.on_sent({path.now_ns});
  path.round();
  EXPECT_LT(path.cubic.packets(), 1.1 * before) << "a minute without sending is not a minute of growth";
}

// §5.1: the average window of cubic at loss rate p is (C (3 + beta) / (4 (1 - beta)))^(1/4) RTT^(3/4) /
// p^(3/4).
TEST(Rfc9438, Section5_1TheAverageWindowFollowsTheResponseFunction) {
  for (const double p : {1e-4, 1e-5}) {
    for (const std::uint64_t rtt_ns : {100 * ms, 200 * ms}) {
      Path path;
      path.rtt_ns = rtt_ns;
      double windows = 0;
      double until_loss = 1 / p;
      unsigned losses = 0;
      unsigned rounds = 0;
      while (losses < 60) {
        const double window = path.cubic.packets();
        path.round();
        if (losses >= 20) windows += window, ++rounds;
        if ((until_loss -= window) > 0) continue;
        until_loss += 1 / p;
        path.lose();
        ++losses;
      }
      const double rtt_s = static_cast<double>(rtt_ns) * 1e-9;
      const double expected =
          std::pow(Cubic::c * (3 + Cubic::beta) / (4 * (1 - Cubic::beta)), 0.25) * std::pow(rtt_s / p, 0.75);
      EXPECT_NEAR(windows / rounds, expected, 0.1 * expected) << "p " << p << " rtt " << rtt_s;
    }
  }
}

TEST(Congestion, StaticAnswersTheSameWhateverHappens) {
  Controller controller(Kind::fixed, 1 << 20, packet);
  controller.on_ack({.now_ns = 1, .bytes = packet, .sent_ns = 1, .smoothed_rtt_ns = ms, .limited = true});
  controller.on_loss({2, 1, 0});
  controller.on_ecn({3, 2, 0});
  controller.on_persistent(4);
  EXPECT_EQ(controller.window(ms, packet).window_bytes, 1u << 20);
  EXPECT_EQ(controller.window(ms, packet).bytes_per_s, 0u);
}

TEST(Congestion, AMarkIsAnsweredLikeALoss) {
  Controller controller(Kind::cubic, no_limit, packet);
  const std::uint64_t before = controller.window(ms, packet).window_bytes;
  controller.on_ecn({.now_ns = 10 * ms, .sent_ns = 9 * ms, .in_flight_bytes = 0});
  EXPECT_EQ(controller.window(ms, packet).window_bytes, before * 7 / 10);
}

TEST(Congestion, CubicPacesALittleFasterThanItsWindow) {
  Controller controller(Kind::cubic, no_limit, packet);
  controller.on_loss({.now_ns = 10 * ms, .sent_ns = 9 * ms, .in_flight_bytes = 0});
  const Window window = controller.window(10 * ms, packet);
  EXPECT_NEAR(static_cast<double>(window.bytes_per_s), 1.25 * static_cast<double>(window.window_bytes) * 100,
              100);
}

}  // namespace
}  // namespace harness::congestion
