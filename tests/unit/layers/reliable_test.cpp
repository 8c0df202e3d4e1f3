// SPDX-License-Identifier: Apache-2.0
// reliable as its neighbours see it: everything arrives once, whatever the medium does; credit, closing,
// death.
#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include <harness/layers/reliable.hpp>
#include <harness/tests/unit/layers/reliable_lossy.hpp>

namespace harness::layers {
namespace {

using tests::layer;
using tests::Medium;
using tests::Pair;

TEST(Reliable, DeliversAtOnceOverAQuietPath) {
  Pair pair({layer<Reliable>()}, lossy());
  ASSERT_EQ(pair.ends[0].send("hello"), Errc::ok);
  pair.run();
  ASSERT_EQ(pair.ends[1].delivered.size(), 1u);
  EXPECT_EQ(pair.ends[1].body(0), "hello");
  pair.advance(100 * ms);
  EXPECT_EQ(pair.ends[0].value("reliable", "acked_messages"), 1u);
  EXPECT_EQ(pair.ends[0].value("reliable", "in_flight_bytes"), 0u);
  EXPECT_EQ(pair.ends[0].value("reliable", "retransmitted_packets"), 0u);
}

TEST(Reliable, DeliversEachMessageOnceOverAPathThatLosesRepeatsAndReorders) {
  Medium medium = lossy();
  medium.drop_ppm = 100'000;
  medium.duplicate_ppm = 50'000;
  medium.reorder_ppm = 100'000;
  for (medium.seed = 1; medium.seed <= 20; ++medium.seed) {
    Pair pair({layer<Reliable>()}, medium);
    pair.send_all(0, 500, numbered);
    pair.send_all(1, 200, numbered);
    pair.advance(5'000 * ms);
    for (unsigned end : {0u, 1u}) {
      std::set<std::string> distinct;
      for (const auto& one : pair.ends[1 - end].delivered) distinct.insert(one.body);
      const std::size_t count = end == 0 ? 500 : 200;
      EXPECT_EQ(pair.ends[1 - end].delivered.size(), count) << "seed " << medium.seed;
      EXPECT_EQ(distinct.size(), count);
      EXPECT_EQ(pair.ends[end].value("reliable", "acked_messages"), count);
      EXPECT_EQ(pair.wires[end].sent_while_held, 0u);
      EXPECT_EQ(pair.wires[end].too_large, 0u);
      EXPECT_EQ(pair.ends[end].count(EventKind::corrupt), 0u);
    }
  }
}

// ---- loss (RFC 9002 §6) ----

bool is_form(const Message& frame, wire::ReliableForm form) {
  return (std::to_integer<unsigned>(frame.front()[0]) & 0xf) == static_cast<unsigned>(form);
}
bool is_data(const Message& frame) { return is_form(frame, wire::ReliableForm::data); }

// Loses the n-th data packets of a direction, counted from 0.
std::function<bool(Message&)> lose(std::set<unsigned> which) {
  return [which = std::move(which), count = 0u](Message& frame) mutable {
    return !is_data(frame) || !which.contains(count++);
  };
}

// Two ends that know their round trip: 1 ms, by `settle` below.
struct Measured : Pair {
  explicit Measured(const Medium& medium = lossy(), const tests::OptionList& options = {})
      : Pair({layer<Reliable>(options)}, medium) {
    for (unsigned i = 0; i < 4; ++i) {
      ends[0].send("warm up");
      turn();
    }
    advance(50 * ms);
    ends[1].delivered.clear();
  }
  // One way and back in a millisecond.
  void turn() {
    step();
    engine.pass(ms / 2);
    step();
    engine.pass(ms / 2);
  }
  [[nodiscard]] std::uint64_t sender(std::string_view name) const { return ends[0].value("reliable", name); }
};

TEST(Rfc9002, Section6_1_1ThreeLaterPacketsMakeALossBeforeAnyTimeout) {
  Measured pair;
  pair.wires[0].filter = lose({0});
  for (unsigned i = 0; i < 4; ++i) pair.ends[0].send(numbered(i));
  pair.turn();
  pair.turn();
  EXPECT_EQ(pair.ends[1].delivered.size(), 4u);
  EXPECT_EQ(pair.sender("lost_packets"), 1u);
  EXPECT_EQ(pair.sender("retransmitted_packets"), 1u);
  EXPECT_EQ(pair.sender("probe_timeouts"), 0u);
}

TEST(Rfc9002, Section6_1_2FewerThanThreeWaitForTheTimeThreshold) {
  Measured pair;
  pair.wires[0].filter = lose({0});
  for (unsigned i = 0; i < 3; ++i) pair.ends[0].send(numbered(i));
  pair.step();
  pair.engine.pass(10'000);
  pair.step();  // the acknowledgement is here
  EXPECT_EQ(pair.sender("lost_packets"), 0u);
  pair.advance(3 * ms);
  EXPECT_EQ(pair.sender("lost_packets"), 1u);
  EXPECT_EQ(pair.sender("probe_timeouts"), 0u);
  EXPECT_EQ(pair.ends[1].delivered.size(), 3u);
}

TEST(Rfc9002, Section6_2ALossAtTheEndIsFoundByAProbeThatCarriesIt) {
  Measured pair;
  pair.wires[0].filter = lose({0});
  pair.ends[0].send("the last one");
  pair.advance(20 * ms);
  ASSERT_EQ(pair.ends[1].delivered.size(), 1u);
  EXPECT_EQ(pair.sender("probe_timeouts"), 1u);
  EXPECT_EQ(pair.sender("in_flight_bytes"), 0u);
}

TEST(Rfc9002, Section6_2_1ProbesBackOffWhileNothingComesBack) {
  Measured pair;
  pair.wires[0].filter = [](Message&) { return false; };
  pair.ends[0].send("into the dark");
  std::vector<std::uint64_t> after;
  for (std::uint64_t seen = 0; after.size() < 6;) {
    pair.advance(ms / 10);
    if (pair.sender("probe_timeouts") == seen) continue;
    seen = pair.sender("probe_timeouts");
    after.push_back(pair.engine.now_ns());
  }
  for (std::size_t i = 2; i < after.size(); ++i) {
    const auto longer =
        static_cast<double>(after[i] - after[i - 1]) / static_cast<double>(after[i - 1] - after[i - 2]);
    EXPECT_NEAR(longer, 2.0, 0.2);
  }
}

TEST(Rfc9002, Section6_2ATimeoutAloneDeclaresNoLoss) {
  Measured pair;
  pair.wires[1].stuck = true;  // acknowledgements are late
  pair.ends[0].send("slow");
  pair.advance(10 * ms);
  EXPECT_GE(pair.sender("probe_timeouts"), 1u);
  EXPECT_EQ(pair.sender("lost_packets"), 0u);
  pair.wires[1].stuck = false;
  pair.advance(50 * ms);
  EXPECT_EQ(pair.ends[1].delivered.size(), 1u);
  EXPECT_EQ(pair.sender("in_flight_bytes"), 0u);
}

TEST(Rfc9002, Section7_6EverythingLostForThreeTimeoutsIsPersistentCongestion) {
  Measured pair(lossy(), {{Reliable::cc, 1}});
  pair.wires[0].filter = [](Message& frame) {
    return !is_data(frame) && !is_form(frame, wire::ReliableForm::probe);
  };
  for (unsigned i = 0; i < 3; ++i) pair.ends[0].send(numbered(i));
  pair.advance(100 * ms);
  EXPECT_EQ(pair.sender("persistent_congestion"), 0u) << "silence alone is none";
  pair.wires[0].filter = nullptr;
  pair.advance(200 * ms);
  EXPECT_EQ(pair.ends[1].delivered.size(), 3u);
  EXPECT_EQ(pair.sender("persistent_congestion"), 1u);
}

TEST(Rfc8985, Section6_2ALateArrivalIsSeenAndWidensTheWindow) {
  Measured pair;
  std::vector<Message> late;
  pair.wires[0].filter = [&, count = 0](Message& frame) mutable {
    if (!is_data(frame) || count++ != 0) return true;
    late.push_back(std::move(frame));
    return false;
  };
  for (unsigned i = 0; i < 5; ++i) pair.ends[0].send(numbered(i));
  pair.turn();
  ASSERT_EQ(pair.sender("lost_packets"), 1u);
  pair.inject(1, late.at(0).front());
  late.clear();
  pair.turn();
  pair.advance(10 * ms);
  EXPECT_EQ(pair.ends[1].delivered.size(), 5u);
  EXPECT_EQ(pair.sender("spurious_packets"), 1u);
  EXPECT_EQ(pair.sender("reordering"), 1u);
}

TEST(Rfc9000, Section13_2_1OneAcknowledgementATurnHoweverManyPackets) {
  Measured pair;
  const std::uint64_t before = pair.ends[1].value("reliable", "sent_acks");
  for (unsigned i = 0; i < 10; ++i) pair.ends[0].send(numbered(i));
  pair.turn();
  EXPECT_EQ(pair.ends[1].value("reliable", "sent_acks"), before + 1);
}

TEST(Reliable, LetsAnAcknowledgementRideOnAnAnswer) {
  Measured pair;
  const std::uint64_t before = pair.ends[1].value("reliable", "sent_acks");
  pair.ends[1].on_message = [&](Message&) { pair.ends[1].send("answer"); };
  pair.ends[0].send("question");
  pair.step();
  pair.step();
  EXPECT_EQ(pair.ends[0].delivered.size(), 1u);
  EXPECT_EQ(pair.sender("in_flight_bytes"), 0u);
  EXPECT_EQ(pair.ends[1].value("reliable", "sent_acks"), before);
}

TEST(Rfc9002, Section7_1AMarkedPacketIsReportedAndTheSenderSlowsDown) {
  Measured pair;
  const std::uint64_t before = pair.sender("window_bytes");
  pair.wires[0].filter = [](Message& frame) {
    if (is_data(frame)) frame.note().flags |= flag_congested;
    return true;
  };
  pair.ends[0].send("marked");
  Message held = std::move(pair.wires[0].frames.at(0));
  pair.wires[0].frames.clear();
  const Entry up = pair.ends[1].stack->up();
  up.fn(up.self, up.next, held.c());
  held.reset();
  pair.advance(10 * ms);
  EXPECT_EQ(pair.ends[1].value("reliable", "congested_packets"), 1u);
  EXPECT_LT(pair.sender("window_bytes"), before);
  EXPECT_EQ(pair.sender("lost_packets"), 0u);
}

// ---- credit ----

TEST(Reliable, NeverSendsMoreThanTheReceiverHasRoomForAndGoesOnWhenItHas) {
  Medium medium = lossy();
  medium.quota_bytes = 64 << 10;
  Pair pair({layer<Reliable>({{Reliable::cc, 0}})}, medium);
  pair.ends[1].keep_messages = true;
  unsigned sent = 0;
  for (int i = 0; i < 200; ++i) {
    while (pair.ends[0].send(std::string(1000, 'x')) == Errc::ok) ++sent;
    pair.advance(ms);
  }
  EXPECT_LT(pair.ends[1].quota->peak_bytes(), medium.quota_bytes) << "room for acknowledgements is left";
  EXPECT_GT(pair.ends[1].delivered.size(), 30u);
  EXPECT_EQ(pair.ends[1].value("reliable", "over_credit_packets"), 0u);
  const std::size_t before = pair.ends[1].delivered.size();
  pair.ends[1].kept.clear();
  pair.advance(5 * ms);
  EXPECT_GT(pair.ends[1].delivered.size(), before) << "the new credit was told without being asked for";
}

TEST(Reliable, AsksForCreditWhenTheWordOfItIsLost) {
  Medium medium = lossy();
  medium.quota_bytes = 64 << 10;
  Pair pair({layer<Reliable>({{Reliable::cc, 0}})}, medium);
  pair.ends[1].keep_messages = true;
  for (int i = 0; i < 20; ++i) {
    while (pair.ends[0].send(std::string(1000, 'x')) == Errc::ok) {
    }
    pair.advance(ms);
  }
  const std::size_t before = pair.ends[1].delivered.size();
  pair.wires[1].filter = [](Message&) { return false; };
  pair.ends[1].kept.clear();
  pair.advance(50 * ms);
  pair.wires[1].filter = nullptr;
  pair.advance(2'000 * ms);
  EXPECT_GT(pair.ends[1].delivered.size(), before);
}

// Found by seed 6834: a part that more urgent ones overtook kept the credit of its message for ever.
TEST(Reliable, LetsNoPartBeOvertakenByMoreUrgentOnes) {
  Pair pair({layer<Reliable>()}, lossy());
  pair.wires[0].stuck = true;
  while (pair.ends[0].send("urgent enough", 0, 5) == Errc::ok) {
  }
  ASSERT_EQ(pair.ends[0].send("more urgent", 1, 0), Errc::ok);
  const std::uint64_t waiting = pair.ends[0].value("reliable", "waiting_messages");
  EXPECT_EQ(waiting, 2u);
  pair.wires[0].stuck = false;
  pair.advance(100 * ms);
  ASSERT_GT(pair.ends[1].delivered.size(), 2u);
  EXPECT_EQ(pair.ends[1].delivered.back().body, "more urgent");
}

// ---- packet size ----

TEST(Rfc8899, Section5_3TheFullSizeIsInUseAfterOneRoundTrip) {
  Medium medium = lossy();
  medium.max_message = 9000;
  Pair pair({layer<Reliable>()}, medium);
  EXPECT_EQ(pair.ends[0].value("reliable", "mtu_bytes"), 1200u);
  pair.advance(ms);
  EXPECT_EQ(pair.ends[0].value("reliable", "mtu_bytes"), 9000u);
}

TEST(Rfc8899, Section3DataGoOnWhileTheSearchDoes) {
  Medium medium = lossy();
  medium.max_message = 60'000;
  Pair pair({layer<Reliable>()}, medium);
  for (auto& wire : pair.wires) wire.filter = [](Message& frame) { return frame.size() <= 2000; };
  pair.ends[0].send("not behind a probe of 60,000 bytes");
  pair.run();
  EXPECT_EQ(pair.ends[1].delivered.size(), 1u);
  pair.advance(1'000 * ms);
  EXPECT_GT(pair.ends[0].value("reliable", "mtu_bytes"), 1900u);
}

TEST(Rfc8899, Section4_3APathThatFallsFrom9000To1200UnderLossLosesNothing) {
  Medium medium = lossy();
  medium.max_message = 9000;
  medium.drop_ppm = 20'000;
  for (medium.seed = 1; medium.seed <= 10; ++medium.seed) {
    Pair pair({layer<Reliable>()}, medium);
    pair.advance(1'000 * ms);
    ASSERT_EQ(pair.ends[0].value("reliable", "mtu_bytes"), 9000u);
    unsigned sent = 0;
    const auto body = [](unsigned i) { return std::to_string(i) + std::string(8000 + i % 500, 'm'); };
    bool narrow = false;
    for (unsigned turn = 0; turn < 100'000 && pair.ends[1].delivered.size() < 300; ++turn) {
      if (!narrow && pair.ends[1].delivered.size() >= 60) {
        narrow = true;
        for (auto& wire : pair.wires) wire.filter = [](Message& frame) { return frame.size() <= 1200; };
      }
      while (sent < 300 && pair.ends[0].send(body(sent)) == Errc::ok) ++sent;
      pair.advance(20'000);
    }
    ASSERT_EQ(pair.ends[1].delivered.size(), 300u) << "seed " << medium.seed;
    std::set<std::string> got;
    for (const auto& one : pair.ends[1].delivered) got.insert(one.body);
    for (unsigned i = 0; i < 300; ++i) EXPECT_TRUE(got.contains(body(i)));
    EXPECT_EQ(pair.ends[0].value("reliable", "mtu_bytes"), 1200u);
    EXPECT_GE(pair.ends[0].value("reliable", "black_holes"), 1u);
    pair.advance(100 * ms);
    EXPECT_EQ(pair.ends[0].value("reliable", "in_flight_bytes"), 0u);
  }
}

// ---- closing and death ----

TEST(Reliable, HoldsACloseBackUntilEverythingIsAcknowledged) {
  Measured pair;
  pair.wires[0].filter = lose({0});
  pair.ends[0].send("first lost");
  pair.ends[0].stack->event({EventKind::close});
  EXPECT_NE(pair.ends[0].gate.word(), 0u) << "the link must not end yet";
  pair.advance(20 * ms);
  EXPECT_EQ(pair.ends[1].delivered.size(), 1u);
  EXPECT_EQ(pair.ends[0].gate.word(), 0u);
}

TEST(Reliable, ReportsAPeerThatIsSilentForTooLongOnce) {
  Measured pair(lossy(), {{Reliable::patience, 1'000'000}});
  pair.advance(10'000 * ms);
  EXPECT_EQ(pair.ends[0].count(EventKind::peer_lost), 0u) << "an idle peer answers";
  pair.wires[0].stuck = true;
  pair.wires[1].stuck = true;
  pair.advance(600 * ms);
  EXPECT_EQ(pair.ends[0].count(EventKind::peer_lost), 0u);
  pair.advance(1'000 * ms);
  ASSERT_EQ(pair.ends[0].count(EventKind::peer_lost), 1u);
  EXPECT_EQ(pair.ends[0].events.back().second, Errc::timed_out);
  pair.advance(10'000 * ms);
  EXPECT_EQ(pair.ends[0].count(EventKind::peer_lost), 1u);
}

}  // namespace
}  // namespace harness::layers
