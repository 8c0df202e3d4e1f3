// SPDX-License-Identifier: Apache-2.0
// The one list of layers: a new layer is added here and nowhere else.
#include <harness/layers/all.hpp>

#include <harness/layers/check/check_boundary.hpp>
#include <harness/layers/check/check_channels.hpp>
#include <harness/layers/check/check_death.hpp>
#include <harness/layers/check/check_fifo.hpp>
#include <harness/layers/check/check_integrity.hpp>
#include <harness/layers/check/check_no_duplicates.hpp>
#include <harness/layers/check/check_reliable.hpp>
#include <harness/layers/checksum.hpp>
#include <harness/layers/compress.hpp>
#include <harness/layers/encrypt.hpp>
#include <harness/layers/fault/fault_corrupt.hpp>
#include <harness/layers/fault/fault_delay.hpp>
#include <harness/layers/fault/fault_drop.hpp>
#include <harness/layers/fault/fault_duplicate.hpp>
#include <harness/layers/fault/fault_partition.hpp>
#include <harness/layers/fault/fault_reorder.hpp>
#include <harness/layers/frag.hpp>
#include <harness/layers/heartbeat.hpp>
#include <harness/layers/mux.hpp>
#include <harness/layers/order.hpp>
#include <harness/layers/put.hpp>
#include <harness/layers/reliable.hpp>
#include <harness/layers/resume.hpp>

namespace harness::layers {

void add_all(Catalogue& catalogue) {
  catalogue.add<Resume>();
  catalogue.add<Mux>();
  catalogue.add<Compress>();
  catalogue.add<Order>();
  catalogue.add<Put>();
  catalogue.add<Frag>();
  catalogue.add<Reliable>();
  catalogue.add<Heartbeat>();
  catalogue.add<Checksum>();
  catalogue.add<Encrypt>();
  catalogue.add<CheckBoundary>();
  catalogue.add<CheckIntegrity>();
  catalogue.add<CheckFifo>();
  catalogue.add<CheckNoDuplicates>();
  catalogue.add<CheckReliable>();
  catalogue.add<CheckDeath>();
  catalogue.add<CheckChannels>();
  catalogue.add<FaultDrop>();
  catalogue.add<FaultDuplicate>();
  catalogue.add<FaultReorder>();
  catalogue.add<FaultDelay>();
  catalogue.add<FaultCorrupt>();
  catalogue.add<FaultPartition>();
}

}  // namespace harness::layers
