// SPDX-License-Identifier: Apache-2.0
// The report as one page that needs nothing else: no script, no font, no other file.
#pragma once

#include <string>
#include <vector>

#include <harness/bench/support/figures.hpp>

namespace harness::bench {

std::string to_html(const std::vector<Report>& reports);

}  // namespace harness::bench
