// SPDX-License-Identifier: Apache-2.0
// How our objects stand behind libfabric's: each derives from the public struct (its Face) that begins with
// the `fid`, so a fid leads back to the object; `refuse` fills every entry of a table that we do not have.
#pragma once

#include <cstdint>

#include <rdma/fabric.h>

namespace harness::transports::ofi::mock {

/// The object of type T whose public struct begins with that fid.
template <class T>
T& object_of(fid* face) noexcept {
  return *static_cast<T*>(reinterpret_cast<typename T::Face*>(face));
}

/// Converts to any entry of a table of operations; the entry answers -FI_ENOSYS, as fi_no_* do.
struct Refuse {
  template <class R, class... Arguments>
  using Entry = R (*)(Arguments...);
  template <class R, class... Arguments>
  constexpr operator Entry<R, Arguments...>() const noexcept {  // NOLINT: that it converts is its purpose
    return [](Arguments...) -> R { return static_cast<R>(-FI_ENOSYS); };
  }
};
inline constexpr Refuse refuse{};

/// The table every object has, with what the object can of it.
constexpr fi_ops fid_operations(int (*close)(fid*), int (*bind)(fid*, fid*, std::uint64_t) = refuse,
                                int (*control)(fid*, int, void*) = refuse) {
  return {.size = sizeof(fi_ops),
          .close = close,
          .bind = bind,
          .control = control,
          .ops_open = refuse,
          .tostr = refuse,
          .ops_set = refuse};
}

}  // namespace harness::transports::ofi::mock
