// SPDX-License-Identifier: Apache-2.0
// reliable under an application that pauses: acknowledgements, credit, the other direction, a peer that dies.
#include <gtest/gtest.h>

#include <harness/layers/reliable.hpp>
#include <harness/tests/unit/layers/reliable_lossy.hpp>

namespace harness::layers {
namespace {

using tests::layer;
using tests::Medium;

// Two ends that know their round trip, and wait a second for a silent peer.
struct Measured : tests::Pair {
  explicit Measured(const Medium& medium = lossy())
      : Pair({layer<Reliable>({{Reliable::patience, 1'000'000}})}, medium) {
    for (unsigned i = 0; i < 4; ++i) {
      ends[0].send("warm up");
      advance(ms);
    }
    ends[1].delivered.clear();
  }
  [[nodiscard]] std::uint64_t sender(std::string_view name) const { return ends[0].value("reliable", name); }
};

TEST(Reliable, AcknowledgesWhatComesDuringAPauseAndHandsItUpAfterIt) {
  Measured pair;
  pair.ends[1].stack->event({EventKind::pause});
  EXPECT_EQ(pair.ends[1].count(EventKind::pause), 0u) << "the endpoint is not stopped";
  pair.send_all(0, 1000, numbered);
  pair.advance(10'000 * ms);
  EXPECT_TRUE(pair.ends[1].delivered.empty());
  EXPECT_TRUE(pair.ends[1].gate.owes_delivery()) << "the link may not end before they are handed up";
  EXPECT_EQ(pair.sender("acked_messages"), pair.sender("sent_messages"));
  EXPECT_EQ(pair.sender("retransmitted_packets"), 0u);
  EXPECT_EQ(pair.sender("probe_timeouts"), 0u);
  EXPECT_EQ(pair.ends[0].count(EventKind::peer_lost), 0u);
  pair.ends[1].stack->event({EventKind::resume});
  pair.send_all(0, 1, [](unsigned) { return std::string("after it"); });
  pair.advance(ms);
  ASSERT_EQ(pair.ends[1].delivered.size(), 1001u);
  for (unsigned i = 0; i < 1000; ++i) ASSERT_EQ(pair.ends[1].body(i), numbered(i));
  EXPECT_EQ(pair.ends[1].body(1000), "after it");
  EXPECT_FALSE(pair.ends[1].gate.owes_delivery());
}

TEST(Reliable, GoesOnSendingWhileItsApplicationPauses) {
  Measured pair;
  pair.ends[0].stack->event({EventKind::pause});
  pair.send_all(0, 500, numbered);
  pair.advance(10'000 * ms);
  EXPECT_EQ(pair.ends[1].delivered.size(), 500u);
  EXPECT_EQ(pair.sender("acked_messages"), pair.sender("sent_messages"));
  EXPECT_EQ(pair.sender("retransmitted_packets"), 0u);
  EXPECT_EQ(pair.ends[0].count(EventKind::peer_lost), 0u);
}

TEST(Reliable, HoldsThePeerOfAPausedApplicationByCreditAlone) {
  Medium medium = lossy();
  medium.quota_bytes = 64'000;
  Measured pair(medium);
  pair.ends[1].stack->event({EventKind::pause});
  unsigned sent = 0;
  for (unsigned turn = 0; turn < 1000; ++turn) {
    while (sent < 2000 && pair.ends[0].send(numbered(sent)) == Errc::ok) ++sent;
    pair.advance(10 * ms);
  }
  EXPECT_LT(sent, 300u);
  EXPECT_LE(pair.ends[1].quota->peak_bytes(), 64'000u);
  EXPECT_EQ(pair.ends[1].value("reliable", "over_credit_packets"), 0u);
  EXPECT_EQ(pair.ends[0].count(EventKind::peer_lost) + pair.ends[1].count(EventKind::peer_lost), 0u);
  pair.ends[1].stack->event({EventKind::resume});
  while (sent < 2000) {
    while (sent < 2000 && pair.ends[0].send(numbered(sent)) == Errc::ok) ++sent;
    pair.advance(ms);
  }
  pair.advance(100 * ms);
  EXPECT_EQ(pair.ends[1].delivered.size(), 2000u);
  EXPECT_EQ(pair.sender("lost_packets"), 0u);
}

TEST(Reliable, NoticesADeadPeerWhileItsApplicationPauses) {
  Measured pair;
  pair.ends[0].stack->event({EventKind::pause});
  pair.wires[0].stuck = pair.wires[1].stuck = true;
  pair.ends[0].send("to nobody");
  pair.advance(3'000 * ms);
  EXPECT_EQ(pair.ends[0].count(EventKind::peer_lost), 1u);
}

}  // namespace
}  // namespace harness::layers
