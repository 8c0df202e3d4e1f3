// SPDX-License-Identifier: Apache-2.0
// The system calls behind region_memory.hpp.
#include <harness/transports/region_memory.hpp>

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <system_error>

namespace harness {

namespace shm = transports::shm;
using shm::page_bytes;

namespace {

constexpr int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

// Null, with errno set, when the system refuses.
void* map(const shm::Descriptor& file, std::size_t bytes, void* where) noexcept {
  const int fixed = where != nullptr ? MAP_FIXED : 0;
  const int flags = MAP_SHARED | MAP_POPULATE | fixed;
  void* const at = mmap(where, bytes, PROT_READ | PROT_WRITE, flags, file.get(), 0);
  return at != MAP_FAILED ? at : nullptr;
}

}  // namespace

// Its memory is taken now: later a lack of it could only be told by a signal.
shm::Descriptor RegionMemory::make_file(std::size_t bytes) noexcept {
  shm::Descriptor file(memfd_create("harness-region", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (file && fallocate(file.get(), 0, 0, static_cast<off_t>(bytes)) == 0 &&
      fcntl(file.get(), F_ADD_SEALS, seals) == 0)
    return file;
  return {};
}

Result<std::shared_ptr<RegionMemory>> RegionMemory::make(std::uint64_t bytes) {
  constexpr std::uint64_t most = std::uint64_t{1} << 46;
  if (bytes == 0 || bytes > most)
    return fail(Errc::invalid, "no memory for a region of " + std::to_string(bytes) + " bytes",
                "a region has at least one byte and at most 64 TiB", "ask for as many as you will expose");
  const std::size_t whole = (bytes + page_bytes - 1) / page_bytes * page_bytes;
  shm::Descriptor file = make_file(whole);
  void* const at = file ? map(file, whole, nullptr) : nullptr;
  if (at == nullptr)
    return fail(Errc::exhausted, "no memory for a region of " + std::to_string(bytes) + " bytes",
                std::generic_category().message(errno),
                "ask for less, or give this process or its container more shared memory");
  return std::shared_ptr<RegionMemory>(
      new RegionMemory(std::move(file), {static_cast<std::byte*>(at), whole}));
}

RegionMemory::~RegionMemory() { munmap(bytes_.data(), bytes_.size()); }

// The shares end before the copy: what other peers were told to be delivered until then is in it.
bool RegionMemory::renew() noexcept {
  while (!shares_.empty()) {
    Share& share = shares_.front();
    share.unlink();
    share.withdrawn();
  }
  shm::Descriptor file = make_file(bytes_.size());
  if (!file) return false;
  void* const fresh = map(file, bytes_.size(), nullptr);
  if (fresh == nullptr) return false;
  std::memcpy(fresh, bytes_.data(), bytes_.size());
  munmap(fresh, bytes_.size());
  if (map(file, bytes_.size(), bytes_.data()) == nullptr) return false;
  file_ = std::move(file);
  return true;
}

}  // namespace harness
