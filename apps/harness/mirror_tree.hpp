// SPDX-License-Identifier: Apache-2.0
// What the main job mirrors: the tracked files of a checkout, or everything below a path; and the check, at
// the end, that both trees hold the same bytes.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <harness/stack/result.hpp>

namespace harness::apps {

/// One PATH of the user: where it is, what it is called at the receivers, and what belongs to it.
struct MirrorTree {
  std::string root;                // the folder that names are relative to
  std::string as;                  // before the names at the receiver; empty for a single file
  std::vector<std::string> names;  // files, links and empty folders below root
  std::uint64_t bytes = 0;
  bool tracked = false;  // by git; else all that is there

  /// Its name at a receiver whose folder is `into`.
  [[nodiscard]] std::string at(const std::string& into, const std::string& name) const;
};

/// Looks at a path. Errors: not_found, io; invalid (nothing in it).
Result<MirrorTree> look_at(const std::string& path);

/// Compares every name of the tree with what is in `into`; what differs is told with the reason, at most 20.
/// `step` is called after each name and may return false to stop.
std::vector<std::string> differences(const MirrorTree& tree, const std::string& into,
                                     const std::function<bool()>& step);

}  // namespace harness::apps
