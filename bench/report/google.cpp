// SPDX-License-Identifier: Apache-2.0
// See google.hpp.
#include <harness/bench/report/google.hpp>

#include <nlohmann/json.hpp>

namespace harness::bench {

bool from_google(const std::string& text, Report& report) {
  const auto all = nlohmann::json::parse(text, nullptr, false);
  if (all.is_discarded() || !all.contains("benchmarks")) return false;
  report.program = "micro";
  report.machine = this_machine();
  for (const auto& row : all["benchmarks"]) {
    Figure figure{.name = row.value("name", "?"), .value = row.value("cpu_time", not_measured)};
    figure.unit = row.value("time_unit", "ns");
    report.figures.push_back(std::move(figure));
  }
  return true;
}

}  // namespace harness::bench
