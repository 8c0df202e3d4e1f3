// SPDX-License-Identifier: Apache-2.0
// One plot as inline SVG: values by message size, both axes logarithmic, a line a subject.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <harness/bench/support/figures.hpp>

namespace harness::bench {

/// The figures of one chart, by subject in the order of their first figure.
struct Series {
  std::string subject;
  std::string role;  // ours, peer, machine
  std::vector<const Figure*> points;
};
struct Chart {
  std::string name;  // "shm one way"
  std::string unit;
  std::vector<Series> series;
};

/// Gathers the figures that carry a chart; they must outlive it.
std::vector<Chart> charts_of(const std::vector<Report>& reports);

/// A colour of its own for every subject, the same in every plot: ours are strong, the machine is grey.
class Palette {
 public:
  explicit Palette(const std::vector<Chart>& charts);
  /// The number of the CSS class `c<number>`.
  [[nodiscard]] unsigned of(const std::string& subject) const;
  static constexpr unsigned ours = 2, machine = 3, peers = 8;  // how many there are, in this order

 private:
  std::map<std::string, unsigned> numbers_;
};

/// A value in three digits with a prefix where it has one ("23.4 M"); times get their unit ("12.5 µs").
std::string value_text(double value, const std::string& unit = {});
/// Text as it may stand in HTML.
std::string escaped(const std::string& text);

std::string to_svg(const Chart& chart, const Palette& palette);

}  // namespace harness::bench
