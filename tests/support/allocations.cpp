// SPDX-License-Identifier: Apache-2.0
// See allocations.hpp. Linked into a program only when it asks for allocation_count.
#include <harness/tests/support/allocations.hpp>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

std::atomic<std::uint64_t> count{0};

void* counted(std::size_t bytes, std::size_t alignment) {
  count.fetch_add(1, std::memory_order_relaxed);
  if (bytes == 0) bytes = 1;
  if (alignment <= alignof(std::max_align_t)) return std::malloc(bytes);
  return std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}

void* counted_or_die(std::size_t bytes, std::size_t alignment = 1) {
  void* block = counted(bytes, alignment);
  if (block == nullptr) std::abort();  // a test out of memory has nothing more to say
  return block;
}

}  // namespace

void* operator new(std::size_t bytes) { return counted_or_die(bytes); }
void* operator new[](std::size_t bytes) { return counted_or_die(bytes); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return counted_or_die(bytes, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t bytes, std::align_val_t alignment) {
  return counted_or_die(bytes, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept { return counted(bytes, 1); }
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept { return counted(bytes, 1); }
void operator delete(void* block) noexcept { std::free(block); }
void operator delete[](void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }
void operator delete[](void* block, std::size_t) noexcept { std::free(block); }
void operator delete(void* block, std::align_val_t) noexcept { std::free(block); }
void operator delete[](void* block, std::align_val_t) noexcept { std::free(block); }
void operator delete(void* block, std::size_t, std::align_val_t) noexcept { std::free(block); }
void operator delete[](void* block, std::size_t, std::align_val_t) noexcept { std::free(block); }

namespace harness::tests {

std::uint64_t allocation_count() noexcept { return count.load(std::memory_order_relaxed); }

}  // namespace harness::tests
