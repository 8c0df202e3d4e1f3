// SPDX-License-Identifier: Apache-2.0
// Why an operation failed: the provider's number in fi_cq_err_entry.prov_errno, its words (fi_cq_strerror,
// err_data), and the libfabric error it counts as.
#pragma once

#include <rdma/fabric.h>

namespace harness::transports::ofi::mock {

enum class Fault : std::int32_t {
  none,
  seeded,         // the seed said so (knob errors)
  no_descriptor,  // FI_MR_LOCAL: the buffer came without fi_mr_desc
  foreign_descriptor,
  outside_descriptor,  // the buffer is not inside the region of its descriptor
  local_access,        // the region was registered without the access this needs
  no_key,              // no such key at the target, or it is closed
  outside_region,
  remote_access,
  not_enabled,  // FI_MR_ENDPOINT: not bound to that endpoint, or not enabled
  misaligned,   // an atomic beside its 8 bytes
  not_ready,    // no receive was posted for too long
  truncated,    // the receive is smaller than the message
  peer_gone,
  cancelled,
};

struct FaultInfo {
  int error;  // FI_…
  const char* text;
};

constexpr FaultInfo info_of(Fault fault) noexcept {
  switch (fault) {
    case Fault::none: return {0, "no error"};
    case Fault::seeded: return {FI_EIO, "an error by seed"};
    case Fault::no_descriptor: return {FI_EINVAL, "FI_MR_LOCAL: a buffer without descriptor"};
    case Fault::foreign_descriptor: return {FI_EINVAL, "FI_MR_LOCAL: the descriptor is of no open region"};
    case Fault::outside_descriptor: return {FI_EINVAL, "FI_MR_LOCAL: the buffer is outside the region"};
    case Fault::local_access: return {FI_EACCES, "FI_MR_LOCAL: the region lacks the local access"};
    case Fault::no_key: return {FI_EACCES, "the key names no open region"};
    case Fault::outside_region: return {FI_EACCES, "beyond the bounds of the region"};
    case Fault::remote_access: return {FI_EACCES, "the region lacks the remote access"};
    case Fault::not_enabled: return {FI_EACCES, "the region is not bound to the endpoint and enabled"};
    case Fault::misaligned: return {FI_EINVAL, "an atomic that is not aligned to its size"};
    case Fault::not_ready: return {FI_ENORX, "the target had no receive posted"};
    case Fault::truncated: return {FI_ETRUNC, "the message is longer than the receive"};
    case Fault::peer_gone: return {FI_EHOSTUNREACH, "the endpoint at that address is gone"};
    case Fault::cancelled: return {FI_ECANCELED, "cancelled"};
  }
  return {FI_EOTHER, "unknown"};
}

}  // namespace harness::transports::ofi::mock
