// SPDX-License-Identifier: Apache-2.0
// The data structures of reliable, each against a plain model: ranges, numbers, joined parts, sent packets.
#include <algorithm>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include <harness/layers/reliable/ack_ranges.hpp>
#include <harness/layers/reliable/joiner.hpp>
#include <harness/stack/numbers.hpp>
#include <harness/layers/reliable/sent_table.hpp>
#include <harness/layers/wire/reliable.hpp>
#include <harness/stack/random.hpp>
#include <harness/tests/support/seed.hpp>

namespace harness::layers {
namespace {

TEST(ReliableNumber, Rfc9000AppendixA3CompletesToTheNearest) {
  EXPECT_EQ(wire::complete(0x9b32, 16, 0xa82f30eb), 0xa82f9b32u);  // the RFC's own example
  EXPECT_EQ(wire::complete(5, 30, 3), 5u);
  const std::uint64_t turn = std::uint64_t{1} << 30;
  for (const std::uint64_t expected : {turn - 3, turn, turn + 7, 5 * turn - 1, 5 * turn})
    for (std::uint64_t number = expected > 30'000 ? expected - 30'000 : 0; number < expected + 30'000;
         number += 997)
      EXPECT_EQ(wire::complete(number & (turn - 1), 30, expected), number);
}

TEST(AckRanges, HoldTheNewestNumbersAsASetDoes) {
  const std::uint64_t first_seed = tests::seed(1);
  for (std::uint64_t seed = first_seed; seed < first_seed + 200; ++seed) {
    Random random(seed);
    AckRanges ranges;
    std::set<std::uint64_t> model;
    for (int i = 0; i < 60; ++i) {
      const std::uint64_t number = 1 + random.below(60);  // never more than 30 gaps
      EXPECT_EQ(ranges.add(number), model.insert(number).second) << "seed " << seed;
    }
    std::set<std::uint64_t> told;
    for (unsigned i = 0; i < ranges.count(); ++i) {
      EXPECT_LE(ranges[i].first, ranges[i].last);
      if (i != 0) {
        EXPECT_GE(ranges[i - 1].first, ranges[i].last + 2) << "seed " << seed;
      }
      for (std::uint64_t number = ranges[i].first; number <= ranges[i].last; ++number) told.insert(number);
    }
    EXPECT_EQ(told, model) << "seed " << seed;
    EXPECT_EQ(ranges.largest(), *model.rbegin());
  }
}

TEST(AckRanges, AreBoundedAndLoseTheOldestFirst) {
  AckRanges ranges;
  for (std::uint64_t number = 1; number <= 200; number += 2) EXPECT_TRUE(ranges.add(number));
  EXPECT_EQ(ranges.count(), 1 + AckRanges::further_max);
  EXPECT_EQ(ranges.largest(), 199u);
  EXPECT_EQ(ranges[ranges.count() - 1].first, 199u - 2 * AckRanges::further_max);
  EXPECT_FALSE(ranges.add(1)) << "too old to tell";
}

TEST(AckRanges, Rfc9000Section13_2_4ForgetsWhatWasToldOftenEnough) {
  AckRanges ranges;
  ranges.add(1);
  ranges.add(5);
  for (unsigned i = 0; i < AckRanges::told_max; ++i) {
    EXPECT_EQ(ranges.count(), 2u);
    ranges.note_told();
  }
  ASSERT_EQ(ranges.count(), 1u) << "the newest stays";
  EXPECT_EQ(ranges.largest(), 5u);
}

TEST(Numbers, AnswerAsASetDoesAndKeepNothingWithoutAGap) {
  Pool pool;
  const std::uint64_t first_seed = tests::seed(1);
  for (std::uint64_t seed = first_seed; seed < first_seed + 30; ++seed) {
    Random random(seed);
    Numbers numbers;
    std::set<std::uint64_t> model;
    for (int i = 0; i < 30'000; ++i) {
      const std::uint64_t number =
          numbers.floor() + random.below(200) - std::min<std::uint64_t>(numbers.floor(), 50);
      const auto answer = numbers.insert(number, pool, nullptr);
      EXPECT_EQ(answer == Numbers::Answer::fresh, model.insert(number).second);
    }
    for (std::uint64_t number = 0; number < numbers.floor(); ++number) ASSERT_TRUE(model.contains(number));
    EXPECT_FALSE(model.contains(numbers.floor()));
    for (std::uint64_t number = numbers.floor(); number < numbers.floor() + 300; ++number)
      EXPECT_EQ(numbers.contains(number), model.contains(number));
    while (numbers.has_gap()) numbers.insert(numbers.floor(), pool, nullptr);
    EXPECT_EQ(pool.alive_count(), 0u);
  }
}

TEST(Numbers, RefuseWhatLiesBeyondTheWindow) {
  Pool pool;
  Numbers numbers;
  EXPECT_EQ(numbers.insert(Numbers::window, pool, nullptr), Numbers::Answer::beyond);
  EXPECT_EQ(numbers.insert(Numbers::window - 1, pool, nullptr), Numbers::Answer::fresh);
  EXPECT_EQ(numbers.insert(Numbers::window - 1, pool, nullptr), Numbers::Answer::known);
  EXPECT_EQ(numbers.insert(0, pool, nullptr), Numbers::Answer::fresh);
  EXPECT_EQ(numbers.insert(Numbers::window, pool, nullptr), Numbers::Answer::fresh);
}

// ---- parts ----

std::string text_of(const Message& message) {
  std::string text;
  message.each_run([&](Bytes run) {
    text.append(as_text(run));
    return true;
  });
  return text;
}

TEST(Joiner, JoinsAnyCuttingOfAMessageAndCountsItsBytesOnce) {
  Pool pool;
  const std::uint64_t first_seed = tests::seed(1);
  for (std::uint64_t seed = first_seed; seed < first_seed + 500; ++seed) {
    Random random(seed);
    std::string whole;
    for (std::uint64_t i = random.between(1, 300); i > 0; --i)
      whole += static_cast<char>('a' + random.below(26));
    Joiner joiner;
    std::string joined;
    // Random overlapping pieces until it is complete.
    for (int i = 0; i < 10'000 && joined.empty(); ++i) {
      const std::size_t offset = random.below(whole.size());
      const std::size_t bytes = 1 + random.below(whole.size() - offset);
      Message part = Message::copy_of(pool, std::string_view(whole).substr(offset, bytes));
      const auto answer = joiner.take(7, static_cast<std::uint32_t>(offset), offset + bytes == whole.size(),
                                      part, pool, nullptr);
      ASSERT_NE(answer, Joiner::Answer::malformed) << "seed " << seed;
      if (answer == Joiner::Answer::complete) joined = text_of(part);
    }
    EXPECT_EQ(joined, whole) << "seed " << seed;
    EXPECT_EQ(joiner.fresh_bytes(), whole.size()) << "seed " << seed;
    EXPECT_EQ(joiner.runs(), 0u);
  }
  EXPECT_EQ(pool.alive_count(), 0u);
}

TEST(Joiner, RefusesPartsThatContradictEachOther) {
  Pool pool;
  Joiner joiner;
  const auto take = [&](std::uint32_t offset, std::string_view bytes, bool last) {
    Message part = Message::copy_of(pool, bytes);
    return joiner.take(1, offset, last, part, pool, nullptr);
  };
  EXPECT_EQ(take(10, "0123456789", true), Joiner::Answer::kept);
  EXPECT_EQ(take(15, "0123456789", false), Joiner::Answer::malformed) << "beyond the end";
  EXPECT_EQ(take(2, "0123456789", true), Joiner::Answer::malformed) << "an end inside";
  EXPECT_EQ(take(12, "012", false), Joiner::Answer::known);
  EXPECT_EQ(joiner.runs(), 1u);
}

TEST(Joiner, BoundsTheRunsOfAFlood) {
  Pool pool;
  Joiner joiner;
  std::size_t full = 0;
  for (std::uint32_t i = 0; i < 2 * Joiner::runs_max; ++i) {
    Message part = Message::copy_of(pool, "x");
    if (joiner.take(i, 5, false, part, pool, nullptr) == Joiner::Answer::full) ++full;
  }
  EXPECT_EQ(joiner.runs(), Joiner::runs_max);
  EXPECT_EQ(full, Joiner::runs_max);
}

// ---- the table of sent packets ----

Retained retained(Pool& pool, const std::string& text) {
  const Message message = Message::copy_of(pool, text);
  return Retained::of(message, 0, message.size(), pool);
}
std::string text_of(const Retained& kept, Pool& pool) {
  Message again = kept.slice(0, kept.size(), pool);
  return std::string(as_text(again.gathered(pool)));
}

TEST(Retained, RefersToOneRunOrToPiecesAndCutsBoth) {
  Pool pool;
  {
    Message one = Message::copy_of(pool, "headed body");
    std::memcpy(one.push(4), "HEAD", 4);
    EXPECT_EQ(text_of(Retained::of(one, 0, one.size(), pool), pool), "HEADheaded body");
    Message part = one.slice(pool, 7, 4);  // a header block of its own
    std::memcpy(part.push(2), "P:", 2);
    for (const Message* message : {&one, &part}) {
      Retained kept = Retained::of(*message, 1, message->size() - 1, pool);
      EXPECT_EQ(kept.size(), message->size() - 1);
      Retained cut = kept.part(2, 3, pool);
      kept.reset();
      EXPECT_FALSE(kept);
      EXPECT_EQ(text_of(cut, pool), message == &one ? "Dhe" : "ody");
      Retained moved = std::move(cut);
      EXPECT_EQ(text_of(moved, pool).size(), 3u);
    }
  }
  EXPECT_EQ(pool.alive_count(), 0u);
}

TEST(SentTable, TakesTheOldestPacketInFlightOffAndForgetsIt) {
  Pool pool;
  SentTable table;
  for (std::uint64_t i = 1; i <= 3; ++i) {
    ASSERT_TRUE(table.make_room(pool));
    table.append(i).data = retained(pool, "x");
  }
  for (std::uint32_t number = 1; number <= 3; ++number) {
    EXPECT_EQ(table.flying().front, number);
    table.at(number).data.reset();
    table.take_front();
    EXPECT_EQ(table.first(), number + 1);
  }
  EXPECT_TRUE(table.flying().empty());
  ASSERT_TRUE(table.make_room(pool));
  table.append(4);
  EXPECT_EQ(table.flying().front, table.flying().back);
}

TEST(SentTable, GrowsKeepsItsListsAndGivesEverythingBack) {
  Pool pool;
  {
    SentTable table;
    for (std::uint64_t i = 0; i < 1000; ++i) {
      ASSERT_TRUE(table.make_room(pool));
      table.append(i).data = retained(pool, std::to_string(table.next()));
    }
    for (std::uint32_t number = 1; number <= 1000; number += 2) table.mark_lost(number);
    std::uint32_t count = 0;
    for (std::uint32_t number = table.flying().front; number != 0; number = table.at(number).after, ++count)
      EXPECT_EQ(text_of(table.at(number).data, pool), std::to_string(number));
    EXPECT_EQ(count, 500u);
    for (std::uint32_t number = 2; number <= 1000; number += 2) {
      table.at(number).data.reset();
      table.mark_done(number);
    }
    table.retire(0);
    EXPECT_EQ(table.first(), 1u) << "number 1 is lost and not sent again";
    table.forget_data(1);
    table.retire(~std::uint64_t{0});
    EXPECT_EQ(table.first(), 3u);
    table.clear();
    EXPECT_EQ(pool.alive_count(), 0u);
    EXPECT_EQ(table.next(), 1001u) << "numbers are never used again";
  }
}

TEST(SentTable, HoldsNoMorePacketsThanItsBound) {
  Pool pool;
  SentTable table;
  std::uint32_t packets = 0;
  for (; table.make_room(pool) && packets <= SentTable::packets_max; ++packets) table.append(0);
  EXPECT_EQ(packets, SentTable::packets_max);
}

TEST(SentTable, RemembersABoundedNumberOfPacketsWhoseDataTravelOn) {
  Pool pool;
  SentTable table;
  for (std::uint32_t i = 1; i <= 200; ++i) {
    table.make_room(pool);
    table.append(i).data = retained(pool, "x");
    table.mark_lost(i);
    table.forget_data(i);
  }
  std::uint32_t ghosts = 0;
  for (std::uint32_t number = table.ghosts().front; number != 0; number = table.at(number).after) ++ghosts;
  EXPECT_EQ(ghosts, SentTable::ghosts_max);
  EXPECT_TRUE(table.lost().empty());
}

}  // namespace
}  // namespace harness::layers
