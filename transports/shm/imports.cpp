// SPDX-License-Identifier: Apache-2.0
// See imports.hpp.
#include <harness/transports/shm/imports.hpp>

#include <algorithm>

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

namespace harness::transports::shm {

namespace {

constexpr int seals_wanted = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
constexpr std::uint64_t bytes_most = std::uint64_t{1} << 46;
constexpr std::uint64_t block_bytes = 512;  // of st_blocks

// Null, or why touching these bytes could raise a signal.
const char* find_fault(const Descriptor& file, std::uint64_t bytes) noexcept {
  struct statfs system{};
  struct stat status{};
  const int seals = fcntl(file.get(), F_GET_SEALS);
  if (seals < 0 || (seals & seals_wanted) != seals_wanted) return "memory of a region that is not sealed";
  if (fstatfs(file.get(), &system) != 0 || system.f_type != TMPFS_MAGIC)
    return "memory of a region that is of another kind";
  if (fstat(file.get(), &status) != 0 || static_cast<std::uint64_t>(status.st_size) != bytes)
    return "memory of a region of another size than it says";
  if (static_cast<std::uint64_t>(status.st_blocks) < bytes / block_bytes)
    return "memory of a region that has not all its pages";
  return nullptr;
}

}  // namespace

Imports::~Imports() { std::for_each(memories_.begin(), memories_.end(), unmap); }

void Imports::unmap(Mapping& mapping) noexcept {
  if (mapping.at != nullptr) munmap(mapping.at, mapping.bytes);
  mapping = {};
}

unsigned Imports::count() const noexcept {
  return static_cast<unsigned>(
      std::count_if(regions_.begin(), regions_.end(), [](const Import& one) { return one.key != 0; }));
}

// A lack of address space is nobody's lie: what stands there goes by messages.
const char* Imports::take(const wire::ShmMemory& memory, const Descriptor& file) noexcept {
  if (memory.slot >= memories_max || memories_[memory.slot].bytes != 0)
    return "memory for regions in a slot that is not free";
  if (memory.bytes == 0 || memory.bytes > bytes_most || memory.bytes % page_bytes != 0)
    return "memory for regions of a size that is not allowed";
  if (const char* fault = find_fault(file, memory.bytes); fault != nullptr) return fault;
  Mapping& mapping = memories_[memory.slot];
  mapping = {nullptr, memory.bytes, (memory.flags & wire::ShmMemory::writable) != 0};
  const int protection = mapping.writable ? PROT_READ | PROT_WRITE : PROT_READ;
  void* const at = mmap(nullptr, mapping.bytes, protection, MAP_SHARED, file.get(), 0);
  if (at != MAP_FAILED) mapping.at = static_cast<std::byte*>(at);
  return nullptr;
}

const char* Imports::take(const wire::ShmRegion& region, const wire::ShmPlace& place) noexcept {
  if (region.slot >= memories_max || memories_[region.slot].bytes == 0)
    return "a region in memory that was not shown";
  const Mapping& mapping = memories_[region.slot];
  if (region.key == 0 || place.bytes == 0 || place.offset > mapping.bytes ||
      place.bytes > mapping.bytes - place.offset)
    return "a region that does not lie in its memory";
  const auto access = static_cast<Access>(region.access);
  const bool changes = allows(access, Access::write) || allows(access, Access::atomic);
  if (region.access == 0 || region.access > static_cast<std::uint16_t>(Access::all) ||
      (changes && !mapping.writable))
    return "a region that allows more than its memory does";
  Import& import = regions_[region.key % regions_max];
  if (import.key == region.key) return "a region that was shared before";
  import = {};
  if (mapping.at == nullptr) return nullptr;
  import = {region.key, mapping.at + place.offset, place.bytes, access, region.slot};
  return nullptr;
}

const char* Imports::drop(const wire::ShmMemory& memory) noexcept {
  if (memory.slot >= memories_max || memories_[memory.slot].bytes == 0)
    return "the end of memory that was not shown";
  for (Import& region : regions_)
    if (region.key != 0 && region.slot == memory.slot) region = {};
  unmap(memories_[memory.slot]);
  return nullptr;
}

}  // namespace harness::transports::shm
