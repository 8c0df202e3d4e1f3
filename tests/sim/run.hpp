// SPDX-License-Identifier: Apache-2.0
// Runs one scenario: two nodes with production links over the simulated network, an application at each end,
// incidents in between; then the audit: promises kept, memory given back, nothing left armed.
#pragma once

#include <string>
#include <vector>

#include <harness/tests/sim/scenario.hpp>

namespace harness::tests {

struct Outcome {
  std::vector<std::string> failures;  // empty: everything promised was kept
  std::uint64_t trace_hash = 0;
  std::uint64_t events = 0;
  std::uint64_t virtual_ns = 0;
  std::size_t sent = 0;  // both directions
  std::size_t delivered = 0;
  bool up = false;
  bool closed_in_order = false;
  std::vector<std::string> trace;  // only when asked for
};

Outcome run(const Scenario& scenario, const Catalogue& catalogue, bool keep_trace = false);

}  // namespace harness::tests
