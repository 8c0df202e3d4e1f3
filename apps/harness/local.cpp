// SPDX-License-Identifier: Apache-2.0
// Finding nodes and links on this machine.
#include <harness/apps/harness/local.hpp>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>

#include <harness/apps/common/human.hpp>
#include <harness/stack/text.hpp>

namespace harness::apps {

Result<std::string> chosen_root(const Context& context) {
  if (!context.common.state.empty()) return context.common.state;
  return state_root();
}

Result<std::vector<LocalNode>> running_nodes(const Context& context) {
  auto root = chosen_root(context);
  if (!root) return tl::unexpected<Error>(root.error());
  std::vector<LocalNode> nodes = local_nodes(*root, false);
  if (nodes.empty())
    return fail(Errc::not_found, "no node runs here", "there is none below " + printable(*root),
                "harness node up NAME --cluster FILE");
  const std::string wanted = context.arguments.text("--node");
  if (wanted.empty()) return nodes;
  std::vector<LocalNode> fitting;
  std::vector<std::string_view> names;
  for (const LocalNode& node : nodes) {
    names.push_back(node.name);
    if (node.name == wanted || node.cluster + "/" + node.name == wanted) fitting.push_back(node);
  }
  if (!fitting.empty()) return fitting;
  const std::string_view meant = text::closest(wanted, names);
  return fail(Errc::not_found, fmt::format("no node {} runs here", text::quoted(wanted)),
              "those that run are " + text::list(std::span(std::as_const(names))),
              meant.empty() ? fmt::format("harness node up {} --cluster FILE", printable(wanted))
                            : fmt::format("did you mean {}?", meant));
}

Result<admin::Client> connect_one(const Context& context) {
  auto nodes = running_nodes(context);
  if (!nodes) return tl::unexpected<Error>(nodes.error());
  if (nodes->size() == 1) return admin::Client::connect(nodes->front().path);
  std::vector<std::string> names;
  for (const LocalNode& node : *nodes) names.push_back(node.cluster + "/" + node.name);
  return fail(Errc::conflict, fmt::format("{} nodes run here", nodes->size()),
              "they are " + text::list(std::span(std::as_const(names))), "--node " + nodes->front().name);
}

Result<FoundLink> find_link(const Context& context, const std::string& name) {
  auto nodes = running_nodes(context);
  if (!nodes) return tl::unexpected<Error>(nodes.error());
  std::vector<FoundLink> found;
  std::vector<std::string> known;
  std::vector<std::string> names;
  std::vector<bool> dialled;
  for (const LocalNode& node : *nodes) {
    auto client = admin::Client::connect(node.path);
    if (!client) continue;  // it is going away
    auto list = client->ask<admin::LinkList>("link.ls", admin::Nothing{});
    if (!list) continue;
    for (const admin::LinkStatus& link : list->links) {
      const std::string full = link.peer + "/" + link.name;
      if (link.role == "initiator" || nodes->size() == 1)
        known.push_back(fmt::format("{} ({} to {})", link.name, node.name, link.peer));
      names.push_back(link.name);
      names.push_back(link.peer);
      if (name != full && name != link.name && name != link.peer) continue;
      auto own = admin::Client::connect(node.path);
      if (!own) continue;
      found.push_back({std::move(*own), node.path, node.name, full, link.peer});
      dialled.push_back(link.role == "initiator");
    }
  }
  // Both ends of one link run here: the one that dialled speaks for it.
  if (std::count(dialled.begin(), dialled.end(), true) == 1 && context.arguments.text("--node").empty()) {
    const auto at = std::find(dialled.begin(), dialled.end(), true) - dialled.begin();
    return std::move(found[static_cast<std::size_t>(at)]);
  }
  if (found.size() == 1) return std::move(found.front());
  if (found.empty()) {
    const std::vector<std::string_view> parts(names.begin(), names.end());
    const std::string_view meant = text::closest(name, parts);
    return fail(Errc::not_found, "there is no link " + text::quoted(name),
                known.empty() ? "the nodes that run here have none"
                              : "there are " + text::list(std::span(std::as_const(known))),
                meant.empty() ? "harness link ls" : fmt::format("did you mean {}?", meant));
  }
  std::string all;
  for (const FoundLink& one : found)
    all += fmt::format("{}{} at {}", all.empty() ? "" : ", ", one.link, one.node);
  return fail(Errc::conflict, fmt::format("{} names {} links", text::quoted(name), found.size()),
              "they are " + all, fmt::format("{} --node {}", found.front().link, found.front().node));
}

std::string chosen_cluster(const Context& context) {
  if (!context.common.cluster.empty()) return context.common.cluster;
  if (const char* variable = std::getenv("HARNESS_CLUSTER"); variable != nullptr && *variable != '\0')
    return variable;
  return std::filesystem::exists("harness.toml") ? "harness.toml" : "examples/cluster.toml";
}

std::string retransmits_of(const admin::LinkStatus& link) {
  return link.measured ? fmt::format("{}", link.retransmits) : "–";
}
std::string rtt_of(const admin::LinkStatus& link) {
  return link.measured ? human_time(link.rtt_us * 1000) : "–";
}

}  // namespace harness::apps
