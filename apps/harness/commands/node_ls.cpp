// SPDX-License-Identifier: Apache-2.0
// harness node ls: the nodes that run on this machine.  harness node down: ends one.
#include <poll.h>

#include <fmt/format.h>

#include <harness/apps/common/human.hpp>
#include <harness/apps/common/node_identity.hpp>
#include <harness/apps/common/table.hpp>
#include <harness/apps/harness/local.hpp>

namespace harness::apps {

namespace {

constexpr Argument node_ls_arguments[] = {
    {"--all", Argument::Kind::flag, "also those that do not run any more"},
};

std::string joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all += (all.empty() ? "" : " ") + text;
  return all;
}

// How long the certificate of a node still holds.
std::string identity_of(const admin::NodeStatus& status) {
  if (status.identity.empty()) return "–";
  const identity::Seconds left = static_cast<identity::Seconds>(status.certificate_until) - unix_now();
  return status.domain + (left < 0 ? ", expired" : ", " + identity::span_text(left));
}

Result<ExitCode> ls_nodes(Context& context) {
  auto root = chosen_root(context);
  if (!root) return tl::unexpected<Error>(root.error());
  Table table({{"CLUSTER"},
               {"NODE"},
               {"PID", Table::Align::right},
               {"UP", Table::Align::right},
               {"LINKS", Table::Align::right},
               {"IDENTITY"},
               {"ADDRESSES"}});
  std::string json;
  for (const LocalNode& node : local_nodes(*root, context.arguments.given("--all"))) {
    admin::NodeStatus status;
    if (auto client = admin::Client::connect(node.path); client && node.pid != 0)
      if (auto shown = client->ask<admin::NodeStatus>("node.show", admin::Nothing{}))
        status = std::move(*shown);
    status.name = node.name;
    status.cluster = node.cluster;
    status.state_folder = node.path;
    json += (json.empty() ? "" : ",") + admin::write_json(status);
    if (status.pid == 0) {
      table.row(
          {node.cluster, node.name, "–", "–", "–", "–", node.pid == 0 ? "does not run" : "does not answer"});
    } else {
      table.row({node.cluster, node.name, std::to_string(status.pid),
                 human_time(status.uptime_ms * 1'000'000),
                 fmt::format("{}/{}", status.links_up, status.links_declared), identity_of(status),
                 joined(status.addresses)});
    }
  }
  if (context.common.json) {
    context.print_json("{\"nodes\":[" + json + "]}");
  } else if (table.empty()) {
    context.print(fmt::format("no node runs here (state in {})\n", printable(*root)));
  } else {
    context.print(table.text(context.width));
  }
  return ExitCode::ok;
}

constexpr Argument down_arguments[] = {
    {"name", Argument::Kind::words, "which; all of this user with --all", "NAME"},
    {"--all", Argument::Kind::flag, "every node that runs here"},
};

Result<> end_one(const LocalNode& node) {
  auto client = admin::Client::connect(node.path);
  if (!client) return tl::unexpected<Error>(client.error());
  auto asked = client->ask<admin::Nothing>("node.stop", admin::Nothing{});
  if (!asked) return tl::unexpected<Error>(asked.error());
  pollfd closed{client->descriptor(), POLLIN, 0};  // it closes its end when it is gone
  poll(&closed, 1, 10'000);
  return {};
}

Result<ExitCode> down(Context& context) {
  auto nodes = running_nodes(context);
  if (!nodes) return tl::unexpected<Error>(nodes.error());
  const std::vector<std::string> names = context.arguments.texts("name");
  const bool all = context.arguments.given("--all");
  if (names.empty() && !all)
    return fail(Errc::invalid, "which node?", "no name was given",
                "harness node down " + nodes->front().name);
  std::string ended;
  for (const std::string& name : names)
    if (std::none_of(nodes->begin(), nodes->end(), [&](const LocalNode& node) { return node.name == name; }))
      return fail(Errc::not_found, fmt::format("no node {} runs here", printable(name)),
                  "harness node ls shows those that do", {});
  for (const LocalNode& node : *nodes) {
    if (!all && std::find(names.begin(), names.end(), node.name) == names.end()) continue;
    auto done = end_one(node);
    if (!done && all && done.error().code == Errc::unreachable) continue;  // it is going away
    if (!done) return tl::unexpected<Error>(done.error());
    ended += fmt::format("{}\"{}\"", ended.empty() ? "" : ",", node.name);
    if (!context.common.json) context.print(fmt::format("node {} is down\n", node.name));
  }
  if (context.common.json) context.print_json("{\"ended\":[" + ended + "]}");
  if (!context.common.json && ended.empty()) context.print("no node runs here any more\n");
  return ExitCode::ok;
}

}  // namespace

void add_node_ls(Cli& cli) {
  TableCommand::add(cli, {"node",
                          "nodes of a cluster file",
                          "ls",
                          "Lists the nodes that run here: where they listen, how many links are up.",
                          node_ls_arguments,
                          {{"harness node ls", true}, {"harness node ls --all --json", true}},
                          &ls_nodes});
  TableCommand::add(cli, {"node",
                          "nodes of a cluster file",
                          "down",
                          "Ends nodes that run here: links are closed in order, then the process ends.",
                          down_arguments,
                          {{"harness node down a"}, {"harness node down --all"}},
                          &down});
}

}  // namespace harness::apps
