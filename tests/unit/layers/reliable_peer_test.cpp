// SPDX-License-Identifier: Apache-2.0
// A peer that lies: acknowledgements of what was never sent, credit that falls, floods, any bytes at all.
#include <gtest/gtest.h>

#include <harness/layers/reliable.hpp>
#include <harness/tests/support/pair.hpp>
#include <harness/tests/support/seed.hpp>

namespace harness::layers {
namespace {

using tests::layer;
using tests::Medium;
using tests::Pair;
using wire::ReliableAck;
using wire::ReliableData;
using wire::ReliablePart;

constexpr std::uint64_t ms = 1'000'000;

struct Victim : Pair {
  Victim() : Pair({layer<Reliable>()}, medium()) {}
  static Medium medium() {
    Medium medium;
    medium.word = property::message | property::checked16;
    medium.max_message = 1400;
    medium.quota_bytes = 1 << 20;
    return medium;
  }
  template <class... H>
  void give(const H&... headers) {
    std::string bytes;
    (append(bytes, headers), ...);
    inject(0, as_bytes(bytes));
  }
  [[nodiscard]] std::uint64_t value(std::string_view name) const { return ends[0].value("reliable", name); }
  [[nodiscard]] unsigned closed() const { return ends[0].count(EventKind::corrupt); }

 private:
  template <class H>
  static void append(std::string& bytes, const H& header) {
    if constexpr (std::is_convertible_v<H, std::string_view>) {
      bytes += header;
    } else {
      std::array<std::byte, wire::bytes_of<H>> raw;
      wire::encode(header, raw.data());
      bytes += as_text(raw);
    }
  }
};

TEST(ReliablePeer, WhoAcknowledgesWhatWasNeverSentClosesTheLink) {
  Victim victim;
  victim.advance(ms);
  victim.give(ReliableAck{.largest = 500});
  EXPECT_EQ(victim.closed(), 1u);
  EXPECT_EQ(victim.ends[0].events.back().second, Errc::corrupt);
  EXPECT_EQ(victim.value("in_flight_bytes"), 0u) << "what is kept for the peer is given back";
}

TEST(ReliablePeer, Rfc9000Section21_4WhoAcknowledgesInAdvanceIsFoundOut) {
  Victim victim;
  victim.wires[0].filter = [](Message&) { return false; };
  std::uint32_t sent = 0;
  // An optimistic peer: names every number up to the newest, received or not.
  for (int i = 0; i < 1000 && victim.closed() == 0; ++i) {
    victim.ends[0].send("x");
    sent = static_cast<std::uint32_t>(victim.value("sent_packets"));
    victim.give(ReliableAck{.largest = sent, .first = sent - 1, .credit = 1 << 20});
    victim.advance(ms / 100);
  }
  EXPECT_EQ(victim.closed(), 1u);
  EXPECT_LT(sent, 200u) << "within the first hundreds of packets";
}

TEST(ReliablePeer, RangesBelowTheFirstPacketCloseTheLink) {
  Victim victim;
  for (int i = 0; i < 5; ++i) victim.ends[0].send("x");
  victim.give(ReliableAck{.largest = 5, .first = 0, .ranges = 1}, wire::ReliableRange{.gap = 9, .length = 9});
  EXPECT_EQ(victim.closed(), 1u);
}

TEST(ReliablePeer, AnAcknowledgementWithoutItsRangesIsDroppedAndCounted) {
  Victim victim;
  for (int i = 0; i < 5; ++i) victim.ends[0].send("x");
  victim.give(ReliableAck{.largest = 5, .ranges = 3}, wire::ReliableRange{});
  victim.give(ReliableAck{.largest = 5, .ranges = 63}, std::string(63 * 4, '\0'));
  EXPECT_EQ(victim.closed(), 0u);
  EXPECT_EQ(victim.value("refused_packets"), 2u);
  EXPECT_GT(victim.value("in_flight_bytes"), 0u);
}

TEST(ReliablePeer, CreditThatFallsIsIgnoredAndCounted) {
  Victim victim;
  victim.advance(ms);
  const std::uint64_t before = victim.value("credit_bytes");
  victim.wires[0].filter = [](Message&) { return false; };
  victim.ends[0].send("x");
  victim.give(ReliableAck{.largest = static_cast<std::uint32_t>(victim.value("sent_packets")), .credit = 1});
  EXPECT_EQ(victim.closed(), 0u);
  EXPECT_EQ(victim.value("credit_regressions"), 1u);
  EXPECT_EQ(victim.value("credit_bytes"), before - 321);
}

TEST(ReliablePeer, MoreThanTheCreditIsDroppedAndNotAcknowledged) {
  Victim victim;
  victim.ends[0].keep_messages = true;
  for (std::uint32_t i = 0; i < 3000; ++i)
    victim.give(ReliableData{.packet = i + 1, .message = i}, std::string(1000, 'f'));
  EXPECT_LE(victim.ends[0].quota->peak_bytes(), (1u << 20) + 2000u);
  EXPECT_GT(victim.value("over_credit_packets"), 1000u);
  EXPECT_EQ(victim.closed(), 0u);
}

TEST(ReliablePeer, AFloodOfPartsIsBounded) {
  Victim victim;
  for (std::uint32_t i = 0; i < 20'000; ++i)
    victim.give(ReliablePart{.packet = i + 1, .message = i % 8000, .offset = 2 * (i / 8000), .more = true},
                "p");
  EXPECT_LE(victim.ends[0].quota->peak_bytes(), (1u << 20) + 2000u);
  EXPECT_GT(victim.value("refused_packets") + victim.value("over_credit_packets"), 10'000u);
  EXPECT_TRUE(victim.ends[0].delivered.empty());
}

TEST(ReliablePeer, MessagesBeyondTheWindowAreDroppedAndCounted) {
  Victim victim;
  victim.give(ReliableData{.packet = 1, .message = Numbers::window}, "far");
  victim.give(ReliableData{.packet = 2, .message = 1u << 29}, "farther");
  EXPECT_EQ(victim.value("refused_packets"), 2u);
  EXPECT_TRUE(victim.ends[0].delivered.empty());
}

TEST(ReliablePeer, ARepeatedMessageIsDeliveredOnceUnderWhateverNumber) {
  Victim victim;
  for (std::uint32_t packet : {1u, 1u, 2u, 9u})
    victim.give(ReliableData{.packet = packet, .message = 0}, "once");
  EXPECT_EQ(victim.ends[0].delivered.size(), 1u);
}

// Bytes that are nearly right, in a living exchange: no crash, bounded memory, never a message twice.
TEST(ReliablePeer, SurvivesAnyBytes) {
  const std::uint64_t first_seed = tests::seed(1);
  for (std::uint64_t seed = first_seed; seed < first_seed + 300; ++seed) {
    SCOPED_TRACE(testing::Message() << "rerun: HARNESS_SEED=" << seed);
    Random random(seed);
    Victim victim;
    for (int i = 0; i < 200 && victim.closed() == 0; ++i) {
      if (random.below(3) == 0) victim.ends[0].send("some message");
      if (random.below(3) == 0) victim.ends[1].send(std::string(random.below(1000), 'y'));
      std::string bytes(random.below(60), '\0');
      for (char& each : bytes) each = static_cast<char>(random.below(random.below(2) == 0 ? 4 : 256));
      victim.inject(0, as_bytes(bytes));
      if (random.below(4) == 0) victim.advance(random.below(2 * ms));
    }
    EXPECT_LE(victim.ends[0].quota->peak_bytes(), 2u << 20);
  }
}

}  // namespace
}  // namespace harness::layers
