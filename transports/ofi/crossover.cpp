// SPDX-License-Identifier: Apache-2.0
// See crossover.hpp.
#include <harness/transports/ofi/crossover.hpp>

#include <map>
#include <mutex>

namespace harness::transports::ofi {

namespace {

// The process' own, as libfabric is: engines of several threads come here when they open.
struct Memory {
  std::mutex mutex;
  std::map<std::string, Crossover, std::less<>> found;
};

Memory& memory() {
  static Memory all;
  return all;
}

}  // namespace

std::string text_of(const Crossover& crossover) {
  const bool most = crossover.bytes == eager_bytes_max;
  const bool whole = most || crossover.bytes % 1024 == 0;
  const std::string size = "up to " + std::to_string(whole ? crossover.bytes / 1024 : crossover.bytes) +
                           (most    ? " KiB and a header"
                            : whole ? " KiB"
                                    : " B");
  switch (crossover.how) {
    case Crossover::How::option: return size + ", as the option says";
    case Crossover::How::learnt:
      return size + ", learnt: " + std::to_string(crossover.sizes) + " sizes were measured at set-up";
    case Crossover::How::table: break;
  }
  return size + ", from the table: " + crossover.why;
}

std::optional<Crossover> remembered_crossover(std::string_view provider) {
  const std::lock_guard lock(memory().mutex);
  const auto at = memory().found.find(provider);
  return at != memory().found.end() ? std::optional(at->second) : std::nullopt;
}

void remember_crossover(std::string_view provider, const Crossover& found) {
  const std::lock_guard lock(memory().mutex);
  memory().found.insert_or_assign(std::string(provider), found);
}

}  // namespace harness::transports::ofi
