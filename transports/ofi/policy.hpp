// SPDX-License-Identifier: Apache-2.0
// What is known about providers: which to prefer, what to offer them, and what not to believe.
//
// A row is found by provider name, wire protocol and libfabric's version; the first one that fits holds.
// `auto` tries the rows in their order and takes the first that libfabric has a device for. Providers that
// lose links, spin or die in the versions at hand are taken only when a person names them.
// Sources: libfabric 1.17 as Debian ships it, looked at provider by provider (docs/transports/ofi.md), and
// the notes beside the rows.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include <rdma/fabric.h>

namespace harness::transports::ofi {

struct Policy {
  std::string_view word;      // what the option `provider` calls it
  std::string_view provider;  // fabric_attr.prov_name
  std::uint32_t protocol;     // ep_attr.protocol; 0: any
  std::uint32_t from;         // libfabric's versions, both included
  std::uint32_t to;
  bool is_auto;                    // `auto` may take it
  bool named_by_host;              // takes an IP address as node; others name cards in ways of their own
  bool trusts_delivery;            // FI_DELIVERY_COMPLETE means what it says
  bool has_descriptor;             // completions are slept on
  std::uint64_t mr_mode;           // bits offered to it
  std::uint32_t eager_bytes;       // larger messages are offered, where nothing better was learnt
  std::uint32_t probe_bytes_max;   // so much is measured; 0: what it sends to itself goes by memory
  std::uint32_t inject_bytes_max;  // at most the provider's own limit
  std::string_view note;

  /// So much of a peer's frames is read at a time, or one frame: shm copies inside the call, and the peer
  /// should have room again while the next is copied.
  [[nodiscard]] std::uint64_t read_ahead_bytes() const noexcept {
    return word == "shm" ? 128 * 1024 : ~std::uint64_t{0};
  }
  /// What was injected may wait in the provider for room in a socket, and leaves only when it is polled.
  [[nodiscard]] bool keeps_injected() const noexcept { return word == "tcp" && !has_descriptor; }
  /// Its one-sided operations are a card's, which has pinned the memory and knows no mapping.
  [[nodiscard]] bool is_card() const noexcept {
    return word != "tcp" && word != "shm" && word != "net" && word != "rxd" && word != "sockets";
  }
};

inline constexpr std::uint32_t any_version = ~std::uint32_t{0};

/// The whole table, in order of preference. [any-thread]
std::span<const Policy> policies() noexcept;
/// Whether the row is about this provider. [any-thread]
bool fits(const Policy& policy, const fi_info& info, std::uint32_t version) noexcept;

}  // namespace harness::transports::ofi
