// SPDX-License-Identifier: Apache-2.0
// harness mirror: the main job, and the table it ends with.
#include <harness/apps/harness/mirror.hpp>

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include <harness/apps/common/human.hpp>
#include <harness/apps/common/table.hpp>
#include <harness/apps/harness/local.hpp>
#include <harness/stack/text.hpp>

namespace harness::apps {

namespace {

constexpr Argument mirror_arguments[] = {
    {"path", Argument::Kind::words, "what to mirror: of a git checkout the tracked files, else all", "PATH"},
    {"--keep", Argument::Kind::flag, "keep the mirrors, and say where they are"},
    {"--transport", Argument::Kind::option, "use this transport for every link", "NAME"},
    {"--default-path", Argument::Kind::option, "mirrored when no PATH is given; else this folder", "PATH"},
    set_option,
};

// The addresses of a node, one of the transport among them.
std::string listening(const ClusterNode& node, const std::string& transport) {
  std::vector<std::string> all = node.listen;
  const auto ours = [&](const std::string& address) { return address.starts_with(transport + ":"); };
  if (std::none_of(all.begin(), all.end(), ours)) all.push_back(any_address(transport));
  return fmt::format("nodes.{}.listen=[\"{}\"]", node.name,
                     text::list(std::span<const std::string>(all), "\", \""));
}

// Written stacks keep their layers and change their transport; derived ones prefer it.
Result<std::vector<std::string>> with_transport(const Context& context, const std::string& file,
                                                std::vector<std::string> settings) {
  const std::string name = context.arguments.text("--transport");
  if (name.empty()) return settings;
  const TransportType* type = context.catalogue.transport(name);
  if (type == nullptr || type->make == nullptr)
    return fail(Errc::not_found, fmt::format("there is no transport {}", printable(name)),
                "this program was built without it", "harness transport ls");
  if (name == "loop")
    return fail(Errc::invalid, "loop joins nodes of one process", "the mirror runs four processes",
                "--transport tcp");
  auto cluster = read_cluster(file, context.catalogue, settings);
  if (!cluster) return tl::unexpected<Error>(cluster.error());
  for (const ClusterNode& node : cluster->nodes) settings.push_back(listening(node, name));
  for (const ClusterLink& link : cluster->links) {
    settings.push_back(fmt::format("links.{}.prefer=[\"{}\"]", link.name, name));
    std::string stacks;
    for (const StackSpec& stack : link.stacks) {
      const std::string text = stack.text();
      stacks += (stacks.empty() ? "" : " | ") + text.substr(0, text.rfind('@')) + "@ " + name;
    }
    if (!stacks.empty()) settings.push_back(fmt::format("links.{}.stack=\"{}\"", link.name, stacks));
  }
  return settings;
}

Result<MirrorOptions> options_of(const Context& context) {
  MirrorOptions options;
  options.cluster = chosen_cluster(context);
  auto settings = with_transport(context, options.cluster, context.arguments.texts("--set"));
  if (!settings) return tl::unexpected<Error>(settings.error());
  options.settings = std::move(*settings);
  options.keep = context.arguments.given("--keep");
  std::vector<std::string> paths = context.arguments.texts("path");
  if (paths.empty())
    paths.push_back(context.arguments.given("--default-path") ? context.arguments.text("--default-path")
                                                              : ".");
  for (const std::string& path : paths) {
    auto tree = look_at(path);
    if (!tree) return tl::unexpected<Error>(tree.error());
    const bool twice = std::any_of(options.trees.begin(), options.trees.end(), [&](const MirrorTree& other) {
      return other.as == tree->as && (!tree->as.empty() || other.names == tree->names);
    });
    if (twice)
      return fail(
          Errc::invalid,
          fmt::format("two paths would both be called {}", tree->as.empty() ? tree->names.front() : tree->as),
          "the mirrors have one name for each path", "mirror them one after the other");
    options.trees.push_back(std::move(*tree));
  }
  return options;
}

std::string told(const MirrorOptions& options) {
  std::size_t files = 0;
  std::uint64_t bytes = 0;
  bool tracked = true;
  for (const MirrorTree& tree : options.trees) {
    files += tree.names.size();
    bytes += tree.bytes;
    tracked = tracked && tree.tracked;
  }
  return fmt::format("mirroring {}{}, {}", tracked ? "the tracked files of this checkout: " : "",
                     human_count(files, "file", "files"), human_bytes(bytes));
}

// The stack may be long: it stands in the last column, which is wrapped.
Table link_table(const Mirror& mirror) {
  Table table({{"LINK"},
               {"TO"},
               {"RATE", Table::Align::right},
               {"P50", Table::Align::right},
               {"P99", Table::Align::right},
               {"HEADER", Table::Align::right},
               {"RETRANSMITS", Table::Align::right},
               {"RTT", Table::Align::right},
               {"STACK: WHY"}});
  for (const MirrorLink& link : mirror.links())
    table.row({link.name, link.peer, human_rate(link.result.bytes, link.result.elapsed_ns),
               human_time(link.latency.p50_ns), human_time(link.latency.p99_ns),
               fmt::format("{} B", link.status.header_bytes), retransmits_of(link.status),
               rtt_of(link.status), link.status.stack + ": " + link.why});
  return table;
}

std::string link_json(const Mirror& mirror) {
  std::string json;
  for (const MirrorLink& link : mirror.links())
    json += fmt::format("{}{{\"complete\":{},\"transfer\":{},\"latency\":{},\"link\":{}}}",
                        json.empty() ? "" : ",", link.wrong.empty(), admin::write_json(link.result),
                        admin::write_json(link.latency), admin::write_json(admin::LinkList{{link.status}}));
  return "{\"links\":[" + json + "]}";
}

Result<ExitCode> run_mirror(Context& context) {
  auto options = options_of(context);
  if (!options) return tl::unexpected<Error>(options.error());
  if (!context.common.json) context.note(told(*options));
  const bool keep = options->keep;
  Mirror mirror(context, std::move(*options));
  if (auto done = mirror.run(); !done) return tl::unexpected<Error>(done.error());
  bool complete = true;
  std::string wrong;
  for (const MirrorLink& link : mirror.links()) {
    complete = complete && link.wrong.empty();
    for (const std::string& text : link.wrong)
      wrong += fmt::format("  {} to {}: {}\n", link.name, link.peer, text);
  }
  if (context.common.json) {
    context.print_json(link_json(mirror));
  } else {
    context.print("\n" + link_table(mirror).text(context.width) + "\n");
    if (complete)
      context.print(fmt::format("every byte arrived: {} over each of {}, SHA-256 equal at both ends\n",
                                human_count(mirror.files(), "file", "files"),
                                human_count(mirror.links().size(), "link", "links")));
  }
  for (const MirrorLink& link : mirror.links())
    if (keep) context.note(fmt::format("kept: {}", mirror.received_over(link)));
  if (complete) return ExitCode::ok;
  (void)report(context.common, {Errc::io, "not every byte arrived", "\n" + wrong.substr(0, wrong.size() - 1),
                                "harness mirror --keep leaves the mirrors to look at"});
  return ExitCode::partial;
}

}  // namespace

void add_mirror(Cli& cli) {
  TableCommand::add(
      cli, {"",
            "",
            "mirror",
            "The main job: starts four nodes, mirrors files from the first to the others over links "
            "with different stacks, verifies every file, and tells about each link.",
            mirror_arguments,
            {{"harness mirror"}, {"harness mirror ~/Pictures notes.txt --keep"}, {"harness mirror --json"}},
            &run_mirror});
}

}  // namespace harness::apps
