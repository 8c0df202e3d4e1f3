// SPDX-License-Identifier: Apache-2.0
// The property word: axes do not overlap, levels are ordered, words and bits find each other.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include <harness/stack/property.hpp>
#include <harness/stack/text.hpp>

namespace harness {
namespace {

using property::at_least;

TEST(Property, AxesFillTheWordWithoutOverlapInTheOrderOfTheEnum) {
  Properties seen;
  for (std::size_t i = 0; i < axis_count; ++i) {
    const AxisInfo& info = property::axes()[i];
    EXPECT_EQ(static_cast<std::size_t>(info.axis), i);
    EXPECT_FALSE(seen.intersects(property::whole(info.axis))) << info.name;
    EXPECT_EQ(property::whole(info.axis).bits, at_least(info.axis, info.levels).bits) << info.name;
    EXPECT_EQ(property::whole(info.axis).bits >> info.shift, (std::uint64_t{1} << info.levels) - 1)
        << info.name;
    seen = seen | property::whole(info.axis);
  }
}

TEST(Property, AHigherLevelCoversEveryLowerOneAndNotTheReverse) {
  for (const AxisInfo& info : property::axes()) {
    for (unsigned high = 0; high <= info.levels; ++high) {
      EXPECT_EQ(property::level(at_least(info.axis, high), info.axis), high);
      for (unsigned low = 0; low < high; ++low) {
        EXPECT_TRUE(at_least(info.axis, high).covers(at_least(info.axis, low)));
        EXPECT_FALSE(at_least(info.axis, low).covers(at_least(info.axis, high)));
      }
    }
  }
}

TEST(Property, EveryWordIsUniqueAndReadsBackAsItsLevel) {
  std::set<std::string_view> words;
  for (const AxisInfo& info : property::axes()) {
    for (unsigned level = 0; level <= info.levels; ++level) {
      EXPECT_FALSE(info.words[level].empty()) << info.name << level;
      EXPECT_TRUE(words.insert(info.words[level]).second) << info.words[level];
      EXPECT_EQ(property::from_word(info.words[level]), at_least(info.axis, level)) << info.words[level];
      EXPECT_EQ(property::to_string(at_least(info.axis, level)), level == 0 ? "nothing" : info.words[level]);
    }
    for (std::size_t level = info.levels + 1u; level < info.words.size(); ++level)
      EXPECT_TRUE(info.words[level].empty());
  }
}

TEST(Property, TheWordsUsersWriteAskForWhatTheyMean) {
  EXPECT_EQ(property::from_word("reliable"), property::reliable);
  EXPECT_EQ(property::from_word("ordered"), property::fifo);
  EXPECT_EQ(property::from_word("FIFO"), property::fifo);
  EXPECT_EQ(property::from_word("no-duplicates"), property::no_duplicates);
  EXPECT_EQ(property::from_word("no_duplicates"), property::no_duplicates);
  EXPECT_EQ(property::from_word("Death Notice"), property::death_within);
  EXPECT_EQ(property::from_word("heartbeat"), property::death_within);
  EXPECT_EQ(property::from_word("priority"), property::channels);
  EXPECT_EQ(property::from_word("checked"), property::checked32);
  EXPECT_EQ(property::from_word("encrypted"), property::encrypted);
  EXPECT_EQ(property::from_word("exactly once"), property::reliable | property::no_duplicates);
}

TEST(Property, UnknownEmptyAndEndlessWordsAskForNothingAtAll) {
  EXPECT_EQ(property::from_word("fast"), std::nullopt);
  EXPECT_EQ(property::from_word(""), std::nullopt);
  EXPECT_EQ(property::from_word(std::string(100000, 'a')), std::nullopt);
  EXPECT_EQ(property::from_word(std::string_view("reliable\0", 9)), std::nullopt);
}

TEST(Property, AMistypedWordFindsItsNeighbour) {
  EXPECT_EQ(property::closest_word("relaible"), "reliable");
  EXPECT_EQ(property::closest_word("ordred"), "ordered");
  EXPECT_EQ(property::closest_word("encrypt"), "encrypted");
  EXPECT_EQ(property::closest_word("Death-Notise"), "death notice");
  EXPECT_EQ(property::closest_word("xyzzy"), "");
}

TEST(Property, ASetPrintsItsStrongestWords) {
  EXPECT_EQ(property::to_string(property::none), "nothing");
  EXPECT_EQ(property::to_string(property::fifo | property::message | property::resumable),
            "message, resumable, fifo");
}

TEST(Text, EditDistanceCountsInsertionsDeletionsReplacementsAndSwaps) {
  EXPECT_EQ(text::edit_distance("", "", 5), 0u);
  EXPECT_EQ(text::edit_distance("frag", "fragg", 5), 1u);
  EXPECT_EQ(text::edit_distance("frag", "rag", 5), 1u);
  EXPECT_EQ(text::edit_distance("frag", "frog", 5), 1u);
  EXPECT_EQ(text::edit_distance("frag", "farg", 5), 1u);
  EXPECT_EQ(text::edit_distance("kitten", "sitting", 5), 3u);
  EXPECT_EQ(text::edit_distance("abcdefgh", "zzzzzzzz", 3), 4u);
  EXPECT_EQ(text::edit_distance(std::string(65, 'a'), "a", 3), 4u);
}

TEST(Text, TheClosestWordNeedsTwoThirdsInCommon) {
  const std::string_view words[] = {"frag", "order", "heartbeat"};
  EXPECT_EQ(text::closest("heartbaet", words), "heartbeat");
  EXPECT_EQ(text::closest("ordre", words), "order");
  EXPECT_EQ(text::closest("fr", words), "");
  EXPECT_EQ(text::closest("", words), "");
  EXPECT_EQ(text::closest(std::string(5000, 'x'), words), "");
}

TEST(Text, QuotedTextFromAStrangerIsShortAndPrintable) {
  EXPECT_EQ(text::quoted("frag"), "'frag'");
  EXPECT_EQ(text::quoted(std::string_view("a\0b\x1b"
                                          "c",
                                          5)),
            "'a?b?c'");
  EXPECT_EQ(text::quoted("abcdef", 3), "'abc…'");
}

}  // namespace
}  // namespace harness
