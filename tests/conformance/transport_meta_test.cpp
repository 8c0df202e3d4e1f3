// SPDX-License-Identifier: Apache-2.0
// The suite itself is tested: over a sound transport every case passes, over one with the case's defect it
// fails.
#include <harness/tests/conformance/manual_medium.hpp>

#include <set>

namespace harness::tests {
namespace {

std::vector<std::string> failures_with(const Case& tried, Defect defect) {
  std::string skipped;
  return run_case(tried, [&] { return std::make_unique<LoopMedium>(defect); }, skipped);
}

class TransportSuite : public testing::TestWithParam<Case> {};

TEST_P(TransportSuite, TurnsRedOverATransportWithThisDefect) {
  EXPECT_EQ(failures_with(GetParam(), Defect::none), std::vector<std::string>{})
      << "the decorator itself is not sound";
  EXPECT_FALSE(failures_with(GetParam(), GetParam().broken_by).empty()) << "the defect went unnoticed";
}
INSTANTIATE_TEST_SUITE_P(Meta, TransportSuite, testing::ValuesIn(transport_cases()),
                         [](const auto& case_info) { return std::string(case_info.param.name); });

TEST(TransportSuite, HasSixtyCasesAndUsesEveryDefect) {
  EXPECT_GE(transport_cases().size(), 60u);
  std::set<Defect> used;
  for (const Case& tried : transport_cases()) {
    EXPECT_NE(tried.broken_by, Defect::none) << tried.name;
    used.insert(tried.broken_by);
  }
  EXPECT_EQ(used.size() + 1, static_cast<std::size_t>(Defect::count));
}

}  // namespace
}  // namespace harness::tests
