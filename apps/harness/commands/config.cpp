// SPDX-License-Identifier: Apache-2.0
// harness config show: every setting in force, and where it comes from.
#include <algorithm>

#include <fmt/format.h>

#include <harness/apps/common/cluster.hpp>
#include <harness/apps/common/human.hpp>
#include <harness/apps/common/node_identity.hpp>
#include <harness/apps/common/table.hpp>
#include <harness/apps/harness/local.hpp>
#include <harness/kernel/identity/domain.hpp>

namespace harness::apps {

namespace {

constexpr Argument config_arguments[] = {
    {"--origin", Argument::Kind::flag, "also where each value comes from: file:line:column, --set, default"},
    set_option,
    {"--node", Argument::Kind::option, "what the running node NAME has, instead of reading the file", "NAME"},
};

// The floors that the domains of the file have signed, as far as this user holds those domains.
Result<std::vector<Setting>> floors_here(const Context& context, const Cluster& cluster) {
  auto root = chosen_root(context);
  if (!root) return tl::unexpected<Error>(root.error());
  std::vector<Setting> all;
  for (const std::string& name : identity::Domain::names(*root)) {
    if (std::none_of(cluster.nodes.begin(), cluster.nodes.end(),
                     [&](const ClusterNode& node) { return node.domain == name; }))
      continue;
    auto domain = identity::Domain::open(*root, name);
    if (!domain) return tl::unexpected<Error>(domain.error());
    for (Setting& floor : signed_floors(domain->trust())) all.push_back(std::move(floor));
  }
  return all;
}

Result<admin::Config> config_of(Context& context) {
  if (context.arguments.given("--node")) {
    auto client = connect_one(context);
    if (!client) return tl::unexpected<Error>(client.error());
    return client->ask<admin::Config>("config.show", admin::Nothing{});
  }
  auto cluster = read_cluster(chosen_cluster(context), context.catalogue, context.arguments.texts("--set"));
  if (!cluster) return tl::unexpected<Error>(cluster.error());
  admin::Config config{cluster->name, cluster->file, {}};
  auto floors = floors_here(context, *cluster);
  if (!floors) return tl::unexpected<Error>(floors.error());
  std::vector<Setting> settings = cluster->settings;
  settings.insert(settings.end(), floors->begin(), floors->end());
  for (const Setting& setting : settings)
    config.settings.push_back({setting.path, setting.value, setting.origin});
  return config;
}

Result<ExitCode> show_config(Context& context) {
  auto config = config_of(context);
  if (!config) return tl::unexpected<Error>(config.error());
  if (context.common.json) {
    context.print_json(admin::write_json(*config));
    return ExitCode::ok;
  }
  const bool origin = context.arguments.given("--origin");
  std::vector<Table::Column> columns = {{"SETTING"}, {"VALUE"}};
  if (origin) columns.push_back({"ORIGIN"});
  Table table(columns);
  for (const admin::ConfigSetting& setting : config->settings)
    table.row({printable(setting.path), printable(setting.value), setting.origin});
  context.print(table.text());
  return ExitCode::ok;
}

}  // namespace

void add_config(Cli& cli) {
  TableCommand::add(
      cli,
      {"config",
       "settings in force",
       "show",
       "Shows every setting of a cluster file, defaults too, and with --origin where each comes from.",
       config_arguments,
       {{"harness config show --cluster examples/cluster.toml --origin", true},
        {"harness config show --cluster examples/cluster.toml --set links.derived.quota=32MiB --json", true}},
       &show_config});
}

}  // namespace harness::apps
