// SPDX-License-Identifier: Apache-2.0
// See memory.hpp.
#include <harness/transports/ofi/memory.hpp>

#include <algorithm>
#include <cstring>

#include <sys/mman.h>

namespace harness::transports::ofi {

namespace {

constexpr std::size_t page_bytes = 4096;
constexpr std::size_t large_page_bytes = 2 * 1024 * 1024;

std::uint64_t access_of(Region::Use use) noexcept {
  switch (use) {
    case Region::Use::messages: return FI_SEND | FI_RECV;
    case Region::Use::read_by_peers: return FI_REMOTE_READ;
    case Region::Use::used_by_peers: return FI_REMOTE_READ | FI_REMOTE_WRITE;
    case Region::Use::reads: return FI_READ;
    case Region::Use::both_ways: return FI_READ | FI_WRITE;
    case Region::Use::writes: return FI_WRITE;
  }
  return 0;
}

}  // namespace

// What has room for large pages begins at one and asks for them: the system finds the pages of a peer's read
// one by one.
Pages::Pages(std::size_t bytes) noexcept : bytes_((bytes + page_bytes - 1) / page_bytes * page_bytes) {
  const std::size_t before = bytes_ >= large_page_bytes ? large_page_bytes - page_bytes : 0;
  void* at = ::mmap(nullptr, before + bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) return;
  data_ = static_cast<std::byte*>(at);
  if (before == 0) return;
  const std::size_t skipped = -reinterpret_cast<std::uintptr_t>(at) % large_page_bytes;
  if (skipped != 0) ::munmap(data_, skipped);
  data_ += skipped;
  if (skipped != before) ::munmap(data_ + bytes_, before - skipped);
  ::madvise(data_, bytes_, MADV_HUGEPAGE);  // without them it is slower
}

Pages::Pages(int file, std::size_t offset, std::size_t bytes) noexcept : bytes_(bytes) {
  void* at = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, file, static_cast<off_t>(offset));
  if (at != MAP_FAILED) data_ = static_cast<std::byte*>(at);
}

bool Pages::orphan() noexcept {
  constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
  return ::mmap(data_, bytes_, PROT_READ | PROT_WRITE, flags, -1, 0) != MAP_FAILED;
}

Pages::~Pages() {
  if (data_ != nullptr) ::munmap(data_, bytes_);
}

std::unique_ptr<Region> Region::make(Fabric& fabric, std::size_t bytes, Use use) {
  std::unique_ptr<Region> region(new Region(bytes));
  if (region->data() == nullptr) return nullptr;
  std::memset(region->data(), 0, region->size());  // FI_MR_ALLOCATED: the pages are there
  const bool for_peers = use == Use::read_by_peers || use == Use::used_by_peers;
  const bool needed = for_peers || fabric.wants(FI_MR_LOCAL);
  if (needed && !region->enroll(fabric, access_of(use))) return nullptr;
  return region;
}

std::unique_ptr<Region> Region::over(Fabric& fabric, int file, std::size_t offset, std::size_t bytes,
                                     Access access) {
  const bool changes = allows(access, Access::atomic);  // which reads a word and writes it
  const std::uint64_t allowed = (allows(access, Access::read) || changes ? FI_REMOTE_READ : 0) |
                                (allows(access, Access::write) || changes ? FI_REMOTE_WRITE : 0);
  return map(fabric, file, offset, bytes, allowed);
}

std::unique_ptr<Region> Region::over(Fabric& fabric, int file, std::size_t offset, std::size_t bytes,
                                     Use use) {
  return map(fabric, file, offset, bytes, access_of(use));
}

std::unique_ptr<Region> Region::map(Fabric& fabric, int file, std::size_t offset, std::size_t bytes,
                                    std::uint64_t access) {
  const std::size_t first = offset / page_bytes * page_bytes;
  const std::size_t last = (offset + bytes + page_bytes - 1) / page_bytes * page_bytes;
  Pages pages(file, first, last - first);
  if (pages.data() == nullptr) return nullptr;
  std::unique_ptr<Region> region(new Region(std::move(pages)));
  region->bytes_ = {region->pages_.data() + (offset - first), bytes};
  return region->enroll(fabric, access) ? std::move(region) : nullptr;
}

bool Region::enroll(Fabric& fabric, std::uint64_t access) {
  fid_mr* made = nullptr;
  const std::uint64_t wanted_key = fabric.wants(FI_MR_PROV_KEY) ? 0 : fabric.next_key();
  if (fi_mr_reg(fabric.domain(), data(), size(), access, 0, wanted_key, 0, &made, nullptr) != 0) return false;
  registered_.reset(made);
  if (fabric.wants(FI_MR_ENDPOINT) &&
      (fi_mr_bind(made, &fabric.endpoint()->fid, 0) != 0 || fi_mr_enable(made) != 0))
    return false;
  base_ = fabric.wants(FI_MR_VIRT_ADDR) ? reinterpret_cast<std::uint64_t>(data()) : 0;
  return take_key(fabric);
}

// A key that needs the raw form is sent with the base address that belongs to it, so it is longer than 8
// bytes.
bool Region::take_key(Fabric& fabric) {
  std::size_t raw_bytes = key_bytes_max - sizeof(std::uint64_t);
  key_.resize(key_bytes_max);
  std::uint64_t base = 0;
  auto* raw = reinterpret_cast<std::uint8_t*>(key_.data() + sizeof base);
  if (fabric.wants(FI_MR_RAW)) {
    if (fi_mr_raw_attr(registered_.get(), &base, raw, &raw_bytes, 0) != 0) return false;
    store<std::uint64_t>(key_.data(), base);
    key_.resize(sizeof base + raw_bytes);
    return true;
  }
  store<std::uint64_t>(key_.data(), fi_mr_key(registered_.get()));
  key_.resize(sizeof(std::uint64_t));
  return fi_mr_key(registered_.get()) != FI_KEY_NOTAVAIL;
}

// Where keys are raw, a number by itself may be an address of this process.
bool RemoteKey::set(Fabric& fabric, Bytes key) {
  if (!key_.empty() && std::equal(key_.begin(), key_.end(), key.begin(), key.end())) return true;
  forget();
  const bool is_raw = fabric.wants(FI_MR_RAW);
  if (is_raw ? key.size() <= sizeof value_ : key.size() != sizeof value_) return false;
  value_ = load<std::uint64_t>(key.data());
  key_.assign(key.begin(), key.end());
  if (!is_raw) return true;
  auto* raw = reinterpret_cast<std::uint8_t*>(key_.data() + sizeof value_);
  if (fi_mr_map_raw(fabric.domain(), value_, raw, key.size() - sizeof value_, &value_, 0) != 0) {
    key_.clear();
    return false;
  }
  mapped_in_ = fabric.domain();
  return true;
}

void RemoteKey::forget() noexcept {
  if (mapped_in_ != nullptr) fi_mr_unmap_key(mapped_in_, value_);
  mapped_in_ = nullptr;
  key_.clear();
}

}  // namespace harness::transports::ofi
