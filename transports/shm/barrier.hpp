// SPDX-License-Identifier: Apache-2.0
// A barrier that one side pays for both: who revokes asks the kernel to let every processor pass one, so that
// who writes, a million times more often, needs none.
//
// The writer stores its word and loads the other's; the revoker stores that and loads the writer's. With
// nothing between store and load both may miss each other; with a barrier in each, one sees the other
// (Dekker). membarrier(2) puts the writer's there at the one moment that counts. Where the kernel or a filter
// of system calls refuses it, writers take a full fence of some nanoseconds.
#pragma once

namespace harness::transports::shm {

/// Lets the barriers of other processes reach this one; false when the kernel cannot. The first time, with
/// several threads, it takes the kernel milliseconds. [any-thread]
bool hear_barriers() noexcept;
/// Whether make_barrier can be used. [any-thread]
bool can_make_barriers() noexcept;
/// From its return on every thread of every process that hears barriers has passed one; false: refused.
bool make_barrier() noexcept;

}  // namespace harness::transports::shm
