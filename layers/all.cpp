// SPDX-License-Identifier: Apache-2.0
// The one list of layers: a new layer is added here and nowhere else.
#include <harness/layers/all.hpp>

#include <harness/layers/checksum.hpp>
#include <harness/layers/compress.hpp>
#include <harness/layers/frag.hpp>
#include <harness/layers/heartbeat.hpp>
#include <harness/layers/mux.hpp>
#include <harness/layers/order.hpp>

namespace harness::layers {

void add_all(Catalogue& catalogue) {
  catalogue.add<Mux>();
  catalogue.add<Compress>();
  catalogue.add<Order>();
  catalogue.add<Frag>();
  catalogue.add<Heartbeat>();
  catalogue.add<Checksum>();
}

}  // namespace harness::layers
