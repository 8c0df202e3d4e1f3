// SPDX-License-Identifier: Apache-2.0
// Reads what Google Benchmark writes with --benchmark_format=json, so that bench/micro is in the report too.
#pragma once

#include <string>
#include <vector>

#include <harness/bench/support/figures.hpp>

namespace harness::bench {

/// True when the text is a Google Benchmark result; then `report` holds its rows, without targets.
bool from_google(const std::string& text, Report& report);

}  // namespace harness::bench
