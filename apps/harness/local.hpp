// SPDX-License-Identifier: Apache-2.0
// Finding the nodes that run on this machine, and the one a command is about.
#pragma once

#include <string>
#include <vector>

#include <harness/apps/common/admin_client.hpp>
#include <harness/apps/common/state_folder.hpp>
#include <harness/apps/harness/table_command.hpp>

namespace harness::apps {

/// The option of every command that talks to a node; --state and --cluster belong to all commands.
inline constexpr Argument node_option{"--node", Argument::Kind::option,
                                      "the node to ask; needed when several run here", "NAME"};
inline constexpr Argument set_option{"--set", Argument::Kind::options,
                                     "change a setting of the file: links.NAME.quota=32MiB", "KEY=VALUE"};

/// --state, or the user's root. Errors: not_found.
Result<std::string> chosen_root(const Context& context);

/// The running nodes that --state and --node leave. Errors: not_found (none runs, none of that name).
Result<std::vector<LocalNode>> running_nodes(const Context& context);

/// A connection to the one node that --node names or that alone runs. Errors: also conflict (several run).
Result<admin::Client> connect_one(const Context& context);

/// A node, and the full name of one of its links ("b/main").
struct FoundLink {
  admin::Client client;
  std::string path;  // of the node's state folder
  std::string node;
  std::string link;
  std::string peer;
};
/// The link that `name` means ("main", "b", "b/main") among the nodes that run here; when both of its ends
/// do, the end that dialled. Errors: not_found (with a did-you-mean), conflict (several).
Result<FoundLink> find_link(const Context& context, const std::string& name);

/// Packets that a link's end sent again, and its round trip; "–" when no layer of its stack tells.
std::string retransmits_of(const admin::LinkStatus& link);
std::string rtt_of(const admin::LinkStatus& link);

/// --cluster, else $HARNESS_CLUSTER, else harness.toml here, else examples/cluster.toml.
std::string chosen_cluster(const Context& context);

}  // namespace harness::apps
