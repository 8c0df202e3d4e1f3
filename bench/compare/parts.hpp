// SPDX-License-Identifier: Apache-2.0
// The parts of `compare`: what --only may name.
#pragma once

#include <string>
#include <vector>

#include <harness/bench/support/program.hpp>

namespace harness::bench {

void latency(Program& program);
void rate(Program& program);
void bulk(Program& program);

/// What encryption adds to the way of a small message through shared memory; then the sweep "sealed".
void sealed(Program& program);

/// Every size, one at a time and as fast as messages are taken: ours, the machine, the peers. `domain` is
/// shm, tcp, udp or sealed.
void sweep(Program& program, const std::string& domain);

}  // namespace harness::bench
