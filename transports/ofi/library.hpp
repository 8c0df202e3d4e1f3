// SPDX-License-Identifier: Apache-2.0
// The few symbols of libfabric that are real: everything behind fi_getinfo and fi_fabric is reached through
// tables of functions inside the objects they return. So who stands in for these six stands in for a whole
// library, and no line of the transport knows whether a network card, a socket or a test is behind it.
#pragma once

#include <cstdint>

#include <rdma/fabric.h>

namespace harness::transports::ofi {

struct Library {
  std::uint32_t (*version)();
  int (*getinfo)(std::uint32_t version, const char* node, const char* service, std::uint64_t flags,
                 const fi_info* hints, fi_info** info);
  void (*freeinfo)(fi_info* info);
  fi_info* (*dupinfo)(const fi_info* info);  // of null: a new one
  int (*fabric)(fi_fabric_attr* attributes, fid_fabric** fabric, void* context);
  const char* (*strerror)(int error);
};

/// libfabric itself, as it is linked to this shared object. [any-thread]
const Library& system_library() noexcept;

}  // namespace harness::transports::ofi
