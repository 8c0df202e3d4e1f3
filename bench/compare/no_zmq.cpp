// SPDX-License-Identifier: Apache-2.0
// In place of zmq.cpp where ZeroMQ is not installed.
#include <limits>

#include <harness/bench/compare/contestant.hpp>

namespace harness::bench {

std::vector<std::unique_ptr<Contestant>> zmq_variants(Task, std::uint32_t, ZmqOver) { return {}; }
double zmq_inproc_ns(Task, std::uint32_t, std::uint64_t) { return std::numeric_limits<double>::quiet_NaN(); }

}  // namespace harness::bench
