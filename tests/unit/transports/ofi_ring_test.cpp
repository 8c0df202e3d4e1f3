// SPDX-License-Identifier: Apache-2.0
// Room for large frames: taken as in a ring, given back in any order.
#include <algorithm>

#include <gtest/gtest.h>

#include <harness/transports/ofi/ring.hpp>

namespace harness::transports::ofi {
namespace {

TEST(OfiRing, GivesBlocksOneBehindTheOtherAndNoneBeyondItsBytes) {
  Ring ring(256);
  EXPECT_EQ(ring.offset(static_cast<unsigned>(ring.take(1))), 0u);
  EXPECT_EQ(ring.offset(static_cast<unsigned>(ring.take(65))), 64u);
  EXPECT_EQ(ring.offset(static_cast<unsigned>(ring.take(64))), 192u);
  EXPECT_EQ(ring.take(1), Ring::none);
}

TEST(OfiRing, ABlockThatStaysOutKeepsWhatWasTakenAfterIt) {
  Ring ring(256);
  const int first = ring.take(64), second = ring.take(64);
  ring.give(static_cast<unsigned>(second));
  EXPECT_EQ(ring.take(192), Ring::none);
  ring.give(static_cast<unsigned>(first));
  EXPECT_NE(ring.take(128), Ring::none);
}

TEST(OfiRing, NeverSplitsABlockAtItsEnd) {
  Ring ring(256);
  const int first = ring.take(192);
  ring.give(static_cast<unsigned>(first));
  EXPECT_EQ(ring.offset(static_cast<unsigned>(ring.take(128))), 0u);
}

// A ring that is little used stays at its beginning; what is out is never given a second time.
TEST(OfiRing, GoesBackToItsBeginningWhereThreeTimesAsMuchIsFreeThere) {
  Ring ring(64 * 32);
  int last = ring.take(64);
  std::uint64_t farthest = 0;
  for (int i = 0; i < 100; ++i) {
    const int next = ring.take(64);
    ASSERT_NE(next, Ring::none);
    ASSERT_NE(ring.offset(static_cast<unsigned>(next)), ring.offset(static_cast<unsigned>(last)));
    farthest = std::max(farthest, ring.offset(static_cast<unsigned>(next)));
    ring.give(static_cast<unsigned>(last));
    last = next;
  }
  EXPECT_LE(farthest, 64u * 5);
}

TEST(OfiRing, HasNoMoreBlocksThanItsTable) {
  Ring ring(64 * (Ring::blocks_max + 1));
  for (unsigned i = 0; i < Ring::blocks_max; ++i) ASSERT_NE(ring.take(1), Ring::none);
  EXPECT_EQ(ring.take(1), Ring::none);
}

TEST(OfiRing, FindsABlockByWhereItBegins) {
  Ring ring(256);
  const int first = ring.take(64), second = ring.take(64);
  EXPECT_EQ(ring.at(64), second);
  ring.give(static_cast<unsigned>(second));
  EXPECT_EQ(ring.at(64), Ring::none);
  EXPECT_EQ(ring.at(0), first);
}

}  // namespace
}  // namespace harness::transports::ofi
