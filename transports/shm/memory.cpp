// SPDX-License-Identifier: Apache-2.0
// The system calls behind memory.hpp.
#include <harness/transports/shm/memory.hpp>

#include <cerrno>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace harness::transports::shm {

namespace {

constexpr int seals_wanted = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;
constexpr unsigned no_exec = 0x0008;  // MFD_NOEXEC_SEAL, Linux 6.3
#ifdef MADV_POPULATE_WRITE
constexpr int populate_write = MADV_POPULATE_WRITE;
#else
constexpr int populate_write = 23;  // Linux 5.14; the headers may be older than the kernel
#endif

int make_file() noexcept {
  constexpr unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  const int file = memfd_create("harness", flags | no_exec);
  return file < 0 && errno == EINVAL ? memfd_create("harness", flags) : file;
}

bool map_at(std::byte* where, std::size_t bytes, int file, std::size_t from, int protection) noexcept {
  return mmap(where, bytes, protection, MAP_SHARED | MAP_FIXED, file, static_cast<off_t>(from)) != MAP_FAILED;
}

}  // namespace

void Descriptor::close() noexcept {
  if (number_ >= 0) ::close(number_);
  number_ = -1;
}

Memory::~Memory() {
  if (base_ != nullptr) munmap(base_, layout_.total_bytes());
}

// Takes the whole range first, so that its parts lie one behind the other.
Memory Memory::map(int file, const Layout& layout, bool writable) noexcept {
  const std::size_t again = layout.file_bytes - layout.twice_from;
  void* range = mmap(nullptr, layout.total_bytes(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  Memory memory;
  if (range == MAP_FAILED) return memory;
  memory.base_ = static_cast<std::byte*>(range);
  memory.layout_ = layout;
  const int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  std::byte* const at = memory.file();
  if ((layout.private_bytes != 0 && mprotect(range, layout.private_bytes, PROT_READ | PROT_WRITE) != 0) ||
      !map_at(at, layout.file_bytes, file, 0, protection) ||
      (again != 0 && !map_at(at + layout.file_bytes, again, file, layout.twice_from, protection)))
    return {};
  return memory;
}

Memory Memory::make(const Layout& layout, Descriptor& file) noexcept {
  file = Descriptor(make_file());
  if (!file || ftruncate(file.get(), static_cast<off_t>(layout.file_bytes)) != 0) return {};
  Memory memory = map(file.get(), layout, true);
  if (!memory || fcntl(file.get(), F_ADD_SEALS, seals_wanted) != 0) return {};
  return memory;
}

Memory Memory::adopt(const Descriptor& file, const Layout& layout, const char*& why) noexcept {
  const int seals = fcntl(file.get(), F_GET_SEALS);
  struct stat status{};
  if (seals < 0 || (seals & seals_wanted) != seals_wanted) {
    why = "the peer's memory is not sealed";
    return {};
  }
  if (fstat(file.get(), &status) != 0 || static_cast<std::uint64_t>(status.st_size) != layout.file_bytes) {
    why = "the peer's memory has another size than it says";
    return {};
  }
  Memory memory = map(file.get(), layout, false);
  if (!memory) why = "the peer's memory cannot be mapped";
  return memory;
}

bool Memory::back(std::size_t offset, std::size_t bytes) const noexcept {
  const std::size_t first = offset / page_bytes * page_bytes;
  const std::size_t last = (offset + bytes + page_bytes - 1) / page_bytes * page_bytes;
  if (madvise(file() + first, last - first, populate_write) == 0) return true;
  return errno == EINVAL;  // a kernel before 5.14 backs what is touched
}

}  // namespace harness::transports::shm
