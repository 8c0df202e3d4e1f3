// SPDX-License-Identifier: Apache-2.0
// Layers and transports that are contracts and nothing else, after design §3 to §5: what compositions are
// tested with before (and beside) the real ones. None of them can run.
#pragma once

#include <harness/stack/catalogue.hpp>

namespace harness::tests {

/// resume mux compress order put frag reliable heartbeat checksum encrypt, the probes check_fifo and
/// fault_drop, and the transports udp, tcp, shm, rdma, loop.
Catalogue contract_catalogue();

/// A layer type without hooks for a descriptor that outlives it; adding one to a catalogue is all a new
/// contract takes.
LayerType contract_layer(const Descriptor& descriptor);

/// The trust word for a level: 0 foreign, 1 same domain, 2 same host, 3 same user, 4 same process.
constexpr Properties trust_level(unsigned level) { return property::at_least(Axis::trust, level); }

Facts facts_of(const Catalogue& catalogue, std::string_view transport, unsigned trust);

}  // namespace harness::tests
