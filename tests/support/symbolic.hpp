// SPDX-License-Identifier: Apache-2.0
// What a stack really does to messages, played with symbols: the judge of "semantically wrong".
//
// Two nodes run the same layers over a medium that loses, repeats, reorders and damages frames, is cut or
// killed, and on which an attacker reads, forges and replays. Messages are symbols (an id, a range of bytes,
// what happened to them), so a run takes well under a millisecond. Each layer is written here a second time,
// by its meaning: nothing in these files reads a contract, a property table or a fact; layers and media are
// known by name. `violations` says in which way the application would be disappointed if it believed a set of
// claims. Bounds: ticks_max a run. Not played: round trips, throughput, group properties, principals (only
// that a stranger's bytes are never delivered).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <harness/stack/property.hpp>

namespace harness::tests {

/// A stack by names, top first, as the judge plays it.
struct Played {
  std::vector<std::string> layers;
  std::string medium;             // udp, tcp, shm, rdma, loop
  bool guarded = false;           // the peer is foreign: nothing that is claimed may break under attack
  std::uint32_t max_message = 0;  // claimed
};

/// Every way in which the run contradicts the claims, in words; empty when all hold. Plays several scenarios
/// from `seed`.
std::vector<std::string> violations(const Played& stack, Properties claims, std::uint64_t seed);

}  // namespace harness::tests
