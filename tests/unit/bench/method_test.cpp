// SPDX-License-Identifier: Apache-2.0
// The method of measuring: what is dropped, what is compared, what a report keeps.
#include <cmath>

#include <gtest/gtest.h>

#include <harness/bench/support/contest.hpp>
#include <harness/bench/support/figures.hpp>
#include <harness/bench/support/histogram.hpp>

namespace harness::bench {
namespace {

TEST(Histogram, TellsPercentilesWithinTwoPercent) {
  Histogram histogram;
  for (std::uint64_t value = 1; value <= 100'000; ++value) histogram.record(value);
  for (const double fraction : {0.01, 0.5, 0.9, 0.99, 0.999})
    EXPECT_NEAR(histogram.percentile(fraction), fraction * 100'000, fraction * 2'000) << fraction;
  EXPECT_EQ(histogram.largest(), 100'000u);
}

TEST(Histogram, KeepsSmallAndEnormousValues) {
  Histogram histogram;
  histogram.record(0);
  histogram.record(std::uint64_t{1} << 60);
  EXPECT_EQ(histogram.percentile(0), 0);
  EXPECT_GT(histogram.percentile(1), 1e12);
  EXPECT_EQ(histogram.total(), 2u);
}

// A machine whose floor jumps at every seventh measurement and falls back at once.
struct JumpyMachine {
  double floor() { return ++measured % 7 == 0 ? 200 : 100; }
  double slice(double quiet) { return (measured + 1) % 7 == 0 ? quiet * 9 : quiet; }
  int measured = 0;
};

TEST(Contest, DropsTheSlicesWhoseFloorMoved) {
  JumpyMachine machine;
  const Subject subjects[] = {{"ours", [&] { return machine.slice(10); }},
                              {"theirs", [&] { return machine.slice(20); }}};
  const Floor floor{"imaginary", "ns", [&] { return machine.floor(); }};
  const Outcome outcome = contest(floor, subjects, {.rounds = 20, .rounds_max = 60, .warm_up = 0});
  EXPECT_GT(outcome.dropped, 5u);
  EXPECT_EQ(outcome.courses[0].median(), 10);
  EXPECT_EQ(outcome.courses[1].median(), 20);
  EXPECT_EQ(outcome.ratio(0, 1), 0.5);
  for (const Course& course : outcome.courses)
    for (const double value : course.values) EXPECT_FALSE(value > 20) << "a disturbed slice was kept";
}

TEST(Contest, ComparesNeighboursInTimeNotMediansOfTheWhole) {
  // The machine becomes three times slower half way: each round still sees the same ratio.
  int round = 0;
  const auto speed = [&] { return round < 10 ? 1.0 : 3.0; };
  const Subject subjects[] = {{"ours", [&] { return 10 * speed(); }},
                              {"theirs", [&] { return 40 * speed() * (++round < 0 ? 0 : 1); }}};
  const Floor floor{"imaginary", "ns", [] { return 1.0; }};
  const Outcome outcome = contest(floor, subjects, {.rounds = 20, .rounds_max = 20, .warm_up = 0});
  EXPECT_EQ(outcome.ratio(0, 1), 0.25);
  const auto difference = [](const std::vector<double>& values) { return values[1] - values[0]; };
  EXPECT_EQ(outcome.over_rounds(difference), 90) << "30 in the first half of the rounds, 90 in the other";
}

TEST(Contest, HasNoFigureWhenNothingWasQuiet) {
  double floor_value = 1;
  const Subject subjects[] = {{"ours", [] { return 10.0; }}};
  const Floor floor{"imaginary", "ns", [&] { return floor_value *= 2; }};
  const Outcome outcome = contest(floor, subjects, {.rounds = 3, .rounds_max = 5, .warm_up = 0});
  EXPECT_TRUE(std::isnan(outcome.courses[0].median()));
  Figure figure{.name = "nothing"};
  figure.from(outcome, 0).at_most(figure.value, 5, "≤ 5");
  EXPECT_EQ(figure.verdict, Verdict::skipped);
}

TEST(Report, SurvivesJsonAndNamesMissedTargets) {
  Figure met{.name = "a", .value = 1.5, .unit = "ns", .peer = "fused", .peer_value = 1.25, .ratio = 1.2};
  met.at_most(1.2, 1.5, "≤ 1.5 × fused");
  Figure missed{.name = "b", .value = 2, .unit = "GB/s"};
  missed.at_least(0.5, 0.95, "≥ 0.95 × iperf3");
  const std::vector<Report> reports{{"stack", this_machine(), {met, missed}}};
  const auto read = from_json(to_json(reports));
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_EQ(to_json(*read), to_json(reports));
  const std::string markdown = to_markdown(*read);
  EXPECT_NE(markdown.find("| a | 1.50 ns |"), std::string::npos) << markdown;
  EXPECT_NE(markdown.find("≥ 0.95 × iperf3 | missed"), std::string::npos) << markdown;
}

TEST(Report, TellsSizesInWholeUnits) {
  EXPECT_EQ(size_text(64), "64 B");
  EXPECT_EQ(size_text(1400), "1400 B");
  EXPECT_EQ(size_text(16 * 1024), "16 KiB");
  EXPECT_EQ(size_text(1 << 20), "1 MiB");
}

TEST(Report, RefusesWhatItDidNotWrite) {
  EXPECT_FALSE(from_json("{"));
  EXPECT_FALSE(from_json("{\"schema\": 2, \"reports\": []}"));
  EXPECT_FALSE(from_json("[]"));
}

}  // namespace
}  // namespace harness::bench
