// SPDX-License-Identifier: Apache-2.0
// One-sided operations between two processing elements of an OpenSHMEM; prints ns.
//
//   oshrun -np 2 driver put 8 TIMES            each puts 8 bytes and looks into its own memory: half of it
//   … delivered BYTES TIMES                    shmem_putmem and shmem_quiet
//   … put_flood, get, fetch_add, add_flood     floods: shmem_quiet at the end
//
// It ends by shmem_global_exit: what Debian's Open MPI 4.1 has crashes in shmem_finalize, on UCX.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <shmem.h>

namespace {

constexpr int batches = 20;

double now_ns() {
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

template <class Once>
double median_of(long times, Once once) {
  std::vector<double> found;
  const long each = std::max(1L, times / batches);
  for (int batch = -2; batch < batches; ++batch) {
    const double begin = now_ns();
    for (long i = 0; i < each; ++i) once();
    if (batch >= 0) found.push_back((now_ns() - begin) / static_cast<double>(each));
  }
  std::nth_element(found.begin(), found.begin() + batches / 2, found.end());
  return found[batches / 2];
}

template <class Once>
double flood(long times, Once once) {
  for (long i = 0; i < times / 10; ++i) once();
  shmem_quiet();
  const double begin = now_ns();
  for (long i = 0; i < times; ++i) once();
  shmem_quiet();
  return (now_ns() - begin) / static_cast<double>(times);
}

double puts(unsigned long* memory, int me, long times) {
  unsigned long number = 0;
  return median_of(times,
                   [&] {
                     ++number;
                     if (me == 1) shmem_ulong_wait_until(memory, SHMEM_CMP_EQ, number);
                     shmem_ulong_p(memory, number, 1 - me);
                     if (me == 0) shmem_ulong_wait_until(memory, SHMEM_CMP_EQ, number);
                   }) /
         2;
}

double measure(const std::string& what, unsigned long* memory, std::size_t bytes, long times) {
  std::vector<char> buffer(bytes, 'x');
  const auto put = [&] { shmem_putmem(memory, buffer.data(), bytes, 1); };
  if (what == "delivered")
    return median_of(times, [&] {
      put();
      shmem_quiet();
    });
  if (what == "get") return median_of(times, [&] { shmem_getmem(buffer.data(), memory, bytes, 1); });
  if (what == "fetch_add") return median_of(times, [&] { shmem_ulong_atomic_fetch_add(memory, 1, 1); });
  if (what == "add_flood") return flood(times, [&] { shmem_ulong_atomic_add(memory, 1, 1); });
  return flood(times, put);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const std::string what = argv[1];
  const auto bytes = static_cast<std::size_t>(std::strtol(argv[2], nullptr, 10));
  const long times = std::strtol(argv[3], nullptr, 10);
  shmem_init();
  const int me = shmem_my_pe();
  auto* memory = static_cast<unsigned long*>(shmem_calloc(std::max<std::size_t>(bytes, 4096), 1));
  shmem_barrier_all();
  const double ns = what == "put" ? puts(memory, me, times)
                    : me == 0     ? measure(what, memory, bytes, times)
                                  : 0;
  shmem_barrier_all();
  if (me == 0) std::printf("%.1f\n", ns);
  std::fflush(stdout);
  shmem_barrier_all();
  shmem_global_exit(0);
}
