// SPDX-License-Identifier: Apache-2.0
// Numbers, texts and tables as people see them.
#include <harness/apps/common/human.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <harness/apps/common/histogram.hpp>
#include <harness/apps/common/table.hpp>

namespace harness::apps {
namespace {

TEST(Human, SizesHaveThreeDigitsAndBinaryUnits) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(999), "999 B");
  EXPECT_EQ(human_bytes(1024), "1.00 KiB");
  EXPECT_EQ(human_bytes(16 << 20), "16.0 MiB");
  EXPECT_EQ(human_bytes(1023 * 1024), "1023 KiB");
  EXPECT_EQ(human_bytes((1u << 20) - 1), "1.00 MiB");  // never "1024 KiB"
}

TEST(Human, RatesAreDecimalAndNeverDivideByNoTime) {
  EXPECT_EQ(human_rate(1'000'000, 1'000'000'000), "1.00 MB/s");
  EXPECT_EQ(human_rate(5, 1'000'000'000), "0.01 kB/s");
  EXPECT_EQ(human_rate(12'345'678'900, 1'000'000'000), "12.3 GB/s");
  EXPECT_EQ(human_rate(7, 0), "–");
}

TEST(Human, TimesPickTheUnitThatFits) {
  EXPECT_EQ(human_time(850), "850 ns");
  EXPECT_EQ(human_time(12'345), "12.3 µs");
  EXPECT_EQ(human_time(999'999), "1.00 ms");  // never "1000 µs"
  EXPECT_EQ(human_time(1'500'000'000), "1.50 s");
  EXPECT_EQ(human_time(125'000'000'000), "2 min 5 s");
  EXPECT_EQ(human_time(3'725'000'000'000), "1 h 2 min");
}

TEST(Human, CountsAgreeWithTheirWord) {
  EXPECT_EQ(human_count(1, "file", "files"), "1 file");
  EXPECT_EQ(human_count(0, "file", "files"), "0 files");
}

TEST(Human, TextFromOutsideCannotMoveTheCursor) {
  EXPECT_EQ(printable("naïve 文"), "naïve 文");
  EXPECT_EQ(printable("a\x1b[2Jb\n"), "a\\x1b[2Jb\\x0a");
  EXPECT_EQ(printable("\x7f\xc2\x9b"), "\\x7f\\xc2\\x9b");  // DEL and the C1 control sequence introducer
  EXPECT_EQ(printable("\xff\xc0\x80"), "\\xff\\xc0\\x80");  // no UTF-8, and an overlong NUL
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // a surrogate
  EXPECT_EQ(printable("x\xe2\x82"), "x\\xe2\\x82");         // cut in the middle
}

TEST(Table, AlignsColumnsByWhatIsSeenNotByBytes) {
  Table table({{"NAME"}, {"SIZE", Table::Align::right}, {"WHY"}});
  table.row({"é", "1", "short"});
  table.row({"long", "10000", "x"});
  EXPECT_EQ(table.text(),
            "NAME   SIZE  WHY\n"
            "é         1  short\n"
            "long  10000  x\n");
}

TEST(Table, WrapsItsLastColumnBelowItself) {
  Table table({{"LINK"}, {"WHY"}});
  table.row({"main", "because the transport gives neither order nor reliability"});
  const std::string text = table.text(40);
  EXPECT_EQ(text,
            "LINK  WHY\n"
            "main  because the transport gives\n"
            "      neither order nor reliability\n");
}

TEST(Table, FillsMissingCells) {
  Table table({{"A"}, {"B"}});
  table.row({"x"});
  EXPECT_EQ(table.text(), "A  B\nx\n");
}

TEST(Histogram, PercentilesAreAtMostThreePercentTooLarge) {
  Histogram histogram;
  for (std::uint64_t value = 1; value <= 100'000; ++value) histogram.add(value);
  EXPECT_EQ(histogram.count(), 100'000u);
  EXPECT_EQ(histogram.min(), 1u);
  EXPECT_EQ(histogram.max(), 100'000u);
  for (const double part : {0.01, 0.5, 0.9, 0.99, 0.999}) {
    const auto exact = part * 100'000;
    EXPECT_GE(static_cast<double>(histogram.percentile(part)), exact);
    EXPECT_LE(static_cast<double>(histogram.percentile(part)), exact * 1.032);
  }
  EXPECT_EQ(histogram.percentile(1), 100'000u);
}

TEST(Histogram, HoldsTheLargestValuesAndNothing) {
  Histogram histogram;
  EXPECT_EQ(histogram.percentile(0.5), 0u);
  EXPECT_EQ(histogram.min(), 0u);
  histogram.add(~std::uint64_t{0});
  histogram.add(0);
  EXPECT_EQ(histogram.percentile(1), ~std::uint64_t{0});
  EXPECT_EQ(histogram.percentile(0), 0u);
}

}  // namespace
}  // namespace harness::apps
