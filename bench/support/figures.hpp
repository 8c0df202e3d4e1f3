// SPDX-License-Identifier: Apache-2.0
// A figure: one measured number with its unit, what it was compared with, its target and the verdict. A
// report is a list of them with the machine they were taken on, as JSON, Markdown or lines on a terminal.
#pragma once

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <harness/bench/support/contest.hpp>
#include <harness/bench/support/machine.hpp>
#include <harness/stack/result.hpp>

namespace harness::bench {

inline constexpr double not_measured = std::numeric_limits<double>::quiet_NaN();

enum class Verdict : std::uint8_t { shown, met, missed, skipped };

struct Figure {
  std::string name;  // "tcp 64 B one way": stable, so that two reports can be compared
  double value = not_measured;
  std::string unit;
  double p50 = not_measured;  // of single messages, in the figure's unit
  double p99 = not_measured;
  std::string peer{};  // what `ratio` compares with
  double peer_value = not_measured;
  double ratio = not_measured;
  std::string floor{};  // "cache line", "memcpy 64 KiB"; before and after in ns
  double floor_before = not_measured;
  double floor_after = not_measured;
  std::string target{};  // as a person reads it: "≤ 1.15 × raw socket"
  Verdict verdict = Verdict::shown;
  unsigned slices = 0;
  unsigned dropped = 0;
  std::string note{};
  // Of a point in a plot: which plot, whose line, at what message size; "ours", "peer" or "machine".
  std::string chart{};
  std::string subject{};
  std::string role{};
  std::uint32_t bytes = 0;

  /// Judges `judged` against a bound; NaN is skipped. Returns itself.
  Figure& at_most(double judged, double bound, std::string text);
  Figure& at_least(double judged, double bound, std::string text);
  /// Takes value, slices, dropped and floor of one course of a contest.
  Figure& from(const Outcome& outcome, std::size_t course, double scale = 1);
  /// … and the peer it ran against.
  Figure& against(const Outcome& outcome, std::size_t course, std::size_t other, double scale = 1);
};

struct Report {
  std::string program;
  Machine machine;
  std::vector<Figure> figures;
};

/// "64 B", "16 KiB", "1 MiB".
std::string size_text(std::uint32_t bytes);

std::string to_json(const std::vector<Report>& reports);
/// Errors: invalid (not what to_json writes).
Result<std::vector<Report>> from_json(const std::string& text);
std::string to_markdown(const std::vector<Report>& reports);
std::string to_lines(const std::vector<Figure>& figures);

}  // namespace harness::bench
