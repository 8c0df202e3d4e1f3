// SPDX-License-Identifier: Apache-2.0
// Where eager ends: the decision over given costs.
#include <vector>

#include <gtest/gtest.h>

#include <harness/transports/ofi/crossover.hpp>

namespace harness::transports::ofi {
namespace {

constexpr std::uint32_t k1 = 1024;
using Costs = std::vector<FrameCost>;

// Eager costs a step and its bytes twice, an offer costs more at first and its bytes once.
Costs crossing_behind(std::uint32_t last_eager) {
  Costs costs;
  for (std::uint32_t bytes = 2 * k1; bytes <= eager_bytes_max; bytes *= 2)
    costs.push_back({bytes, 1000 + 2 * std::uint64_t{bytes}, 1000 + bytes + last_eager * 3 / 2});
  return costs;
}

void expect_learnt(const Crossover& found, std::uint32_t bytes) {
  EXPECT_EQ(found.how, Crossover::How::learnt) << found.why;
  EXPECT_EQ(found.bytes, bytes);
}
void expect_table(const Crossover& found, std::uint32_t bytes, std::string_view why) {
  EXPECT_EQ(found.how, Crossover::How::table);
  EXPECT_EQ(found.bytes, bytes);
  EXPECT_EQ(std::string_view(found.why), why);
}

TEST(OfiCrossover, IsTheLastSizeThatIsCheaperEager) {
  for (const std::uint32_t size : {2u, 4u, 8u, 16u, 32u}) {
    expect_learnt(crossover_of(crossing_behind(size * k1), k1), size * k1);
    expect_learnt(crossover_of(crossing_behind(size * k1), 64 * k1), size * k1);
  }
}

TEST(OfiCrossover, SaysHowManySizesItKnows) {
  EXPECT_EQ(crossover_of(crossing_behind(8 * k1), 16 * k1).sizes, 6u);
}

TEST(OfiCrossover, IsTheLargestSizeWhenTheCostsNeverCross) {
  expect_learnt(crossover_of(Costs{{2 * k1, 10, 20}, {4 * k1, 20, 40}, {8 * k1, 40, 80}}, 4 * k1), 8 * k1);
}

TEST(OfiCrossover, IsTheLeastWhenEagerIsNeverCheaper) {
  expect_learnt(crossover_of(Costs{{2 * k1, 20, 10}, {4 * k1, 40, 20}}, 16 * k1), eager_bytes_min);
}

TEST(OfiCrossover, KeepsTheTablesFigureAmongSizesThatCostAlike) {
  const Costs costs{
      {2 * k1, 10, 20}, {4 * k1, 95, 100}, {8 * k1, 100, 95}, {16 * k1, 100, 91}, {32 * k1, 40, 20}};
  for (const std::uint32_t size : {2u, 4u, 8u, 16u}) expect_learnt(crossover_of(costs, size * k1), size * k1);
  expect_learnt(crossover_of(costs, k1), 2 * k1);
  expect_learnt(crossover_of(costs, 64 * k1), 16 * k1);
}

TEST(OfiCrossover, IsTheTablesWhenNoSizeDiffersClearly) {
  const Costs costs{{2 * k1, 100, 105}, {4 * k1, 105, 100}, {8 * k1, 100, 109}, {16 * k1, 109, 100}};
  expect_learnt(crossover_of(costs, 4 * k1), 4 * k1);
}

TEST(OfiCrossover, IsTheTablesWhenTheCostsCrossTwice) {
  const Costs costs{{2 * k1, 10, 20}, {4 * k1, 40, 20}, {8 * k1, 40, 80}, {16 * k1, 160, 80}};
  expect_table(crossover_of(costs, 4 * k1), 4 * k1, "the measured costs cross more than once");
}

TEST(OfiCrossover, IsTheTablesWithoutAWholeMeasure) {
  expect_table(crossover_of(Costs{}, 16 * k1), 16 * k1, "it was not measured");
  expect_table(crossover_of(Costs{{2 * k1, 10, 20}, {4 * k1, 0, 20}}, 16 * k1), 16 * k1,
               "it was not measured");
  expect_table(crossover_of(Costs{{2 * k1, 10, 20}, {4 * k1, 40, 0}}, 16 * k1), 16 * k1,
               "it was not measured");
}

}  // namespace
}  // namespace harness::transports::ofi
