// SPDX-License-Identifier: Apache-2.0
// See all.hpp.
#include <harness/transports/all.hpp>

#include <harness/transports/loop.hpp>
#include <harness/transports/ofi.hpp>
#include <harness/transports/shm.hpp>
#include <harness/transports/sim.hpp>
#include <harness/transports/tcp.hpp>
#include <harness/transports/udp.hpp>

namespace harness::transports {

void add_all(Catalogue& catalogue) {
  catalogue.add(Loop::type());
  catalogue.add(Shm::type());
  catalogue.add(Tcp::type());
  catalogue.add(Udp::type());
  catalogue.add(ofi::type());
  catalogue.add(Sim::type());  // composed and checked like the others; only a test can make one
}

}  // namespace harness::transports
