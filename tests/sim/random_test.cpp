// SPDX-License-Identifier: Apache-2.0
// Ten thousand random scenarios, a quarter of them under a sanitizer. HARNESS_SEED=N runs that one seed alone
// and writes its trace.
#include <fstream>
#include <iostream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <harness/layers/all.hpp>
#include <harness/tests/sim/run.hpp>
#include <harness/tests/support/seed.hpp>

namespace harness::tests {
namespace {

constexpr std::uint64_t shards = 20;
constexpr std::uint64_t seeds_in_shard = 510;
constexpr std::uint64_t no_seed = ~std::uint64_t{0};

Catalogue catalogue() {
  Catalogue all;
  layers::add_all(all);
  all.add(transports::Sim::type());
  return all;
}

void write_trace(std::uint64_t seed, const Outcome& outcome) {
  const std::string name = fmt::format("seed-{}.trace", seed);
  std::ofstream file(name);
  file << transports::SimWorld::legend() << '\n';
  for (const std::string& line : outcome.trace) file << line << '\n';
  std::cout << outcome.trace.size() << " lines of trace in " << name << '\n';
}

// One line a failing seed; the trace of the first one is kept.
bool run_seed(std::uint64_t seed, const Catalogue& all, bool keep_trace) {
  const Scenario scenario = scenario_of(seed, all);
  const Outcome outcome = run(scenario, all, keep_trace);
  if (keep_trace) write_trace(seed, outcome);
  if (outcome.failures.empty()) return true;
  ADD_FAILURE() << fmt::format("seed {} failed: {} rerun: HARNESS_SEED={} tests/test_sim", seed,
                               outcome.failures[0], seed)
                << "\n  " << scenario.text();
  for (std::size_t i = 1; i < outcome.failures.size(); ++i)
    std::cout << "  then: " << outcome.failures[i] << '\n';
  if (!keep_trace) write_trace(seed, run(scenario, all, true));
  return false;
}

class Shard : public testing::TestWithParam<std::uint64_t> {};

TEST_P(Shard, KeepsEveryPromise) {
  const Catalogue all = catalogue();
  if (const std::uint64_t only = seed(no_seed); only != no_seed) {
    if (GetParam() == 0) run_seed(only, all, true);
    return;
  }
  unsigned failed = 0;
  for (std::uint64_t i = 0; i < rounds(seeds_in_shard) && failed < 3; ++i)
    if (!run_seed(GetParam() * seeds_in_shard + i, all, false)) ++failed;
}
INSTANTIATE_TEST_SUITE_P(Random, Shard, testing::Range<std::uint64_t>(0, shards));

TEST(Replay, ASeedIsTheSameHistoryEveryTime) {
  const Catalogue all = catalogue();
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const Scenario scenario = scenario_of(seed, all);
    const Outcome first = run(scenario, all);
    const Outcome second = run(scenario_of(seed, all), all, true);
    ASSERT_EQ(first.trace_hash, second.trace_hash) << seed;
    EXPECT_EQ(first.events, second.events);
    EXPECT_FALSE(second.trace.empty());
  }
}

TEST(Replay, TheScenariosAreWhatTheyClaim) {
  const Catalogue all = catalogue();
  std::uint64_t up = 0, in_order = 0, sent = 0, alive = 0;
  constexpr std::uint64_t seeds = 300;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    const Scenario scenario = scenario_of(seed, all);
    EXPECT_GE(scenario.kinds.size(), kinds_min);
    EXPECT_GE(scenario.talkers[0].messages + scenario.talkers[1].messages, 200u);
    const Outcome outcome = run(scenario, all);
    if (scenario.crashes()) continue;
    ++alive;
    up += outcome.up ? 1 : 0;
    in_order += outcome.closed_in_order ? 1 : 0;
    sent += outcome.sent;
  }
  EXPECT_EQ(up, alive) << "links that came up";
  // The others: a heartbeat of a few ms takes a partition or a stall for the death it looks for.
  EXPECT_GT(in_order, alive * 8 / 10) << "runs that ended in order";
  EXPECT_GT(sent, alive * 200) << "messages sent";
}

}  // namespace
}  // namespace harness::tests
