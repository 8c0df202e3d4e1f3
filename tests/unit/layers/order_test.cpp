// SPDX-License-Identifier: Apache-2.0
// order: sequences by channel over reliable and over lossy media.
#include <algorithm>

#include <gtest/gtest.h>

#include <harness/layers/order.hpp>
#include <harness/tests/support/pair.hpp>
#include <harness/tests/support/seed.hpp>

namespace harness::layers {
namespace {

using tests::layer;
using tests::Medium;
using tests::Pair;

constexpr Properties unordered = property::message | property::reliable;
constexpr Properties lossy = property::message;
constexpr std::uint64_t ms = 1'000'000;

std::string frame(unsigned channel, std::uint64_t sequence, std::string_view body = "x") {
  std::string made(wire::bytes_of<wire::Order>, '\0');
  wire::encode(wire::Order{static_cast<std::uint16_t>(channel), sequence},
               reinterpret_cast<std::byte*>(made.data()));
  return made.append(body);
}

std::string bodies(const Pair& pair) {
  std::string all;
  for (const auto& delivered : pair.ends[1].delivered) all += delivered.body;
  return all;
}

TEST(Order, PassesMessagesInSequenceAndNamesTheirChannel) {
  Pair pair({layer<Order>()});
  for (unsigned i = 0; i < 10; ++i)
    ASSERT_EQ(pair.ends[0].send(std::string(1, static_cast<char>('a' + i)), i % 3), Errc::ok);
  EXPECT_EQ(pair.wires[0].data_bytes, 10u * 9);
  pair.run();
  ASSERT_EQ(bodies(pair), "abcdefghij");
  for (unsigned i = 0; i < 10; ++i) EXPECT_EQ(pair.ends[1].delivered[i].channel, i % 3);
}

TEST(Order, WaitsForTheGapOverAReliableLayerAsLongAsItTakes) {
  Pair pair({layer<Order>()}, {.word = unordered});
  pair.inject(1, as_bytes(frame(0, 3, "c")));
  pair.inject(1, as_bytes(frame(0, 2, "b")));
  pair.advance(3'600'000 * ms);
  EXPECT_EQ(bodies(pair), "");
  EXPECT_EQ(pair.ends[1].value("order", "waiting_messages"), 2u);
  pair.inject(1, as_bytes(frame(0, 1, "a")));
  EXPECT_EQ(bodies(pair), "abc");
  EXPECT_EQ(pair.ends[1].value("order", "waiting_messages"), 0u);
  EXPECT_EQ(pair.ends[1].quota->used_bytes(), 0u);
}

TEST(Order, OwesADeliveryWhileAMessageWaits) {
  Pair pair({layer<Order>()}, {.word = unordered});
  pair.inject(1, as_bytes(frame(0, 2, "b")));
  EXPECT_TRUE(pair.ends[1].gate.owes_delivery()) << "a closing link waits for it";
  pair.inject(1, as_bytes(frame(0, 1, "a")));
  EXPECT_EQ(bodies(pair), "ab");
  EXPECT_FALSE(pair.ends[1].gate.owes_delivery());
}

TEST(Order, DeliversEveryShuffleOfAReliableMediumInOrder) {
  Random random(tests::seed(11));
  for (int round = 0; round < 300; ++round) {
    Pair pair({layer<Order>()}, {.word = unordered});
    pair.wires[0].stuck = true;
    std::array<std::string, 4> sent;
    for (unsigned i = 0; i < 60; ++i) {
      const auto channel = static_cast<unsigned>(random.below(4));
      const std::string body(1, static_cast<char>('0' + i));
      sent[channel] += body;
      ASSERT_EQ(pair.ends[0].send(body, channel), Errc::ok);
    }
    auto& frames = pair.wires[0].frames;
    for (std::size_t i = frames.size(); i > 1; --i) std::swap(frames[i - 1], frames[random.below(i)]);
    pair.wires[0].stuck = false;
    pair.run();
    std::array<std::string, 4> got;
    for (const auto& delivered : pair.ends[1].delivered) got[delivered.channel] += delivered.body;
    ASSERT_EQ(got, sent);
  }
}

TEST(Order, DropsDuplicatesThatWaitAndDuplicatesOfTheDelivered) {
  Pair pair({layer<Order>()}, {.word = unordered});
  for (std::uint64_t sequence : {2u, 2u, 1u, 1u, 2u, 3u})
    pair.inject(1, as_bytes(frame(5, sequence, std::to_string(sequence))));
  EXPECT_EQ(bodies(pair), "123");
  EXPECT_EQ(pair.ends[1].value("order", "duplicate_messages"), 1u);
  EXPECT_EQ(pair.ends[1].value("order", "late_messages"), 2u);
}

TEST(Order, ClosesAReliableLinkWhoseGapOutgrowsTheWindow) {
  Pair pair({layer<Order>({{Order::window, 8}})}, {.word = unordered});
  for (std::uint64_t sequence = 2; sequence < 10; ++sequence) pair.inject(1, as_bytes(frame(0, sequence)));
  EXPECT_EQ(pair.ends[1].count(EventKind::corrupt), 0u);
  pair.inject(1, as_bytes(frame(0, 10)));
  ASSERT_EQ(pair.ends[1].count(EventKind::corrupt), 1u);
  EXPECT_EQ(pair.ends[1].events[0].second, Errc::exhausted);
  pair.inject(1, as_bytes(frame(0, 1)));
  EXPECT_EQ(bodies(pair), "");
}

TEST(Order, ClosesAReliableLinkOnAFrameThatIsNone) {
  for (const std::string& bad : {std::string(), std::string("1234567"), frame(32, 1), frame(0xffff, 1)}) {
    Pair pair({layer<Order>()}, {.word = unordered});
    pair.inject(1, as_bytes(bad));
    EXPECT_EQ(pair.ends[1].count(EventKind::corrupt), 1u);
    EXPECT_EQ(pair.ends[1].value("order", "malformed_frames"), 1u);
  }
}

TEST(Order, DropsAFrameThatIsNoneOverALossyLayer) {
  Pair pair({layer<Order>()}, {.word = lossy});
  pair.inject(1, as_bytes(frame(32, 1)));
  pair.inject(1, as_bytes("1234567"));
  pair.inject(1, as_bytes(frame(1, 1, "a")));
  EXPECT_EQ(pair.ends[1].count(EventKind::corrupt), 0u);
  EXPECT_EQ(pair.ends[1].value("order", "malformed_frames"), 2u);
  EXPECT_EQ(bodies(pair), "a");
}

TEST(Order, GivesUpAGapWhenAMessageHasWaitedForItsPatience) {
  Pair pair({layer<Order>({{Order::patience, 5'000}})}, {.word = lossy});
  pair.inject(1, as_bytes(frame(0, 1, "a")));
  pair.inject(1, as_bytes(frame(0, 3, "c")));
  pair.inject(1, as_bytes(frame(0, 4, "d")));
  pair.advance(4 * ms);
  pair.inject(1, as_bytes(frame(0, 7, "g")));
  EXPECT_EQ(bodies(pair), "a");
  pair.advance(1 * ms + 10'000);
  EXPECT_EQ(bodies(pair), "acd");
  EXPECT_EQ(pair.ends[1].value("order", "given_up_messages"), 1u);
  pair.advance(3 * ms);
  EXPECT_EQ(bodies(pair), "acd");
  pair.advance(1 * ms);
  EXPECT_EQ(bodies(pair), "acdg");
  EXPECT_EQ(pair.ends[1].value("order", "given_up_messages"), 3u);
}

TEST(Order, DropsWhatComesAfterItsGapWasGivenUp) {
  Pair pair({layer<Order>()}, {.word = lossy});
  pair.inject(1, as_bytes(frame(0, 2, "b")));
  pair.advance(11 * ms);
  pair.inject(1, as_bytes(frame(0, 1, "a")));
  EXPECT_EQ(bodies(pair), "b");
  EXPECT_EQ(pair.ends[1].value("order", "late_messages"), 1u);
}

TEST(Order, GivesUpAGapWhenTheWindowIsFullOverALossyLayer) {
  Pair pair({layer<Order>({{Order::window, 4}})}, {.word = lossy});
  for (std::uint64_t sequence = 2; sequence < 6; ++sequence) pair.inject(1, as_bytes(frame(0, sequence)));
  EXPECT_EQ(bodies(pair), "");
  pair.inject(1, as_bytes(frame(0, 6)));
  EXPECT_EQ(bodies(pair), "xxxxx");
  EXPECT_EQ(pair.ends[1].count(EventKind::corrupt), 0u);
}

TEST(Order, LetsNoChannelWaitForAnother) {
  Pair pair({layer<Order>()}, {.word = unordered});
  pair.inject(1, as_bytes(frame(0, 2, "late")));
  pair.inject(1, as_bytes(frame(1, 1, "now")));
  EXPECT_EQ(bodies(pair), "now");
}

TEST(Order, LetsControlPassOutsideEverySequence) {
  Pair pair({layer<Order>()}, {.word = unordered});
  pair.inject(1, as_bytes(frame(2, 2, "waits")));
  Message control = Message::copy_of(pair.engine.pool(), "ack");
  control.note().flags = flag_control;
  control.note().channel = 2;
  ASSERT_EQ(pair.ends[0].stack->send(std::move(control)), Errc::ok);
  pair.run();
  EXPECT_EQ(bodies(pair), "ack");
}

// RFC 3550 appendix A.1: a leap of the sequence is believed when the next packet confirms it.
TEST(Order, Rfc3550A1ALeapIsBelievedOnlyWhenItsSuccessorComesNext) {
  Pair pair({layer<Order>()}, {.word = lossy});
  constexpr std::uint64_t far = 1'000'000'000;
  pair.inject(1, as_bytes(frame(0, 1, "a")));
  pair.inject(1, as_bytes(frame(0, far, "damaged")));
  pair.inject(1, as_bytes(frame(0, 2, "b")));
  pair.advance(20 * ms);
  EXPECT_EQ(bodies(pair), "ab");
  EXPECT_EQ(pair.ends[1].value("order", "doubted_messages"), 1u);
  pair.inject(1, as_bytes(frame(0, far + 7, "x")));
  pair.inject(1, as_bytes(frame(0, far + 8, "y")));
  pair.advance(20 * ms);
  EXPECT_EQ(bodies(pair), "aby");
}

TEST(Order, KeepsOrderOverALossyDuplicatingReorderingMedium) {
  const std::uint64_t seed = tests::seed(3);
  for (std::uint64_t round = 0; round < 100; ++round) {
    SCOPED_TRACE("HARNESS_SEED=" + std::to_string(seed + round));
    Pair pair({layer<Order>()}, {.word = lossy,
                                 .drop_ppm = 50'000,
                                 .duplicate_ppm = 50'000,
                                 .reorder_ppm = 200'000,
                                 .seed = seed + round});
    pair.send_all(0, 300, [](unsigned i) { return std::to_string(i); });
    pair.advance(50 * ms);
    int last = -1;
    for (const auto& delivered : pair.ends[1].delivered) {
      ASSERT_LT(last, std::stoi(delivered.body));
      last = std::stoi(delivered.body);
    }
    const std::uint64_t got = pair.ends[1].delivered.size();
    EXPECT_GT(got, 250u);
    EXPECT_EQ(got + pair.ends[1].value("order", "given_up_messages"), static_cast<std::uint64_t>(last) + 1);
    EXPECT_EQ(pair.engine.pool().alive_count(), 0u);
  }
}

TEST(Order, GivesEverythingBackWhenThePeerIsLost) {
  Pair pair({layer<Order>()}, {.word = lossy});
  pair.inject(1, as_bytes(frame(0, 2)));
  pair.ends[1].stack->event({EventKind::peer_lost, Errc::timed_out});
  EXPECT_EQ(pair.ends[1].quota->used_bytes(), 0u);
  pair.advance(100 * ms);
  EXPECT_EQ(bodies(pair), "");
}

}  // namespace
}  // namespace harness::layers
