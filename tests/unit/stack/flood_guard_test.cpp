// SPDX-License-Identifier: Apache-2.0
// When a node is under load, and what each source may begin then.
#include <harness/stack/flood_guard.hpp>

#include <gtest/gtest.h>

namespace harness {
namespace {

constexpr std::uint64_t second = 1'000'000'000;

TEST(FloodGuard, IsUnderLoadWhenFramesComeFasterThanTheyFlowOffAndCalmASecondLater) {
  FloodGuard guard;
  std::uint64_t now = 0;
  for (unsigned i = 0; i < 10 * FloodGuard::frames_s; ++i) guard.note(now += second / FloodGuard::frames_s);
  EXPECT_FALSE(guard.under_load(now)) << "as many as flow off load nobody";
  for (unsigned i = 0; i < FloodGuard::frames_burst; ++i) guard.note(now);
  EXPECT_TRUE(guard.under_load(now));
  EXPECT_TRUE(guard.under_load(now + FloodGuard::calm_ns - 1));
  EXPECT_FALSE(guard.under_load(now + FloodGuard::calm_ns));
}

TEST(FloodGuard, AGreatFloodIsForgottenAsFastAsASmallOne) {
  FloodGuard guard;
  for (unsigned i = 0; i < 1'000'000; ++i) guard.note(0);
  const std::uint64_t later = 2 * FloodGuard::calm_ns;
  guard.note(later);
  EXPECT_FALSE(guard.under_load(later));
}

TEST(FloodGuard, ASourceHasABurstAndThenItsRateAndTakesNothingFromOthers) {
  FloodGuard guard;
  std::uint64_t now = 5 * second;
  for (unsigned i = 0; i < FloodGuard::source_burst; ++i) ASSERT_TRUE(guard.admits(7, now)) << i;
  EXPECT_FALSE(guard.admits(7, now));
  EXPECT_TRUE(guard.admits(8, now));
  unsigned admitted = 0;
  for (unsigned i = 0; i < 1000; ++i) admitted += guard.admits(7, now += second / 1000) ? 1u : 0u;
  EXPECT_EQ(admitted, FloodGuard::source_s);
  now += 1000 * second;
  for (unsigned i = 0; i < FloodGuard::source_burst; ++i) ASSERT_TRUE(guard.admits(7, now)) << i;
  EXPECT_FALSE(guard.admits(7, now)) << "a bucket is full at its burst, however long it stood";
}

TEST(FloodGuard, TheFirstBucketIsFullAtTheBeginningOfTime) {
  FloodGuard guard;
  for (unsigned i = 0; i < FloodGuard::source_burst; ++i) ASSERT_TRUE(guard.admits(7, 0)) << i;
  EXPECT_FALSE(guard.admits(7, 0));
}

TEST(FloodGuard, ACrowdOfSourcesKeepsNobodyOutAndLetsNoOffenderOff) {
  FloodGuard guard;
  while (guard.admits(7, 0)) {
  }
  ASSERT_TRUE(guard.admits(8, 0));
  for (std::uint64_t crowd = 0; crowd < 100'000; ++crowd) (void)guard.admits(crowd * 2654435761u, 1);
  for (unsigned i = 1; i < FloodGuard::source_burst; ++i) ASSERT_TRUE(guard.admits(8, 2)) << i;
  EXPECT_FALSE(guard.admits(7, 2)) << "whose bucket is emptiest stays longest";
}

TEST(FloodGuard, ASourceIsAHostAndOfIPv6ASlash64) {
  EXPECT_EQ(FloodGuard::source_of("udp:10.0.0.2:7001"), "udp:10.0.0.2");
  EXPECT_EQ(FloodGuard::source_of("tcp:[2001:db8:1:2:3::4]:7001"), "tcp:[2001:db8:1:2");
  EXPECT_EQ(FloodGuard::source_of("tcp:[2001:db8:1:2:5:6:7:8]:80"), "tcp:[2001:db8:1:2");
  EXPECT_EQ(FloodGuard::source_of("tcp:[2001:db8::5]:7001"), FloodGuard::source_of("tcp:[2001:db8::6]:7001"));
  EXPECT_EQ(FloodGuard::source_of("tcp:[::1]:7001"), FloodGuard::source_of("tcp:[::1]:7002"));
  EXPECT_NE(FloodGuard::source_of("tcp:[fe80::1]:1"), FloodGuard::source_of("tcp:[fd00::1]:1"));
  EXPECT_EQ(FloodGuard::source_of("loop"), "loop");
  EXPECT_EQ(FloodGuard::source_of(""), "");
}

}  // namespace
}  // namespace harness
