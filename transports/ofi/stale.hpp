// SPDX-License-Identifier: Apache-2.0
// Segments that libfabric's shm provider leaves in /dev/shm when a process is killed.
//
// Their names are "pid:uid:index". One of a former process with our number would make our endpoint fail
// (EEXIST), so those of our own number that this process has not mapped are removed before one is opened.
// Those of other numbers are left: the folder may be shared with another pid namespace, where they live.
#pragma once

namespace harness::transports::ofi {

/// Removes them; what cannot be read or removed stays. [stack-thread]
void remove_stale_segments();

}  // namespace harness::transports::ofi
