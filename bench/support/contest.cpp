// SPDX-License-Identifier: Apache-2.0
// See contest.hpp.
#include <harness/bench/support/contest.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

namespace harness::bench {

namespace {
constexpr double none = std::numeric_limits<double>::quiet_NaN();
}

double median_of(std::vector<double> values) {
  std::erase_if(values, [](double value) { return std::isnan(value); });
  if (values.empty()) return none;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

double Course::median() const { return median_of(values); }

unsigned Course::kept() const {
  return static_cast<unsigned>(
      std::count_if(values.begin(), values.end(), [](double value) { return !std::isnan(value); }));
}

double Outcome::ratio(std::size_t a, std::size_t b) const {
  return over_rounds([=](const std::vector<double>& values) { return values[a] / values[b]; });
}

Outcome contest(const Floor& floor, std::span<const Subject> subjects, const ContestOptions& options) {
  Outcome outcome;
  outcome.floor_name = floor.name;
  outcome.floor_unit = floor.unit;
  for (const Subject& subject : subjects) outcome.courses.push_back({subject.name, {}});
  for (unsigned i = 0; i < options.warm_up; ++i)
    for (const Subject& subject : subjects) subject.slice();

  std::vector<double> floors;
  double before = floor.measure();
  outcome.floor_first = before;
  unsigned whole = 0;
  for (unsigned round = 0; round < options.rounds_max && whole < options.rounds; ++round) {
    bool clean = true;
    for (std::size_t i = 0; i < subjects.size(); ++i) {
      const double value = subjects[i].slice();
      const double after = floor.measure();
      const bool moved = std::abs(after / before - 1) > options.tolerance;
      outcome.courses[i].values.push_back(moved ? none : value);
      outcome.dropped += moved ? 1 : 0;
      clean = clean && !moved;
      floors.push_back(after);
      before = after;
    }
    whole += clean ? 1 : 0;
  }
  outcome.floor_last = before;
  outcome.floor_median = median_of(floors);
  return outcome;
}

}  // namespace harness::bench
