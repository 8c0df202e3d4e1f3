// SPDX-License-Identifier: Apache-2.0
// What every benchmark program has in common: --quick, --only, --json, --md, and a --help that starts with
// examples.
#pragma once

#include <string>
#include <string_view>

#include <harness/bench/support/figures.hpp>

namespace harness::bench {

class Program {
 public:
  /// Reads the command line; exits after --help (0) or a wrong argument (2). `help` starts with examples.
  Program(int argc, char** argv, std::string name, std::string_view help);

  /// Fewer and shorter slices: shows that it works, not how fast.
  [[nodiscard]] bool quick() const noexcept { return quick_; }
  /// True when this part was asked for: every one, unless --only names others.
  [[nodiscard]] bool wants(std::string_view part) const noexcept;
  /// Rounds and time for a contest.
  [[nodiscard]] ContestOptions contest_options(unsigned rounds = 25) const noexcept;
  /// Keeps a figure and prints it.
  void show(Figure figure);
  /// A figure that cannot be taken here, and why.
  void skip(std::string name, std::string why);
  /// Writes what was asked for; returns the exit status: 0, also with missed targets (they are in the
  /// report).
  int finish();

 private:
  Report report_;
  bool quick_ = false;
  std::string only_;
  std::string json_;
  std::string markdown_;
};

/// Prints the three-part error and ends the program with status 1.
[[noreturn]] void give_up(const Error& error);

}  // namespace harness::bench
