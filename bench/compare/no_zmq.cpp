// SPDX-License-Identifier: Apache-2.0
// In place of zmq.cpp where ZeroMQ is not installed.
#include <harness/bench/compare/contestant.hpp>

namespace harness::bench {

std::vector<std::unique_ptr<Contestant>> zmq_variants(Task) { return {}; }

}  // namespace harness::bench
