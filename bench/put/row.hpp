// SPDX-License-Identifier: Apache-2.0
// One row: who is measured at a point, in turns, and how it is shown.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <harness/bench/support/duo.hpp>
#include <harness/bench/support/machine.hpp>
#include <harness/bench/support/program.hpp>
#include <harness/bench/support/tool.hpp>

namespace harness::bench {

/// Figures of a domain: "put-shm". What was skipped in it is told once.
struct Domain {
  std::string name;
  bool in_ns;  // else in µs
  std::set<std::string> skipped{};
};

class Row {
 public:
  Row(Program& program, Domain& domain, Duo& duo, Point point);

  /// One of ours or of the machine; `slice` returns ns of one. Its index among the subjects.
  std::size_t add(const std::string& role, const std::string& name, std::function<double()> slice);
  /// How fast the core adds in registers meanwhile, while the far side rests. Requires: it outlives the row.
  void add(Registers& registers);
  /// A peer in the best of its settings; skipped by name where it is missing or fails.
  void add(std::shared_ptr<Tool> tool);
  /// Measures, and shows a figure a subject.
  void run();

  // Judges a subject of ours; skipped where the other did not run. Requires: run.
  void at_most_floor(std::size_t who, double bound);
  void at_most(std::size_t who, const std::string& other, double bound);
  void at_most_more(std::size_t who, const std::string& other, double bound_ns);
  /// By goodput or rate.
  void at_least(std::size_t who, const std::string& other, double bound);
  void at_least_a_second(std::size_t who, double bound);

 private:
  struct Entry {
    std::string role, tuning;
    Subject subject;
    const Registers* registers = nullptr;
  };
  enum class Shown : std::uint8_t { time, rate, goodput };
  [[nodiscard]] Shown kind() const noexcept;
  [[nodiscard]] std::string title() const;
  [[nodiscard]] std::string unit() const;
  [[nodiscard]] double shown(double ns) const;
  [[nodiscard]] std::size_t best_peer() const;
  [[nodiscard]] std::size_t index_of(const std::string& name) const;
  [[nodiscard]] Figure target(std::size_t who) const;
  [[nodiscard]] Figure target(std::size_t who, const std::string& other) const;
  void compare(Figure& figure, std::size_t who, std::size_t other) const;
  void show_one(std::size_t who);

  Program& program_;
  Domain& domain_;
  Duo& duo_;
  Point point_;
  std::vector<Entry> entries_;
  Outcome outcome_;
};

}  // namespace harness::bench
