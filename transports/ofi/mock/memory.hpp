// SPDX-License-Identifier: Apache-2.0
// Registered memory of one domain, and every rule of the mr_mode bits.
//
// A region is found by its key (remote access), its raw key (FI_MR_RAW), or its descriptor (FI_MR_LOCAL).
// Descriptors are numbers that look like no pointer, so one that is made up is found out. Keys chosen by the
// provider are random, so the key that was requested does not work by chance.
// FI_MR_ALLOCATED: each page must be present when it is registered; mincore(2) says so, and may be wrong
// about a page that was swapped out.
#pragma once

#include <array>
#include <map>
#include <span>

#include <harness/stack/random.hpp>
#include <harness/transports/ofi/mock/fault.hpp>
#include <harness/transports/ofi/mock/object.hpp>
#include <harness/transports/ofi/mock/profile.hpp>

namespace harness::transports::ofi::mock {

struct Domain;

using RawKey = std::array<std::uint8_t, raw_key_bytes>;

struct Region : fid_mr {
  using Face = fid_mr;
  Domain* domain = nullptr;
  std::span<std::byte> bytes;
  std::uint64_t access = 0;
  RawKey raw_key{};
  const void* endpoint = nullptr;  // FI_MR_ENDPOINT: whom it is bound to
  bool enabled = false;
};

// The key as it travels: by number, or by its bytes.
struct WireKey {
  std::uint64_t number = 0;
  RawKey raw{};
};

// Bytes that may be touched, or why not.
struct Grasp {
  std::span<std::byte> bytes;
  Fault fault = Fault::none;
};

class MemoryTable {
 public:
  MemoryTable(int mr_mode, std::uint64_t memlock_bytes, std::uint64_t seed) noexcept
      : mr_mode_(mr_mode), memlock_bytes_(memlock_bytes), random_(seed) {}

  /// Takes a region whose bytes and access are set: 0, -FI_EFAULT (pages missing), -FI_ENOMEM (memlock),
  /// -FI_ENOKEY (in use), -FI_EKEYREJECTED (does not fit 32 bits).
  int add(Region& region, std::uint64_t requested_key);
  void remove(Region& region);

  /// What a peer's operation on `endpoint` may touch. `access` of FI_REMOTE_READ, FI_REMOTE_WRITE.
  [[nodiscard]] Grasp remote(const WireKey& key, std::uint64_t address, std::uint64_t length,
                             std::uint64_t access, const void* endpoint) const;
  /// Whether an operation of our own may touch the buffer. `access` of FI_SEND, FI_RECV, FI_READ, FI_WRITE.
  [[nodiscard]] Fault local(const void* descriptor, std::span<const std::byte> buffer,
                            std::uint64_t access) const;

  /// fi_mr_map_raw and fi_mr_unmap_key; the key as it travels for the number an operation names.
  int map_raw(const struct fi_mr_map_raw& map);
  int unmap(std::uint64_t key);
  [[nodiscard]] WireKey wire_key(std::uint64_t key) const;

  [[nodiscard]] bool has(int bit) const noexcept { return (mr_mode_ & bit) != 0; }
  [[nodiscard]] bool empty() const noexcept { return by_key_.empty() && mapped_.empty(); }

 private:
  [[nodiscard]] const Region* find(const WireKey& key) const;

  int mr_mode_;
  std::uint64_t memlock_bytes_;
  std::uint64_t registered_bytes_ = 0;
  Random random_;
  std::map<std::uint64_t, Region*> by_key_;
  std::map<std::uint64_t, Region*> by_descriptor_;
  std::map<RawKey, Region*> by_raw_key_;
  std::map<std::uint64_t, RawKey> mapped_;
};

/// The tables of operations behind fi_mr_reg and fi_mr_bind.
fi_ops_mr* registration_operations();

}  // namespace harness::transports::ofi::mock
