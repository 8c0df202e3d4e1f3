// SPDX-License-Identifier: Apache-2.0
// What both halves of an endpoint, the one that asks and the one that is asked, have in common.
#pragma once

#include <harness/transports/ofi/mock/addresses.hpp>
#include <harness/transports/ofi/mock/completion.hpp>
#include <harness/transports/ofi/mock/wire.hpp>

namespace harness::transports::ofi::mock {

struct Segment {
  std::span<std::byte> bytes;
  void* descriptor = nullptr;
};
using Segments = std::vector<Segment>;

constexpr std::byte poison{0xdb};

struct Station {
  Station(Domain& of, std::uint64_t seed) : domain(of), random(seed) {}
  std::uint64_t lateness() { return random.below(domain.knobs().late + 1); }
  [[nodiscard]] Fault check(const Segments& buffers, std::uint64_t access) const {
    for (const Segment& one : buffers)
      if (const Fault fault = domain.memory.local(one.descriptor, one.bytes, access); fault != Fault::none)
        return fault;
    return Fault::none;
  }

  Domain& domain;
  Wire wire;
  Random random;
  AddressVector* addresses = nullptr;
  CompletionQueue* transmitted = nullptr;
  CompletionQueue* received = nullptr;
  bool selects_transmitted = false;  // FI_SELECTIVE_COMPLETION
  bool selects_received = false;
  const void* identity = nullptr;  // what regions are bound to
};

std::size_t size_of(const Segments& buffers) noexcept;
/// Copies what lies `offset` bytes into the buffers; as much as there is room for.
void gather(const Segments& from, std::size_t offset, std::span<std::byte> into) noexcept;
void scatter(std::span<const std::byte> from, const Segments& into, std::size_t offset) noexcept;
void fill_with_poison(const Segments& buffers, std::size_t offset) noexcept;

}  // namespace harness::transports::ofi::mock
