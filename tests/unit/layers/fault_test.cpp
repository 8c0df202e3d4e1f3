// SPDX-License-Identifier: Apache-2.0
// Fault layers: they do what they say, at the rate they say, and nothing else.
#include <algorithm>

#include <gtest/gtest.h>

#include <harness/layers/all.hpp>
#include <harness/layers/fault/fault_corrupt.hpp>
#include <harness/layers/fault/fault_delay.hpp>
#include <harness/layers/fault/fault_drop.hpp>
#include <harness/layers/fault/fault_duplicate.hpp>
#include <harness/layers/fault/fault_partition.hpp>
#include <harness/layers/fault/fault_reorder.hpp>
#include <harness/layers/mux.hpp>
#include <harness/stack/compose.hpp>
#include <harness/tests/support/pair.hpp>
#include <harness/transports/loop.hpp>

namespace harness::layers {
namespace {

using tests::layer;
using tests::Pair;

constexpr std::uint64_t ms = 1'000'000;
constexpr std::int64_t always = 1'000'000;  // ppm
constexpr unsigned sent = 1000;

void send_numbers(Pair& pair, unsigned count = sent) {
  pair.send_all(0, count, [](unsigned i) { return std::to_string(i); });
}

std::vector<unsigned> numbers(const Pair& pair) {
  std::vector<unsigned> all;
  for (const auto& delivered : pair.ends[1].delivered)
    all.push_back(static_cast<unsigned>(std::stoul(delivered.body)));
  return all;
}

std::vector<unsigned> first(unsigned count) {
  std::vector<unsigned> all(count);
  for (unsigned i = 0; i < count; ++i) all[i] = i;
  return all;
}

TEST(FaultDrop, LosesAboutTheRateAndTheSameMessagesInEveryRunOfASeed) {
  const auto run = [](std::int64_t seed) {
    Pair pair({layer<FaultDrop>({{FaultDrop::rate, 100'000}, {FaultDrop::seed, seed}})});
    send_numbers(pair);
    EXPECT_EQ(pair.ends[1].value("fault_drop", "lost_messages") + pair.ends[1].delivered.size(), sent);
    return numbers(pair);
  };
  const auto got = run(7);
  EXPECT_GT(got.size(), 860u);
  EXPECT_LT(got.size(), 940u);
  EXPECT_EQ(run(7), got);
  EXPECT_NE(run(8), got);
}

TEST(FaultDrop, TowardLeavesTheOtherDirectionAlone) {
  Pair pair({layer<FaultDrop>({{FaultDrop::rate, always}, {FaultDrop::toward, 1}})});
  send_numbers(pair, 20);
  ASSERT_EQ(pair.ends[1].send("x"), Errc::ok);
  EXPECT_EQ(pair.ends[1].send("y"), Errc::ok);
  pair.run();
  EXPECT_EQ(pair.ends[1].delivered.size(), 20u) << "end 1 is the responder";
  EXPECT_EQ(pair.ends[0].delivered.size(), 0u);
}

TEST(FaultDuplicate, HandsUpEveryMessageAndSomeTwice) {
  Pair pair({layer<FaultDuplicate>({{FaultDuplicate::rate, 200'000}, {FaultDuplicate::seed, 3}})});
  send_numbers(pair);
  auto got = numbers(pair);
  EXPECT_GT(got.size(), sent + 140);
  EXPECT_LT(got.size(), sent + 260);
  EXPECT_TRUE(std::is_sorted(got.begin(), got.end()));
  got.erase(std::unique(got.begin(), got.end()), got.end());
  EXPECT_EQ(got, first(sent));
}

TEST(FaultReorder, KeepsEveryMessageAndMovesNoneFurtherThanItsDistance) {
  Pair pair({layer<FaultReorder>(
      {{FaultReorder::rate, 100'000}, {FaultReorder::distance, 4}, {FaultReorder::seed, 5}})});
  send_numbers(pair);
  pair.advance(10 * ms);
  auto got = numbers(pair);
  ASSERT_EQ(got.size(), sent);
  EXPECT_FALSE(std::is_sorted(got.begin(), got.end()));
  for (unsigned i = 0; i < sent; ++i) EXPECT_LE(std::max(got[i], i) - std::min(got[i], i), 8u) << i;
  std::sort(got.begin(), got.end());
  EXPECT_EQ(got, first(sent));
  EXPECT_EQ(pair.ends[1].quota->used_bytes(), 0u);
}

TEST(FaultReorder, NoMoreWaitThanTheDistance) {
  Pair pair({layer<FaultReorder>({{FaultReorder::rate, always}, {FaultReorder::distance, 4}})});
  for (unsigned i = 0; i < 100; ++i) {
    send_numbers(pair, 1);
    EXPECT_LE(pair.ends[1].value("fault_reorder", "waiting_messages"), 4u);
  }
  EXPECT_GT(numbers(pair).size(), 90u);
}

TEST(FaultReorder, TheLastMessageWaitsForItsDelayOnly) {
  Pair pair({layer<FaultReorder>({{FaultReorder::rate, always}, {FaultReorder::delay, 3000}})});
  send_numbers(pair, 1);
  EXPECT_TRUE(pair.ends[1].gate.owes_delivery());
  pair.advance(2 * ms);
  EXPECT_EQ(numbers(pair).size(), 0u);
  pair.advance(2 * ms);
  EXPECT_EQ(numbers(pair), first(1));
  EXPECT_FALSE(pair.ends[1].gate.owes_delivery());
}

TEST(FaultDelay, HandsUpAfterTheDelayAndInOrder) {
  Pair pair({layer<FaultDelay>({{FaultDelay::delay, 5000}, {FaultDelay::jitter, 4000}})});
  send_numbers(pair, 100);
  pair.advance(4 * ms);
  EXPECT_EQ(numbers(pair).size(), 0u);
  EXPECT_TRUE(pair.ends[1].gate.owes_delivery());
  pair.advance(6 * ms);
  EXPECT_EQ(numbers(pair), first(100));
  EXPECT_FALSE(pair.ends[1].gate.owes_delivery());
}

TEST(FaultDelay, MoreThanTheQueueGoEarlyAndNoneIsLost) {
  Pair pair({layer<FaultDelay>({{FaultDelay::delay, 5000}, {FaultDelay::queue, 10}})});
  send_numbers(pair, 50);
  EXPECT_EQ(numbers(pair), first(40));
  EXPECT_EQ(pair.ends[1].value("fault_delay", "waiting_messages"), 10u);
  pair.advance(6 * ms);
  EXPECT_EQ(numbers(pair), first(50));
}

TEST(FaultDelay, WhatWaitsIsGivenBackWhenThePeerIsLost) {
  Pair pair({layer<FaultDelay>()});
  send_numbers(pair, 10);
  pair.ends[1].stack->event({EventKind::peer_lost, Errc::timed_out});
  EXPECT_EQ(pair.ends[1].quota->used_bytes(), 0u);
  pair.advance(10 * ms);
  EXPECT_EQ(numbers(pair).size(), 0u);
}

TEST(FaultCorrupt, TurnsAFewBitsOfACopyAndLeavesTheLength) {
  Pair pair({layer<FaultCorrupt>({{FaultCorrupt::rate, 300'000}, {FaultCorrupt::bits, 2}})},
            {.copies = false});  // the receiver gets the sender's slabs: they must not change
  std::vector<Message> shared;
  const std::string body(64, 'a');
  unsigned damaged = 0;
  for (unsigned i = 0; i < 300; ++i) {
    Message message = Message::copy_of(pair.engine.pool(), body);
    shared.push_back(message.share(pair.engine.pool()));
    ASSERT_EQ(pair.ends[0].stack->send(std::move(message)), Errc::ok);
    pair.run();
    const std::string& got = pair.ends[1].delivered.back().body;
    ASSERT_EQ(got.size(), body.size());
    unsigned bits = 0;
    for (const char letter : got)
      bits += static_cast<unsigned>(std::popcount(static_cast<unsigned char>(letter ^ 'a')));
    EXPECT_LE(bits, 2u);
    damaged += bits != 0 ? 1u : 0u;
    EXPECT_EQ(shared.back().text(), body);
  }
  EXPECT_GT(damaged, 50u);
  EXPECT_LT(damaged, 130u);
}

TEST(FaultCorrupt, ADamagedMessageStaysOnItsChannel) {
  Pair pair({layer<FaultCorrupt>({{FaultCorrupt::rate, always}}), layer<Mux>()});
  ASSERT_EQ(pair.ends[0].send("body", 5), Errc::ok);
  pair.run();
  ASSERT_EQ(pair.ends[1].delivered.size(), 1u);
  EXPECT_EQ(pair.ends[1].delivered[0].channel, 5u);
}

TEST(FaultPartition, LosesAllOfACutAndNothingBetweenCuts) {
  Pair pair({layer<FaultPartition>(
      {{FaultPartition::every, 20'000}, {FaultPartition::length, 10'000}, {FaultPartition::seed, 1}})});
  for (unsigned i = 0; i < sent; ++i) {
    ASSERT_EQ(pair.ends[0].send(std::to_string(i)), Errc::ok);
    pair.advance(ms);
  }
  const auto got = numbers(pair);
  const std::uint64_t cuts = pair.ends[1].value("fault_partition", "cuts");
  EXPECT_GT(cuts, 15u);
  EXPECT_LT(cuts, 80u);
  std::uint64_t gaps = 0;
  for (std::size_t i = 1; i < got.size(); ++i) gaps += got[i] != got[i - 1] + 1 ? 1u : 0u;
  EXPECT_LE(gaps, cuts) << "a cut is one gap";
  EXPECT_GE(gaps + 2, cuts);
  EXPECT_EQ(got.size() + pair.ends[1].value("fault_partition", "lost_messages"), sent);
}

TEST(FaultPartition, LosesNoMoreOfAThinStreamThanOfAThickOne) {
  Pair pair({layer<FaultPartition>(
      {{FaultPartition::every, 20'000}, {FaultPartition::length, 10'000}, {FaultPartition::seed, 1}})});
  for (unsigned i = 0; i < sent; ++i) {
    ASSERT_EQ(pair.ends[0].send(std::to_string(i)), Errc::ok);
    pair.advance(700 * ms);
  }
  EXPECT_GT(numbers(pair).size(), sent * 6 / 10) << "a fifth of the time is cut";
  EXPECT_LT(numbers(pair).size(), sent * 95 / 100);
}

TEST(Fault, CheckSaysWhatTheyMayBreak) {
  Catalogue catalogue;
  add_all(catalogue);
  catalogue.add(transports::Loop::type());
  const TransportType& loop = *catalogue.transport("loop");
  const Facts facts = loop.facts(OptionValues(loop.options), property::same_process);
  const auto given = [&](std::string_view text) {
    return check(*stack_from(text, catalogue), facts, {}, catalogue);
  };
  EXPECT_FALSE(given("frag / fault_drop @ loop"));
  EXPECT_FALSE(given("frag / fault_duplicate @ loop"));
  EXPECT_FALSE(given("check_fifo / fault_reorder @ loop"));
  EXPECT_FALSE(given("order / fault_corrupt @ loop"));
  EXPECT_FALSE(given("check_reliable / fault_partition @ loop"));
  EXPECT_FALSE(given("check_channels / fault_delay / mux @ loop"));
  EXPECT_TRUE(given("check_fifo / order / fault_reorder / fault_drop / fault_drop @ loop"));
  EXPECT_TRUE(given("check_reliable / check_fifo / fault_delay @ loop"));
}

TEST(Fault, IsNeverDerived) {
  // A layer that forbids what fault_drop clears: the cheapest "remedy" would be to lose messages.
  static constexpr Descriptor shy{.name = "shy",
                                  .summary = "stands on lossy layers only",
                                  .contract = {.requires_below = property::message,
                                               .forbids_below = property::reliable,
                                               .adds = property::merge,
                                               .cost = {0, 1, 0}},
                                  .place = 1};
  Catalogue catalogue;
  add_all(catalogue);
  LayerType type;
  type.descriptor = &shy;
  catalogue.add(type);
  catalogue.add(transports::Loop::type());
  const TransportType& loop = *catalogue.transport("loop");
  const OptionValues options(loop.options);
  const auto derived =
      compose({property::merge}, loop, options, loop.facts(options, property::same_process), catalogue);
  EXPECT_FALSE(derived) << derived->text();
}

}  // namespace
}  // namespace harness::layers
