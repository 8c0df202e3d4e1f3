// SPDX-License-Identifier: Apache-2.0
// The judges can judge: a medium that breaks one promise at a time must be seen, by the model of the
// application and by the checker of that promise when it stands in the stack.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <harness/layers/all.hpp>
#include <harness/tests/sim/run.hpp>

namespace harness::tests {
namespace {

using transports::Sim;
using transports::SimPath;

struct Breach {
  const char* promise;
  SimPath path;
  Properties watched;
};

void PrintTo(const Breach& breach, std::ostream* out) { *out << breach.promise; }

class Broken : public testing::TestWithParam<Breach> {
 protected:
  Broken() {
    layers::add_all(catalogue_);
    catalogue_.add(Sim::type());
  }

  // A bare stream medium that claims everything and breaks one promise.
  Scenario scenario(std::uint64_t seed, bool with_checkers_too) const {
    Scenario drawn;
    drawn.seed = seed;
    drawn.medium = OptionValues(Sim::type().options);
    drawn.medium.set(Sim::option_profile, static_cast<std::int64_t>(Sim::Profile::stream));
    const TransportType& sim = *catalogue_.transport("sim");
    const Facts facts = sim.facts(drawn.medium, property::same_domain);
    drawn.stack = StackSpec{{}, &sim, drawn.medium};
    if (with_checkers_too) drawn.stack = with_checkers(drawn.stack, facts, catalogue_);
    drawn.given = check(drawn.stack, facts, {}, catalogue_)->given;
    for (unsigned side = 0; side < 2; ++side) {
      drawn.paths[side] = GetParam().path;
      drawn.paths[side].break_promises = true;
      drawn.quota_bytes[side] = 4 << 20;
    }
    return drawn;
  }
  // Runs in which anything was found, and in which a checker said so.
  std::pair<unsigned, unsigned> found(bool with_checkers_too) const {
    unsigned any = 0, by_checker = 0;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      const Outcome outcome = run(scenario(seed, with_checkers_too), catalogue_);
      any += outcome.failures.empty() ? 0u : 1u;
      for (const std::string& line : outcome.failures)
        if (line.find("violated") != std::string::npos) {
          ++by_checker;
          break;
        }
    }
    return {any, by_checker};
  }
  [[nodiscard]] bool has_checker(Properties watched) const {
    for (const LayerType& type : catalogue_.layers())
      if (type.descriptor->name.starts_with("check_") &&
          type.descriptor->contract.requires_below.intersects(watched))
        return true;
    return false;
  }

  Catalogue catalogue_;
};

TEST_P(Broken, PromiseIsSeenByTheApplicationsModel) { EXPECT_GE(found(false).first, 18u) << "of 20 runs"; }

TEST_P(Broken, PromiseIsSeenByItsChecker) {
  if (!has_checker(GetParam().watched))
    GTEST_SKIP() << "no checker in the catalogue watches " << GetParam().promise;
  EXPECT_GE(found(true).second, 18u) << "of 20 runs";
}

// Set-up frames are disturbed as well, so no rate is so high that a link does not come up.
INSTANTIATE_TEST_SUITE_P(
    Medium, Broken,
    testing::Values(Breach{"reliable", {.loss_ppm = 50'000}, property::reliable},
                    Breach{"no_duplicates", {.duplicate_ppm = 50'000}, property::no_duplicates},
                    Breach{"fifo", {.reorder_ppm = 50'000}, property::fifo},
                    Breach{"integrity", {.corrupt_ppm = 50'000}, property::checked16}),
    [](const auto& each) { return std::string(each.param.promise); });

}  // namespace
}  // namespace harness::tests
