// SPDX-License-Identifier: Apache-2.0
// Copies between buffers in pieces and bytes in a row.
#include <harness/transports/ofi/mock/station.hpp>

#include <string.h>

#include <algorithm>

namespace harness::transports::ofi::mock {

namespace {

// Calls `each` with the parts of the buffers that lie behind `offset`, at most `count` bytes together.
template <class F>
void walk(const Segments& buffers, std::size_t offset, std::size_t count, F each) {
  for (const Segment& one : buffers) {
    const std::size_t skipped = std::min(offset, one.bytes.size());
    const std::span<std::byte> part = one.bytes.subspan(skipped, std::min(count, one.bytes.size() - skipped));
    if (!part.empty()) each(part);
    offset -= skipped;
    count -= part.size();
  }
}

}  // namespace

std::size_t size_of(const Segments& buffers) noexcept {
  std::size_t bytes = 0;
  for (const Segment& one : buffers) bytes += one.bytes.size();
  return bytes;
}

void gather(const Segments& from, std::size_t offset, std::span<std::byte> into) noexcept {
  walk(from, offset, into.size(), [&](std::span<std::byte> part) {
    memcpy(into.data(), part.data(), part.size());
    into = into.subspan(part.size());
  });
}

void scatter(std::span<const std::byte> from, const Segments& into, std::size_t offset) noexcept {
  walk(into, offset, from.size(), [&](std::span<std::byte> part) {
    memcpy(part.data(), from.data(), part.size());
    from = from.subspan(part.size());
  });
}

void fill_with_poison(const Segments& buffers, std::size_t offset) noexcept {
  walk(buffers, offset, size_of(buffers),
       [](std::span<std::byte> part) { std::fill(part.begin(), part.end(), poison); });
}

}  // namespace harness::transports::ofi::mock
