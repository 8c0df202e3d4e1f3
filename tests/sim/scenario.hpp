// SPDX-License-Identifier: Apache-2.0
// What one seed means: a medium and what happens to it, a stack that `check` proves over it with a checker
// above every layer, two clocks, and how the applications at both ends behave. A pure function of the seed.
#pragma once

#include <array>
#include <set>
#include <string>

#include <harness/stack/compose.hpp>
#include <harness/tests/sim/talker.hpp>
#include <harness/transports/sim.hpp>

namespace harness::tests {

/// Kinds of trouble; every run has at least `kinds_min` of them.
enum class Trouble : std::uint8_t {
  loss,
  duplication,
  reordering,
  delay,
  corruption,
  partition,
  crash,
  clock,       // drift and jumps
  stall,       // an engine that does not run for a while
  full_queue,  // a slow path, a small queue, a receiver that keeps or pauses
  fault_layer,
};
inline constexpr std::size_t troubles = 11;
inline constexpr std::size_t kinds_min = 3;

/// Something that happens at a time after the link was dialled.
struct Incident {
  enum class Kind : std::uint8_t { cut, heal, jump, stall, crash } kind;
  std::uint64_t at_ns;
  unsigned side;           // whose engine, or whose sending direction
  std::int64_t by_ns = 0;  // of a jump or stall
};

struct Scenario {
  std::uint64_t seed = 0;
  std::set<Trouble> kinds;
  OptionValues medium;
  StackSpec stack;  // with checkers
  Given given;      // on top of it
  bool by_needs = false;
  std::array<transports::SimPath, 2> paths;  // from side 0, from side 1
  std::array<transports::SimEngineOptions, 2> engines;
  std::array<TalkerPlan, 2> talkers;
  std::array<std::uint64_t, 2> quota_bytes{};
  std::vector<Incident> incidents;
  bool both_dial = false;
  bool close_early = false;  // one end closes while the other still sends
  unsigned closer = 0;

  [[nodiscard]] bool has(Trouble kind) const { return kinds.contains(kind); }
  [[nodiscard]] bool crashes() const { return has(Trouble::crash); }
  /// One line for a person.
  [[nodiscard]] std::string text() const;
};

/// The scenario of a seed; layers and checkers are those of the catalogue.
Scenario scenario_of(std::uint64_t seed, const Catalogue& catalogue);

/// `stack` with every checker of the catalogue that has something to watch at each boundary.
StackSpec with_checkers(const StackSpec& stack, const Facts& facts, const Catalogue& catalogue);

}  // namespace harness::tests
