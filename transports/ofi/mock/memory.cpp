// SPDX-License-Identifier: Apache-2.0
// Registration, keys, descriptors, and who may touch what.
#include <harness/transports/ofi/mock/memory.hpp>

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <vector>

#include <harness/transports/ofi/mock/domain.hpp>

namespace harness::transports::ofi::mock {

namespace {

std::uint64_t address_of(const void* pointer) noexcept { return reinterpret_cast<std::uint64_t>(pointer); }

bool present(std::span<std::byte> bytes) {
  const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  const std::uint64_t begin = address_of(bytes.data()) & ~(page - 1);
  const std::uint64_t end = address_of(bytes.data()) + bytes.size();
  std::vector<unsigned char> pages((end - begin + page - 1) / page);
  if (pages.empty()) return true;
  if (mincore(reinterpret_cast<void*>(begin), end - begin, pages.data()) != 0) return false;
  return std::all_of(pages.begin(), pages.end(), [](unsigned char one) { return (one & 1) != 0; });
}

bool within(std::uint64_t begin, std::uint64_t length, std::uint64_t limit) noexcept {
  return begin <= limit && length <= limit - begin;
}

int close_region(fid* face) {
  const std::unique_ptr<Region> region(&object_of<Region>(face));
  region->domain->memory.remove(*region);
  return 0;
}

int bind_region(fid* face, fid* to, std::uint64_t) {
  Region& region = object_of<Region>(face);
  if (to->fclass != FI_CLASS_EP || !region.domain->memory.has(FI_MR_ENDPOINT)) return -FI_EINVAL;
  region.endpoint = to;
  return 0;
}

int get_raw(Region& region, struct fi_mr_raw_attr& asked) {
  const bool fits = *asked.key_size >= raw_key_bytes;
  *asked.key_size = raw_key_bytes;
  if (!fits) return -FI_ETOOSMALL;
  memcpy(asked.raw_key, region.raw_key.data(), raw_key_bytes);
  *asked.base_addr = region.domain->memory.has(FI_MR_VIRT_ADDR) ? address_of(region.bytes.data()) : 0;
  return 0;
}

int control_region(fid* face, int command, void* argument) {
  Region& region = object_of<Region>(face);
  if (command == FI_GET_RAW_MR && region.domain->memory.has(FI_MR_RAW))
    return get_raw(region, *static_cast<struct fi_mr_raw_attr*>(argument));
  if (command != FI_ENABLE) return -FI_ENOSYS;
  if (region.endpoint == nullptr) return -FI_EOPBADSTATE;  // fi_mr_bind comes first
  region.enabled = true;
  return 0;
}

fi_ops* region_operations() {
  static fi_ops operations = fid_operations(close_region, bind_region, control_region);
  return &operations;
}

int register_region(fid* face, const void* start, std::size_t length, std::uint64_t access,
                    std::uint64_t offset, std::uint64_t key, std::uint64_t flags, fid_mr** out,
                    void* context) {
  if (start == nullptr || length == 0 || offset != 0) return -FI_EINVAL;
  if (flags != 0) return -FI_EBADFLAGS;
  auto region = std::make_unique<Region>();
  region->fid = {FI_CLASS_MR, context, region_operations()};
  region->domain = &object_of<Domain>(face);
  region->bytes = {static_cast<std::byte*>(const_cast<void*>(start)), length};
  region->access = access;
  if (const int error = region->domain->memory.add(*region, key); error != 0) return error;
  *out = region.release();
  return 0;
}

int register_vector(fid* face, const iovec* vector, std::size_t count, std::uint64_t access,
                    std::uint64_t offset, std::uint64_t key, std::uint64_t flags, fid_mr** out,
                    void* context) {
  if (count != 1) return -FI_EINVAL;  // mr_iov_limit
  return register_region(face, vector->iov_base, vector->iov_len, access, offset, key, flags, out, context);
}

int register_attributes(fid* face, const fi_mr_attr* attributes, std::uint64_t flags, fid_mr** out) {
  if (attributes->iface != FI_HMEM_SYSTEM) return -FI_ENOSYS;
  return register_vector(face, attributes->mr_iov, attributes->iov_count, attributes->access,
                         attributes->offset, attributes->requested_key, flags, out, attributes->context);
}

}  // namespace

int MemoryTable::add(Region& region, std::uint64_t requested_key) {
  if (has(FI_MR_ALLOCATED) && !present(region.bytes)) return -FI_EFAULT;
  const std::uint64_t bytes = registered_bytes_ + region.bytes.size();
  if (memlock_bytes_ != 0 && bytes > memlock_bytes_) return -FI_ENOMEM;
  std::uint64_t key = requested_key;
  if (has(FI_MR_PROV_KEY)) {
    do key = random_.next() & 0xffffffff;
    while (key == requested_key || by_key_.contains(key));
  }
  if (key > 0xffffffff) return -FI_EKEYREJECTED;
  if (!by_key_.emplace(key, &region).second) return -FI_ENOKEY;
  registered_bytes_ = bytes;
  for (std::uint8_t& byte : region.raw_key) byte = static_cast<std::uint8_t>(random_.next());
  if (has(FI_MR_RAW)) by_raw_key_.emplace(region.raw_key, &region);
  const std::uint64_t descriptor = random_.next() | 1;  // odd, and so no pointer to anything of ours
  by_descriptor_.emplace(descriptor, &region);
  region.mem_desc = reinterpret_cast<void*>(descriptor);
  region.key = has(FI_MR_RAW) ? FI_KEY_NOTAVAIL : key;
  return 0;
}

void MemoryTable::remove(Region& region) {
  registered_bytes_ -= region.bytes.size();
  std::erase_if(by_key_, [&](const auto& entry) { return entry.second == &region; });
  std::erase_if(by_descriptor_, [&](const auto& entry) { return entry.second == &region; });
  by_raw_key_.erase(region.raw_key);
}

const Region* MemoryTable::find(const WireKey& key) const {
  if (has(FI_MR_RAW)) {
    const auto found = by_raw_key_.find(key.raw);
    return found == by_raw_key_.end() ? nullptr : found->second;
  }
  const auto found = by_key_.find(key.number);
  return found == by_key_.end() ? nullptr : found->second;
}

Grasp MemoryTable::remote(const WireKey& key, std::uint64_t address, std::uint64_t length,
                          std::uint64_t access, const void* endpoint) const {
  const Region* region = find(key);
  if (region == nullptr) return {{}, Fault::no_key};
  if (has(FI_MR_ENDPOINT) && (!region->enabled || region->endpoint != endpoint))
    return {{}, Fault::not_enabled};
  if ((region->access & access) != access) return {{}, Fault::remote_access};
  const std::uint64_t base = has(FI_MR_VIRT_ADDR) ? address_of(region->bytes.data()) : 0;
  if (address < base || !within(address - base, length, region->bytes.size()))
    return {{}, Fault::outside_region};
  return {region->bytes.subspan(address - base, length), Fault::none};
}

Fault MemoryTable::local(const void* descriptor, std::span<const std::byte> buffer,
                         std::uint64_t access) const {
  if (!has(FI_MR_LOCAL) || buffer.empty()) return Fault::none;
  if (descriptor == nullptr) return Fault::no_descriptor;
  const auto found = by_descriptor_.find(address_of(descriptor));
  if (found == by_descriptor_.end()) return Fault::foreign_descriptor;
  const Region& region = *found->second;
  const std::uint64_t begin = address_of(buffer.data()) - address_of(region.bytes.data());
  if (!within(begin, buffer.size(), region.bytes.size())) return Fault::outside_descriptor;
  return (region.access & access) == access ? Fault::none : Fault::local_access;
}

int MemoryTable::map_raw(const struct fi_mr_map_raw& map) {
  if (!has(FI_MR_RAW)) return -FI_ENOSYS;
  if (map.key_size != raw_key_bytes) return -FI_EINVAL;
  RawKey raw{};
  memcpy(raw.data(), map.raw_key, raw.size());
  *map.key = random_.next() >> 1;
  mapped_.emplace(*map.key, raw);
  return 0;
}

int MemoryTable::unmap(std::uint64_t key) { return mapped_.erase(key) == 1 ? 0 : -FI_ENOKEY; }

WireKey MemoryTable::wire_key(std::uint64_t key) const {
  const auto found = mapped_.find(key);
  return {.number = key, .raw = found == mapped_.end() ? RawKey{} : found->second};
}

fi_ops_mr* registration_operations() {
  static fi_ops_mr operations{.size = sizeof(fi_ops_mr),
                              .reg = register_region,
                              .regv = register_vector,
                              .regattr = register_attributes};
  return &operations;
}

}  // namespace harness::transports::ofi::mock
