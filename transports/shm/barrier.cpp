// SPDX-License-Identifier: Apache-2.0
// See barrier.hpp. Source: membarrier(2).
#include <harness/transports/shm/barrier.hpp>

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <harness/transports/shm/ring.hpp>

namespace harness::transports::shm {

namespace {
bool ask(int command) noexcept { return syscall(SYS_membarrier, command, 0, 0) == 0; }
}  // namespace

// Nothing is remembered: a forked child would have to forget it.
bool hear_barriers() noexcept { return ask(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED); }

bool can_make_barriers() noexcept { return ask(MEMBARRIER_CMD_GLOBAL_EXPEDITED); }

bool make_barrier() noexcept {
  fence();
  return ask(MEMBARRIER_CMD_GLOBAL_EXPEDITED);
}

}  // namespace harness::transports::shm
