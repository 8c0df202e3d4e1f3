// SPDX-License-Identifier: Apache-2.0
// What the three providers can do, need and promise: the one place where they differ.
//
// Taken from what verbs (RC below ofi_rxm's interface) and cxi of libfabric 1.17–1.22 report, and then made
// worse wherever the manual pages allow it: cxi promises no order but that of messages, its receives
// complete in any order, it has no fi_writedata (`fi_no_rma_writedata` there). mock-tcp is
// like tcp;ofi_rxm: the target's processor serves what is one-sided, in two places, and a write may be lost
// behind its completion.
#pragma once

#include <array>

#include <rdma/fi_atomic.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>

#include <harness/transports/ofi/mock/knobs.hpp>

namespace harness::transports::ofi::mock {

struct Profile {
  const char* provider;
  const char* domain;
  const char* scheme;  // of an address: <scheme><five hexadecimal digits>
  std::uint32_t protocol;
  std::uint64_t caps;
  std::uint64_t mode;  // what the application must promise
  int mr_mode;
  std::size_t key_bytes;
  std::size_t inject_bytes;
  std::size_t cq_data_bytes;
  std::size_t iov_limit;
  std::size_t places_limit;  // of the target's, in one operation (rma_iov_limit): 1 or 2
  std::uint64_t order;
  bool named_by_host;         // fi_getinfo takes an IP address as node; cxi takes NIC numbers
  bool receives_in_order;     // completions of receives come in the order of the messages
  bool write_data;            // fi_writedata exists
  bool answers_deliver;       // an atomic that fetches or compares takes FI_DELIVERY_COMPLETE
  bool completes_late;        // a write that has left may complete behind what was posted after it
  bool guards_queues;         // a full completion queue stalls; else it overruns
  bool truncation_is_nacked;  // a receive that is too small ends the send with an error too
};

constexpr std::size_t raw_key_bytes = 16;
constexpr std::size_t message_bytes_max = std::size_t{1} << 30;
constexpr std::size_t address_bytes = 24;  // of fi_getname, with the zero behind the text

/// All of them; `raw` gives mock-cxi its long keys.
std::array<Profile, 3> profiles(bool raw);

}  // namespace harness::transports::ofi::mock
