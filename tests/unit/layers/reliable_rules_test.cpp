// SPDX-License-Identifier: Apache-2.0
// The rules of RFC 9002, 8985 and 8899 that are pure: round trip, thresholds, reordering, search, pacing.
#include <gtest/gtest.h>

#include <harness/layers/reliable/pacer.hpp>
#include <harness/layers/reliable/path_mtu.hpp>
#include <harness/layers/reliable/reordering.hpp>
#include <harness/layers/reliable/rtt.hpp>

namespace harness::layers {
namespace {

constexpr std::uint64_t us = 1'000;
constexpr std::uint64_t ms = 1'000'000;
constexpr std::uint64_t second = 1'000'000'000;

TEST(Rfc9002, Section5_3TheFirstSampleIsTheEstimateAndHalfOfItTheVariation) {
  Rtt rtt;
  EXPECT_FALSE(rtt.measured());
  rtt.sample(800 * us, 100 * us, second);
  EXPECT_EQ(rtt.smoothed_ns(), 800 * us);
  EXPECT_EQ(rtt.variation_ns(), 400 * us);
  EXPECT_EQ(rtt.min_ns(), 800 * us);
}

TEST(Rfc9002, Section5_3LaterSamplesAreSmoothedLessTheAckDelay) {
  Rtt rtt;
  rtt.sample(800 * us, 0, second);
  rtt.sample(1'700 * us, 100 * us, second);
  EXPECT_EQ(rtt.latest_ns(), 1'700 * us);
  EXPECT_EQ(rtt.smoothed_ns(), (7 * 800 * us + 1'600 * us) / 8);
  EXPECT_EQ(rtt.variation_ns(), (3 * 400 * us + 800 * us) / 4);
}

TEST(Rfc9002, Section5_3TheAckDelayNeverTakesASampleBelowTheLeastRoundTrip) {
  Rtt rtt;
  rtt.sample(800 * us, 0, second);
  rtt.sample(850 * us, 400 * us, second);
  EXPECT_EQ(rtt.smoothed_ns(), (7 * 800 * us + 850 * us) / 8) << "the delay is not believed";
}

TEST(Rfc9002, Section5_3TheAckDelayCountsAtMostWhatIsExpectedOfAPeer) {
  Rtt rtt;
  rtt.sample(1 * ms, 0, second);
  rtt.sample(100 * ms, 90 * ms, second);
  EXPECT_EQ(rtt.smoothed_ns(), (7 * ms + 100 * ms - Rtt::ack_delay_max_ns) / 8);
}

TEST(Rfc9002, Section5_2TheLeastRoundTripIgnoresTheAckDelayAndIsForgottenInTime) {
  Rtt rtt;
  rtt.sample(500 * us, 300 * us, second);
  EXPECT_EQ(rtt.min_ns(), 500 * us);
  rtt.sample(3 * ms, 0, second + Rtt::min_window_ns);
  EXPECT_EQ(rtt.min_ns(), 500 * us) << "still in the window before";
  rtt.sample(3 * ms, 0, second + 2 * Rtt::min_window_ns + 1);
  rtt.sample(3 * ms, 0, second + 3 * Rtt::min_window_ns + 2);
  EXPECT_EQ(rtt.min_ns(), 3 * ms) << "the path became longer";
}

TEST(Rfc9002, Section6_1_2TheTimeThresholdIsNineEighthsAndNeverBelowTheGranularity) {
  Rtt rtt;
  rtt.sample(800 * us, 0, second);
  EXPECT_EQ(rtt.loss_delay_ns(0), 900 * us);
  EXPECT_EQ(rtt.loss_delay_ns(50 * us), 950 * us);
  rtt.sample(1'600 * us, 0, second);
  EXPECT_EQ(rtt.loss_delay_ns(0), 1'800 * us) << "the latest sample, when it is larger";
  Rtt fast;
  fast.sample(8 * us, 0, second);
  EXPECT_EQ(fast.loss_delay_ns(0), Rtt::granularity_ns);
}

TEST(Rfc9002, Section6_2_1TheProbeTimeoutAddsFourVariationsAndTheAckDelay) {
  Rtt rtt;
  EXPECT_EQ(rtt.probe_timeout_ns(), Rtt::initial_ns + 2 * Rtt::initial_ns + Rtt::ack_delay_max_ns)
      << "§6.2.2";
  rtt.sample(800 * us, 0, second);
  EXPECT_EQ(rtt.probe_timeout_ns(), 800 * us + 4 * 400 * us + Rtt::ack_delay_max_ns);
}

TEST(Rfc9002, Section7_6_1PersistentIsThreeProbeTimeouts) {
  Rtt rtt;
  rtt.sample(800 * us, 0, second);
  EXPECT_EQ(rtt.persistent_ns(), 3 * rtt.probe_timeout_ns());
}

TEST(Rfc8985, Section6_2APathThatReordersIsGivenAQuarterRoundTripMoreEachTime) {
  Rtt rtt;
  rtt.sample(800 * us, 0, second);
  Reordering reordering;
  EXPECT_EQ(reordering.threshold(), 3u);
  EXPECT_EQ(reordering.extra_ns(rtt), 0u);
  reordering.spurious(second, rtt);
  EXPECT_GT(reordering.threshold(), 1u << 30) << "from now on time alone decides";
  EXPECT_EQ(reordering.extra_ns(rtt), 200 * us);
  reordering.spurious(second + 100 * us, rtt);
  EXPECT_EQ(reordering.extra_ns(rtt), 200 * us) << "once a round trip";
  for (unsigned i = 1; i < 10; ++i) reordering.spurious(second + i * ms, rtt);
  EXPECT_EQ(reordering.extra_ns(rtt), 800 * us) << "at most a round trip";
}

TEST(Rfc8985, Section6_2TheWindowStartsOverAfterSixteenRecoveries) {
  Rtt rtt;
  rtt.sample(800 * us, 0, second);
  Reordering reordering;
  reordering.spurious(second, rtt);
  for (unsigned i = 0; i < Reordering::persist_recoveries - 1; ++i) reordering.recovery();
  EXPECT_NE(reordering.extra_ns(rtt), 0u);
  reordering.recovery();
  EXPECT_EQ(reordering.extra_ns(rtt), 0u);
  EXPECT_EQ(reordering.threshold(), 3u);
}

// Plays a path that carries `path_bytes` to the search until it rests.
std::uint32_t search(PathMtu& mtu, std::uint32_t path_bytes, unsigned* probes = nullptr) {
  for (unsigned i = 0; i < 200; ++i) {
    const std::uint32_t bytes = mtu.wanted(1);
    if (bytes == 0) break;
    if (probes != nullptr) ++*probes;
    mtu.on_probe_sent();
    EXPECT_EQ(mtu.wanted(1), 0u) << "one probe at a time";
    bytes <= path_bytes ? mtu.on_probe_acked(bytes, 1) : mtu.on_probe_lost(bytes, 1);
  }
  return mtu.bytes();
}

TEST(Rfc8899, Section5_1_2StartsAtTheBaseOrLess) {
  EXPECT_EQ(PathMtu(65'000).bytes(), 1200u);
  EXPECT_EQ(PathMtu(600).bytes(), 600u);
  PathMtu small(600);
  EXPECT_EQ(small.wanted(1), 0u);
}

TEST(Rfc8899, Section5_3TheFirstCandidateIsWhatCanLeaveThisHost) {
  PathMtu mtu(65'000);
  unsigned probes = 0;
  EXPECT_EQ(search(mtu, 65'000, &probes), 65'000u);
  EXPECT_EQ(probes, 1u);
  PathMtu limited(65'000);
  limited.limit(8'958);
  EXPECT_EQ(limited.wanted(1), 8'958u);
}

TEST(Rfc8899, Section5_3FindsAnyPathAndNeverExceedsIt) {
  for (std::uint32_t path = 1200; path < 9000; path += 37) {
    PathMtu mtu(9000);
    const std::uint32_t found = search(mtu, path);
    EXPECT_LE(found, path);
    EXPECT_GT(found + PathMtu::close_bytes, path);
  }
}

TEST(Rfc8899, Section5_1_2ThreeProbesAreLostBeforeASizeIsGivenUp) {
  PathMtu mtu(9000);
  for (unsigned i = 0; i < PathMtu::probes_max; ++i) {
    EXPECT_EQ(mtu.wanted(1), 9000u);
    mtu.on_probe_sent();
    mtu.on_probe_lost(9000, 1);
  }
  EXPECT_LT(mtu.wanted(1), 9000u);
}

TEST(Rfc8899, Section5_1_1TheRaiseTimerTriesAgain) {
  PathMtu mtu(9000);
  search(mtu, 1500);
  EXPECT_EQ(mtu.wanted(PathMtu::raise_ns - 1), 0u);
  EXPECT_EQ(mtu.wanted(PathMtu::raise_ns + 2), 9000u);
}

TEST(Rfc8899, Section4_3ABlackHoleIsLargePacketsThatVanishWhileNoneSentLaterArrives) {
  PathMtu mtu(9000);
  search(mtu, 9000);
  mtu.on_acked(9000, 50);
  EXPECT_FALSE(mtu.on_lost(9000, 40, 1)) << "sent before one that arrived: congestion";
  EXPECT_FALSE(mtu.on_lost(1000, 60, 1)) << "small ones say nothing";
  EXPECT_FALSE(mtu.on_lost(9000, 61, 1));
  mtu.on_acked(9000, 62);
  EXPECT_FALSE(mtu.on_lost(9000, 63, 1));
  EXPECT_FALSE(mtu.on_lost(9000, 64, 1));
  EXPECT_TRUE(mtu.on_lost(9000, 65, 1));
  EXPECT_EQ(mtu.bytes(), 1200u);
  EXPECT_EQ(mtu.black_holes(), 1u);
  EXPECT_LT(search(mtu, 4000), 4001u) << "and looks for what passes now";
}

TEST(Rfc9002, Section7_7ATrainIsBoundedByTheWindowAndTheRateHolds) {
  Pacer pacer;
  pacer.set(100'000'000, 40'000, 1200, second);  // 100 MB/s, a train of 10 kB
  std::uint64_t sent = 0;
  std::uint64_t most = 0;
  for (std::uint64_t now = second; now < 2 * second; now += 50 * us) {
    std::uint64_t burst = 0;
    for (; pacer.ready_bytes(now) != 0; burst += 1200) pacer.spend(1200);
    most = now == second ? 0 : std::max(most, burst);
    sent += burst;
  }
  EXPECT_NEAR(static_cast<double>(sent), 100e6, 1e6);
  EXPECT_LE(most, 10'000u + 1200u);
}

TEST(Rfc9002, Section7_7WithoutAPaceNothingWaits) {
  Pacer pacer;
  pacer.set(0, 1 << 20, 1200, second);
  pacer.spend(1u << 30);
  EXPECT_GT(pacer.ready_bytes(second), 1u << 30);
}

}  // namespace
}  // namespace harness::layers
