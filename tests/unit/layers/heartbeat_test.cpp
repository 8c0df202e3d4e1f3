// SPDX-License-Identifier: Apache-2.0
// heartbeat: signs of life, silence, and what is no silence.
#include <gtest/gtest.h>

#include <harness/layers/heartbeat.hpp>
#include <harness/tests/support/pair.hpp>

namespace harness::layers {
namespace {

using tests::layer;
using tests::Pair;

constexpr std::uint64_t second = 1'000'000'000;

TEST(Heartbeat, SendsOneSignAnIntervalOnAnIdleLink) {
  Pair pair({layer<Heartbeat>()});
  pair.advance(60 * second);
  for (unsigned end : {0u, 1u}) {
    EXPECT_GE(pair.ends[end].value("heartbeat", "sent_signs"), 59u);
    EXPECT_LE(pair.ends[end].value("heartbeat", "sent_signs"), 61u);
    EXPECT_EQ(pair.ends[end].count(EventKind::peer_lost), 0u);
  }
  EXPECT_TRUE(pair.ends[1].delivered.empty());
}

TEST(Heartbeat, SendsNoSignWhileMessagesFlow) {
  Pair pair({layer<Heartbeat>()});
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(pair.ends[0].send("x"), Errc::ok);
    pair.advance(second / 2);
  }
  EXPECT_LE(pair.ends[0].value("heartbeat", "sent_signs"), 1u);
  EXPECT_EQ(pair.ends[1].delivered.size(), 100u);
  EXPECT_EQ(pair.ends[1].count(EventKind::peer_lost), 0u);
}

TEST(Heartbeat, ReportsASilentPeerOnceWithinItsPromise) {
  Pair pair({layer<Heartbeat>()});
  pair.advance(10 * second);
  pair.wires[0].stuck = true;
  pair.advance(2 * second);
  EXPECT_EQ(pair.ends[1].count(EventKind::peer_lost), 0u);
  pair.advance(2 * second + second / 100);
  ASSERT_EQ(pair.ends[1].count(EventKind::peer_lost), 1u);
  EXPECT_EQ(pair.ends[1].events.back().second, Errc::timed_out);
  pair.advance(100 * second);
  EXPECT_EQ(pair.ends[1].count(EventKind::peer_lost), 1u);
}

TEST(Heartbeat, FollowsItsOptions) {
  Pair pair({layer<Heartbeat>({{Heartbeat::interval, 10'000}, {Heartbeat::missed, 5}})});
  pair.advance(second);
  EXPECT_GE(pair.ends[0].value("heartbeat", "sent_signs"), 98u);
  pair.wires[0].stuck = true;
  pair.advance(second * 39 / 1000);
  EXPECT_EQ(pair.ends[1].count(EventKind::peer_lost), 0u);
  pair.advance(second * 22 / 1000);
  EXPECT_EQ(pair.ends[1].count(EventKind::peer_lost), 1u);
}

TEST(Heartbeat, CountsEveryMessageAsASignOfLife) {
  Pair pair({layer<Heartbeat>()});
  pair.wires[0].filter = [](Message& frame) { return frame.size() > 1; };  // signs are lost, messages come
  for (int i = 0; i < 30; ++i) {
    ASSERT_EQ(pair.ends[0].send("x"), Errc::ok);
    pair.advance(second);
  }
  EXPECT_EQ(pair.ends[1].count(EventKind::peer_lost), 0u);
}

TEST(Heartbeat, DoesNotSuspectThePeerWhileTheApplicationReceivesNothing) {
  Pair pair({layer<Heartbeat>()});
  pair.wires[0].stuck = true;
  pair.ends[1].stack->event({EventKind::pause});
  pair.advance(100 * second);
  EXPECT_EQ(pair.ends[1].count(EventKind::peer_lost), 0u);
  pair.ends[1].stack->event({EventKind::resume});
  pair.advance(2 * second);
  EXPECT_EQ(pair.ends[1].count(EventKind::peer_lost), 0u);
  pair.advance(3 * second);
  EXPECT_EQ(pair.ends[1].count(EventKind::peer_lost), 1u);
}

TEST(Heartbeat, DoesNotSuspectThePeerWhileTheQuotaIsUsedUp) {
  Pair pair({layer<Heartbeat>()}, {.quota_bytes = 10'000});
  pair.ends[1].keep_messages = true;
  for (int i = 0; i < 30 && !pair.ends[1].quota->exhausted(); ++i) {
    ASSERT_EQ(pair.ends[0].send(std::string(500, 'x')), Errc::ok);
    pair.run();
  }
  ASSERT_TRUE(pair.ends[1].quota->exhausted());
  pair.wires[0].stuck = true;
  pair.advance(100 * second);
  EXPECT_EQ(pair.ends[1].count(EventKind::peer_lost), 0u);
  pair.ends[1].kept.clear();
  pair.advance(5 * second);
  EXPECT_EQ(pair.ends[1].count(EventKind::peer_lost), 1u);
}

TEST(Heartbeat, TakesAStopOfTheProcessForOneInterval) {
  Pair pair({layer<Heartbeat>()});
  pair.advance(5 * second);
  pair.engine.leap(3600 * second);
  pair.advance(10 * second);
  EXPECT_EQ(pair.ends[0].count(EventKind::peer_lost) + pair.ends[1].count(EventKind::peer_lost), 0u);
}

TEST(Heartbeat, SendsNothingIntoAHeldLink) {
  Pair pair({layer<Heartbeat>()});
  pair.hold(0, true);
  pair.advance(30 * second);
  EXPECT_EQ(pair.wires[0].carried, 0u);
  EXPECT_EQ(pair.wires[0].controls, 0u);
}

TEST(Heartbeat, SpreadsItsTurnsOverTheInterval) {
  std::array<unsigned, 10> slots{};
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Pair pair({layer<Heartbeat>()}, {.seed = seed});
    for (unsigned slot = 0; slot < 10; ++slot) {
      pair.advance(second / 10);
      if (pair.wires[0].controls != 0) {
        ++slots[slot];
        break;
      }
    }
  }
  for (unsigned count : slots) EXPECT_GT(count, 5u);
}

TEST(Heartbeat, KeepsSendingSignsWhileItClosesButSuspectsNobody) {
  Pair pair({layer<Heartbeat>()});
  pair.ends[0].stack->event({EventKind::close});
  pair.wires[1].stuck = true;
  pair.advance(20 * second);
  EXPECT_EQ(pair.ends[0].count(EventKind::peer_lost), 0u);
  EXPECT_EQ(pair.ends[1].count(EventKind::peer_lost), 0u);
}

TEST(Heartbeat, RefusesAnUnknownKindOverAReliableLayerAndDropsItOverALossyOne) {
  for (const bool reliable : {true, false}) {
    Pair pair({layer<Heartbeat>()},
              {.word = reliable ? property::message | property::reliable : property::message});
    for (std::string_view bad : {std::string_view("\x02zz"), std::string_view("\x01zz"), std::string_view()})
      pair.inject(1, as_bytes(bad));
    EXPECT_EQ(pair.ends[1].count(EventKind::corrupt), reliable ? 1u : 0u);
    EXPECT_EQ(pair.ends[1].value("heartbeat", "unknown_frames"), 3u);
    EXPECT_TRUE(pair.ends[1].delivered.empty());
  }
}

}  // namespace
}  // namespace harness::layers
