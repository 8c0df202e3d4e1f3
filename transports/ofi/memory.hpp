// SPDX-License-Identifier: Apache-2.0
// Memory of our own that a provider may touch, registered as it wants it.
//
// Registered are whole mappings that nobody else uses, page-aligned and touched before: the bits FI_MR_LOCAL
// (a descriptor with every local buffer), FI_MR_VIRT_ADDR (remote addresses are the owner's), FI_MR_ALLOCATED
// (pages exist), FI_MR_PROV_KEY (the provider draws the key), FI_MR_ENDPOINT (bound and enabled), FI_MR_RAW
// (keys longer than 8 bytes) are obeyed here and nowhere else. Memory that only this side uses is not
// registered where the provider does not want it.
// Rejected: to register what the application allocates (a system call each, and caches of registrations break
// when memory is unmapped behind them).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <harness/stack/bytes.hpp>
#include <harness/stack/region.hpp>
#include <harness/transports/ofi/fabric.hpp>

namespace harness::transports::ofi {

/// Pages that go back to the system with their owner.
class Pages {
 public:
  explicit Pages(std::size_t bytes) noexcept;
  /// Those of a file, seen a second time. `bytes` and `offset`: whole pages.
  Pages(int file, std::size_t offset, std::size_t bytes) noexcept;
  ~Pages();
  Pages(Pages&& other) noexcept : data_(std::exchange(other.data_, nullptr)), bytes_(other.bytes_) {}
  Pages& operator=(Pages&&) = delete;
  [[nodiscard]] std::byte* data() const noexcept { return data_; }  // null: the system has none
  [[nodiscard]] std::size_t size() const noexcept { return bytes_; }
  /// Puts fresh pages here: who still writes to this place reaches nothing else. False: there are none.
  bool orphan() noexcept;

 private:
  std::byte* data_ = nullptr;
  std::size_t bytes_;
};

class Region {
 public:
  enum class Use : std::uint8_t { messages, read_by_peers, used_by_peers, reads, both_ways, writes };
  static constexpr std::size_t key_bytes_max = 48;

  /// Null when there is no memory, the limit of locked memory is reached (ulimit -l), or the provider
  /// refuses.
  static std::unique_ptr<Region> make(Fabric& fabric, std::size_t bytes, Use use);

  /// The bytes [offset, offset + bytes) of a file, for peers; the file's pages exist. Null as above. `access`
  /// atomic: by the provider.
  static std::unique_ptr<Region> over(Fabric& fabric, int file, std::size_t offset, std::size_t bytes,
                                      Access access);
  /// The same for this side alone, registered in any case.
  static std::unique_ptr<Region> over(Fabric& fabric, int file, std::size_t offset, std::size_t bytes,
                                      Use use);

  /// Takes the memory from the provider; it stays mapped.
  void retire() noexcept { registered_.reset(); }
  bool orphan() noexcept { return pages_.orphan(); }

  [[nodiscard]] std::byte* data() const noexcept { return bytes_.data(); }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }
  [[nodiscard]] void* descriptor() const noexcept {
    return registered_ ? fi_mr_desc(registered_.get()) : nullptr;
  }
  /// What a peer says to the provider to mean `at`.
  [[nodiscard]] std::uint64_t remote(const std::byte* at) const noexcept {
    return base_ + static_cast<std::uint64_t>(at - data());
  }
  /// The provider's key, as bytes for the wire.
  [[nodiscard]] Bytes key() const noexcept { return {key_.data(), key_.size()}; }

 private:
  explicit Region(std::size_t bytes) : pages_(bytes), bytes_(pages_.data(), pages_.size()) {}
  explicit Region(Pages pages) noexcept : pages_(std::move(pages)) {}
  static std::unique_ptr<Region> map(Fabric& fabric, int file, std::size_t offset, std::size_t bytes,
                                     std::uint64_t access);
  bool enroll(Fabric& fabric, std::uint64_t access);
  bool take_key(Fabric& fabric);

  Pages pages_;
  MutableBytes bytes_;
  Fid<fid_mr> registered_;  // goes before its pages
  std::uint64_t base_ = 0;
  std::vector<std::byte> key_;
};

/// A key of a peer's, as the provider wants it said; mapped once for all offers of a link.
class RemoteKey {
 public:
  RemoteKey() = default;
  ~RemoteKey() { forget(); }
  RemoteKey(const RemoteKey&) = delete;
  RemoteKey& operator=(const RemoteKey&) = delete;
  /// False when it is no key of this provider's.
  bool set(Fabric& fabric, Bytes key);
  [[nodiscard]] std::uint64_t value() const noexcept { return value_; }

 private:
  void forget() noexcept;
  std::vector<std::byte> key_;
  std::uint64_t value_ = 0;
  fid_domain* mapped_in_ = nullptr;
};

}  // namespace harness::transports::ofi
