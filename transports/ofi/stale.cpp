// SPDX-License-Identifier: Apache-2.0
// See stale.hpp.
#include <harness/transports/ofi/stale.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <unistd.h>

namespace harness::transports::ofi {

void remove_stale_segments() {
  const std::string ours = std::to_string(::getpid()) + ":" + std::to_string(::getuid()) + ":";
  std::ifstream file("/proc/self/maps");
  const std::string mapped{std::istreambuf_iterator<char>(file), {}};
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/dev/shm", ignored)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(ours) || mapped.find(entry.path().string() + "\n") != std::string::npos) continue;
    std::filesystem::remove(entry.path(), ignored);
  }
}

}  // namespace harness::transports::ofi
