// SPDX-License-Identifier: Apache-2.0
// The mock provider: libfabric's interface without libfabric, a NIC or mercy.
//
// It is for tests. Of libfabric only a few symbols are real functions; all else is inline calls through the
// tables of the objects these functions make. So whoever takes these instead of the library's speaks to the
// mock and knows nothing of it. Two providers, `mock-verbs` and `mock-cxi`, are as strict as the strictest
// reading of the manual pages allows; docs/transports/ofi-mock.md lists each rule. The environment variable
// HARNESS_MOCK sets seeds and sizes (knobs.hpp).
// Rejected: hooks over a real provider (those here need neither keys nor descriptors, and forgive all).
#pragma once

#include <cstdint>

#include <rdma/fabric.h>

namespace harness::transports::ofi::mock {

/// The version the mock speaks, 1.17. [any-thread]
std::uint32_t mock_version();

/// As fi_getinfo(3): 0 and a list to be freed by mock_freeinfo or fi_freeinfo; -FI_ENODATA when nothing fits
/// the hints, -FI_ENOSYS for a version above ours, -FI_EINVAL when HARNESS_MOCK is malformed (the reason
/// goes to standard error). [any-thread]
int mock_getinfo(std::uint32_t version, const char* node, const char* service, std::uint64_t flags,
                 const fi_info* hints, fi_info** info);

/// As fi_freeinfo(3) and fi_dupinfo(3); the memory is malloc's, as the library's is. [any-thread]
void mock_freeinfo(fi_info* info);
fi_info* mock_dupinfo(const fi_info* info);

/// As fi_fabric(3); -FI_ENODATA for a name that is not ours. The fabric and all below belong to one thread
/// at a time.
int mock_fabric(fi_fabric_attr* attr, fid_fabric** fabric, void* context);

/// As fi_strerror(3). [any-thread]
const char* mock_strerror(int number);

}  // namespace harness::transports::ofi::mock
