// SPDX-License-Identifier: Apache-2.0
// See library.hpp.
#include <harness/transports/ofi/library.hpp>

namespace harness::transports::ofi {

const Library& system_library() noexcept {
  static constexpr Library library{fi_version, fi_getinfo, fi_freeinfo, fi_dupinfo, fi_fabric, fi_strerror};
  return library;
}

}  // namespace harness::transports::ofi
