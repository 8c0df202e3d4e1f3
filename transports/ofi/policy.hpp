// SPDX-License-Identifier: Apache-2.0
// What is known about providers: which to prefer, what to offer them, and what not to believe.
//
// A row is found by provider name and libfabric's version; the first one that fits holds.
// `auto` tries the rows in their order and takes the first that libfabric has a device for. Providers that
// lose links, spin or die in the versions at hand are taken only when a person names them.
// Sources: libfabric 1.17 as Debian ships it, looked at provider by provider (docs/transports/ofi.md), and
// the notes beside the rows.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include <rdma/fabric.h>
#include <rdma/fi_domain.h>

#include <harness/transports/ofi/crossover.hpp>

namespace harness::transports::ofi {

/// What becomes of a write whose connection dies below the provider before it has arrived.
enum class LostWrite : std::uint8_t {
  none,   // there is no connection
  told,   // it completes with an error: without one when the far card has it
  silent  // it may have completed, and what is asked behind it goes over a new connection
};

inline constexpr std::uint32_t any_version = ~std::uint32_t{0};

struct Policy {
  static constexpr std::uint64_t every_bit =
      FI_MR_LOCAL | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY | FI_MR_ENDPOINT | FI_MR_RAW;

  std::string_view word;      // what the option `provider` calls it
  std::string_view provider;  // fabric_attr.prov_name
  std::uint32_t from = 0;     // libfabric's versions, both included
  std::uint32_t to = any_version;
  bool is_auto = true;           // `auto` may take it
  bool is_card = false;          // one-sided operations are a card's, which has pinned the memory
  bool named_by_host = false;    // takes an IP address as node; others name cards in ways of their own
  bool has_descriptor = false;   // completions are slept on
  bool trusts_delivery = false;  // FI_DELIVERY_COMPLETE means what it says
  bool has_atomics = false;      // a card's own, which cost nothing else when they are asked for
  bool keeps_injected = false;   // what was injected may wait in it for room in a socket, until it is polled
  bool reads_in_order = false;   // the places of one read, by one who also withdraws them
  LostWrite lost_write = LostWrite::told;
  std::uint64_t mr_mode = every_bit;      // bits offered to it
  std::uint32_t eager_bytes = 16 * 1024;  // larger messages are offered, where nothing better was learnt
  std::uint32_t probe_bytes_max = eager_bytes_max;  // measured up to here; 0: it sends to itself by memory
  std::uint32_t inject_bytes_max = 4096;            // at most the provider's own limit
  std::uint64_t reads_bytes = ~std::uint64_t{0};    // of frames, at a time; one at least
  std::string_view note = {};
};

/// The whole table, in order of preference. [any-thread]
std::span<const Policy> policies() noexcept;
/// Whether the row is about this provider. [any-thread]
bool fits(const Policy& policy, const fi_info& info, std::uint32_t version) noexcept;

}  // namespace harness::transports::ofi
