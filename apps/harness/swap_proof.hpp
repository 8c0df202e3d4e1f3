// SPDX-License-Identifier: Apache-2.0
// Swaps under load, judged at the other end: numbered messages with digests flow before them and during them.
#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include <harness/apps/common/admin_client.hpp>
#include <harness/apps/common/admin_runs.hpp>

namespace harness::apps {

struct SwapProof {
  std::vector<admin::SwapResult> swaps;
  admin::LoadResult quiet;  // the same load without a swap, just before
  admin::LoadResult load;

  /// What the swaps cost at most: the longest time between two deliveries, less what 999 of 1000 do not
  /// exceed when nothing is swapped.
  [[nodiscard]] std::uint64_t pause_ns() const noexcept {
    return load.gap_ns - std::min(load.gap_ns, quiet.gap_p999_ns);
  }
  /// Every swap was done, and every message came once, whole and in order.
  [[nodiscard]] bool is_clean() const noexcept {
    return load.lost + load.doubled + load.disordered + load.damaged == 0 && load.received != 0;
  }
};

std::string write_json(const SwapProof& proof);

/// Runs while something is waited for; blocks a few milliseconds. An error ends the wait.
using Meanwhile = std::function<Result<>()>;

/// Loads a link, gives it each of `stacks` in turn, and waits for the count. `folder`: of the node that is
/// asked. Errors: those of link.load and link.swap, and of `meanwhile`.
Result<SwapProof> prove_swaps(const std::string& folder, const std::string& link,
                              const std::vector<std::string>& stacks, const Meanwhile& meanwhile);

}  // namespace harness::apps
