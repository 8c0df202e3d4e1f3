// SPDX-License-Identifier: Apache-2.0
// The main job: starts the nodes of a cluster file as processes, mirrors trees from the first to the others
// over every link between them, verifies each file, measures, and tells about each link.
//
// Each node is its own process with its own state folder below one temporary folder; they share nothing but
// links. Ports are chosen by the system, so two runs at a time and ports in use do no harm: each node is told
// where the others listen. While files cross a link, small pings cross it too: their round trips are what an
// urgent message meets under load. Meanwhile two links change their stacks, under numbered messages that tell
// what was lost, doubled or disordered (mirror_swaps.cpp). Children end with us, whatever ends us.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <harness/apps/common/admin_client.hpp>
#include <harness/apps/common/admin_runs.hpp>
#include <harness/apps/common/child_process.hpp>
#include <harness/apps/common/cluster.hpp>
#include <harness/apps/harness/mirror_tree.hpp>
#include <harness/apps/harness/swap_proof.hpp>
#include <harness/apps/harness/table_command.hpp>

namespace harness::apps {

struct MirrorOptions {
  std::string cluster;
  std::vector<std::string> settings;  // --set, handed to every node
  std::vector<MirrorTree> trees;
  bool keep = false;
};

/// One link and what came of it.
struct MirrorLink {
  std::string name;
  std::string peer;
  std::size_t tree = 0;            // that is sent now
  std::uint64_t bytes_before = 0;  // of the trees that are through
  std::optional<admin::Client> files;
  std::optional<admin::Client> pings;
  std::uint64_t send_id = 0;
  std::uint64_t ping_id = 0;
  bool sent = false;  // every tree is through, or one of them failed
  bool pinged = false;
  admin::TransferResult result;  // of all trees together
  admin::PingResult latency;
  admin::LinkStatus status;
  std::string why;
  std::vector<std::string>
      swaps_to;  // stacks, one after the other, while files crossed; empty: it kept its own
  std::optional<SwapProof> proof;
  std::vector<std::string> wrong;  // what is not as it should be, in words
};

class Mirror {
 public:
  Mirror(Context& context, MirrorOptions options);
  /// Ends every node and removes what was written, unless it is to be kept.
  ~Mirror();
  Mirror(const Mirror&) = delete;
  Mirror& operator=(const Mirror&) = delete;

  /// Does all of it. Errors: what could not be started or opened; cancelled. What did not arrive is in
  /// links().
  Result<> run();
  [[nodiscard]] const std::vector<MirrorLink>& links() const noexcept { return links_; }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return total_bytes_; }
  [[nodiscard]] std::size_t files() const noexcept { return total_names_; }
  [[nodiscard]] const std::string& folder() const noexcept { return folder_; }
  /// The folder in which what crossed a link stands.
  [[nodiscard]] std::string received_over(const MirrorLink& link) const;

 private:
  struct NodeProcess {
    std::string name;
    ChildProcess process;
  };
  Result<> prepare();
  Result<> make_domains();
  Result<> start_nodes();
  Result<> introduce();
  Result<> wait_for_links();
  Result<> start_link(MirrorLink& link);
  Result<> send_tree(MirrorLink& link);
  Result<> transfer();
  Result<> look_after(int timeout_ms);
  Result<> listen(MirrorLink& link);
  using StacksOf = std::vector<std::string> (*)(const StackSpec& now, const Catalogue& catalogue);
  Result<> swap_links();
  Result<> swap_first(admin::Client& client, StacksOf stacks_of);
  void hear_send(MirrorLink& link, const admin::Reply& reply);
  void verify();
  Result<> look_closely();
  Result<> pause(int timeout_ms);
  Result<> alive();
  Result<> why_it_failed(Result<> done);
  void show_progress(bool last);
  [[nodiscard]] std::string state_of(const std::string& node) const;

  Context& context_;
  MirrorOptions options_;
  Cluster cluster_;
  std::string folder_;
  std::vector<NodeProcess> nodes_;
  std::vector<MirrorLink> links_;
  std::vector<std::string> lists_;  // of names, a file a tree
  std::uint64_t total_bytes_ = 0;
  std::size_t total_names_ = 0;
  std::uint64_t shown_ns_ = 0;
  std::size_t shown_lines_ = 0;
};

}  // namespace harness::apps
