// SPDX-License-Identifier: Apache-2.0
// See counted.hpp. The allocator functions hand on to glibc's own names for them, the locks to the next
// definition in link order, found when first called. Counters are relaxed atomics: a lock of another thread
// counts too.
#include <harness/bench/support/counted.hpp>

#include <atomic>
#include <cerrno>
#include <cstddef>

#include <dlfcn.h>
#include <pthread.h>

namespace harness::bench {

namespace {

std::atomic<std::uint64_t> allocations{0};
std::atomic<std::uint64_t> frees{0};
std::atomic<std::uint64_t> locks{0};

void count(std::atomic<std::uint64_t>& what) noexcept { what.fetch_add(1, std::memory_order_relaxed); }

template <class Function>
Function next(const char* name) noexcept {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

}  // namespace

Asked asked_so_far() noexcept { return {allocations.load(), frees.load(), locks.load()}; }

}  // namespace harness::bench

using harness::bench::allocations;
using harness::bench::count;
using harness::bench::frees;
using harness::bench::locks;
using harness::bench::next;

extern "C" {

void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);

void* malloc(std::size_t bytes) {
  count(allocations);
  return __libc_malloc(bytes);
}
void* calloc(std::size_t number, std::size_t bytes) {
  count(allocations);
  return __libc_calloc(number, bytes);
}
void* realloc(void* old, std::size_t bytes) {
  count(allocations);
  return __libc_realloc(old, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
  count(allocations);
  return __libc_memalign(alignment, bytes);
}
int posix_memalign(void** to, std::size_t alignment, std::size_t bytes) {
  count(allocations);
  *to = __libc_memalign(alignment, bytes);
  return *to != nullptr ? 0 : ENOMEM;
}
void free(void* memory) {
  if (memory != nullptr) count(frees);
  __libc_free(memory);
}

int pthread_mutex_lock(pthread_mutex_t* mutex) {
  static const auto real = next<int (*)(pthread_mutex_t*)>("pthread_mutex_lock");
  count(locks);
  return real(mutex);
}
int pthread_mutex_trylock(pthread_mutex_t* mutex) {
  static const auto real = next<int (*)(pthread_mutex_t*)>("pthread_mutex_trylock");
  count(locks);
  return real(mutex);
}
int pthread_rwlock_rdlock(pthread_rwlock_t* lock) {
  static const auto real = next<int (*)(pthread_rwlock_t*)>("pthread_rwlock_rdlock");
  count(locks);
  return real(lock);
}
int pthread_rwlock_wrlock(pthread_rwlock_t* lock) {
  static const auto real = next<int (*)(pthread_rwlock_t*)>("pthread_rwlock_wrlock");
  count(locks);
  return real(lock);
}
int pthread_spin_lock(pthread_spinlock_t* lock) {
  static const auto real = next<int (*)(pthread_spinlock_t*)>("pthread_spin_lock");
  count(locks);
  return real(lock);
}

}  // extern "C"
