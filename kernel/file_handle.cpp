// SPDX-License-Identifier: Apache-2.0
// Closing; its errors are of no use to anyone here: what must be on disk is synced before.
#include <harness/kernel/file_handle.hpp>

#include <unistd.h>

namespace harness {

void FileHandle::close() noexcept {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

}  // namespace harness
