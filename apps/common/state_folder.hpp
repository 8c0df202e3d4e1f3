// SPDX-License-Identifier: Apache-2.0
// Where a running node keeps its socket, its pid and what it received: <root>/<cluster>/<node>, for its user
// alone.
//
//   node.pid     the process, locked by it while it runs: a second node of this name is refused, and a
//                crash leaves no lock
//   admin.sock   the admin socket
//   received/    files of peers, a folder each
//
// Beside the clusters stands the folder domains (kernel/identity/domain.hpp); no cluster has that name.
// The root is $HARNESS_STATE, else $XDG_STATE_HOME/harness, else $HOME/.local/state/harness. Sockets are
// bound and reached through /proc/self/fd, since a socket's path may have only 107 bytes and a state folder
// any.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <harness/kernel/file_handle.hpp>
#include <harness/stack/result.hpp>

namespace harness::apps {

/// The root of this user. Errors: not_found (no HOME).
Result<std::string> state_root();

/// The name below the root that no cluster may have.
inline constexpr std::string_view domains_folder = "domains";
/// <root>/<cluster>/<node>, absolute. [any-thread]
std::string state_path(const std::string& root, const std::string& cluster, const std::string& node);

/// The state folder of a node that runs in this process.
class StateFolder {
 public:
  /// Makes <root>/<cluster>/<node>, locks it, removes what a crash left. Errors: exists (the node runs
  /// already), denied
  /// (the folder is open to others), those of the operating system.
  static Result<StateFolder> open(const std::string& root, const std::string& cluster,
                                  const std::string& node);

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] std::string received() const { return path_ + "/received"; }
  /// A listening admin socket of mode 0600. Errors: io.
  [[nodiscard]] Result<FileHandle> listen() const;
  /// Removes socket and pid; files received stay.
  void close() noexcept;

 private:
  std::string path_;
  FileHandle folder_;
  FileHandle lock_;
};

/// A node whose state folder was found.
struct LocalNode {
  std::string cluster;
  std::string name;
  std::string path;
  std::uint64_t pid = 0;  // 0: not running
};

/// Every node below the root that runs, and with `all` also those that do not. Bounded by 4096. Blocks.
std::vector<LocalNode> local_nodes(const std::string& root, bool all);

/// A connection to the admin socket in a state folder. Errors: unreachable (nobody listens), denied,
/// not_found.
Result<FileHandle> connect_admin(const std::string& folder);

}  // namespace harness::apps
