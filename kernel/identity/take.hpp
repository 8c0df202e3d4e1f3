// SPDX-License-Identifier: Apache-2.0
// Fixed-size fields out of a Reader: keys, fingerprints, signatures.
#pragma once

#include <algorithm>
#include <array>

#include <harness/stack/bytes.hpp>

namespace harness::identity {

/// The next Count bytes; `to` is left as it is when there are fewer. [any-thread]
template <std::size_t Count>
void take(Reader& in, std::array<std::byte, Count>& to) noexcept {
  const Bytes bytes = in.take_bytes(Count);
  std::copy(bytes.begin(), bytes.end(), to.begin());
}

}  // namespace harness::identity
