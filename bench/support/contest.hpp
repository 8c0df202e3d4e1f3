// SPDX-License-Identifier: Apache-2.0
// How everything is measured here (design §12): in slices of at most 20 ms, ours and the others in turn, the
// machine's floor before and after each slice.
//
//   floor A floor B floor C floor   A floor B floor …      one round, again, at least five rounds
//
// A slice whose floor moved by more than 20 % is dropped: somebody else used the machine. Medians of what is
// left are reported, and the ratio of two subjects is the median of the ratios within each round, because
// neighbours in time saw the same machine. The first rounds warm up and count for nothing.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include <harness/bench/support/histogram.hpp>

namespace harness::bench {

/// What one slice found: the subject's figure, and, when it measured single messages, their latencies.
struct Subject {
  std::string name;
  std::function<double()> slice;
};

struct Floor {
  std::string name;
  std::string unit = "ns";
  std::function<double()> measure;
};

struct ContestOptions {
  unsigned rounds = 25;      // wanted, with no slice dropped
  unsigned rounds_max = 60;  // tried
  unsigned warm_up = 2;
  double tolerance = 0.2;
};

/// The middle of the values that are numbers; NaN when there are none.
double median_of(std::vector<double> values);

/// One subject's slices; a dropped one is NaN, so that all subjects have a value a round.
struct Course {
  std::string name;
  std::vector<double> values;
  [[nodiscard]] double median() const;
  [[nodiscard]] unsigned kept() const;
};

struct Outcome {
  std::vector<Course> courses;  // as the subjects
  std::string floor_name;
  std::string floor_unit;
  double floor_first = 0;
  double floor_last = 0;
  double floor_median = 0;
  unsigned dropped = 0;
  /// Median over rounds of subject a's value by subject b's; NaN when no round has both.
  [[nodiscard]] double ratio(std::size_t a, std::size_t b) const;
  /// Median over rounds of what `of` makes of the values of all subjects in a round, NaN where one was
  /// dropped.
  template <class Of>
  [[nodiscard]] double over_rounds(Of of) const {
    std::vector<double> found;
    for (std::size_t round = 0; !courses.empty() && round < courses[0].values.size(); ++round) {
      std::vector<double> values;
      for (const Course& course : courses) values.push_back(course.values[round]);
      found.push_back(of(values));
    }
    return median_of(std::move(found));
  }
};

Outcome contest(const Floor& floor, std::span<const Subject> subjects, const ContestOptions& options = {});

}  // namespace harness::bench
