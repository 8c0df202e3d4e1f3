// SPDX-License-Identifier: Apache-2.0
// harness node up: runs a node in the foreground, until Ctrl-C or `harness node down`.
#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>

#include <fmt/format.h>

#include <harness/apps/common/child_process.hpp>
#include <harness/apps/common/human.hpp>
#include <harness/apps/common/runtime.hpp>
#include <harness/apps/harness/identity_command.hpp>
#include <harness/apps/harness/local.hpp>

namespace harness::apps {

namespace {

constexpr Argument up_arguments[] = {
    {"name", Argument::Kind::word, "a node of the cluster file", "NAME"},
    {"--all", Argument::Kind::flag,
     "every node of the file, each a process: to try a cluster on one machine"},
    set_option,
    {"--any-port", Argument::Kind::flag, "listen on this host at ports that the system chooses"},
    {"--quiet", Argument::Kind::flag, "say nothing but warnings"},
    {"--with-parent", Argument::Kind::flag, "end when the process that started it does"},
    node_passphrase_option,
};

/// Ends the node when a signal asks for it; a second one ends it at once.
class Stopper final : public transports::Watcher {
 public:
  Stopper(Interrupts& interrupts, Runtime& runtime) : interrupts_(interrupts), runtime_(runtime) {
    (void)runtime_.engine().watch(interrupts_.descriptor(), Watcher::readable, *this);
  }
  ~Stopper() { runtime_.engine().unwatch(interrupts_.descriptor(), *this); }
  Stopper(const Stopper&) = delete;
  Stopper& operator=(const Stopper&) = delete;

 private:
  void ready(unsigned) override {
    const bool before = interrupts_.wanted();
    if (!interrupts_.take()) return;
    if (before) return runtime_.engine().stop();
    runtime_.stop();
  }
  Interrupts& interrupts_;
  Runtime& runtime_;
};

// Until Ctrl-C, or until one of them ends. What they say goes where this one's words do.
Result<ExitCode> run_all(Context& context, const Cluster& cluster) {
  std::vector<std::pair<std::string, ChildProcess>> nodes;
  for (const ClusterNode& node : cluster.nodes) {
    std::vector<std::string> words = {"node", "up", node.name, "--cluster", cluster.file, "--with-parent"};
    for (const char* flag : {"--any-port", "--quiet"})
      if (context.arguments.given(flag)) words.emplace_back(flag);
    if (!context.common.state.empty()) words.insert(words.end(), {"--state", context.common.state});
    for (const std::string& setting : context.arguments.texts("--set"))
      words.insert(words.end(), {"--set", setting});
    auto process = ChildProcess::start("/proc/self/exe", words, {});
    if (!process) return tl::unexpected<Error>(process.error());
    nodes.emplace_back(node.name, std::move(*process));
  }
  for (;;) {
    pollfd waited{context.interrupts.descriptor(), POLLIN, 0};
    poll(&waited, 1, -1);  // Ctrl-C, or a child that ended
    if (context.interrupts.take()) return ExitCode::ok;
    for (auto& [name, process] : nodes)
      if (const auto how = process.ended())
        return fail(Errc::peer_lost, fmt::format("the node {} ended", name), *how, "harness node up " + name);
  }
}

Result<ExitCode> run_one(Context& context) {
  if (context.arguments.given("--with-parent")) prctl(PR_SET_PDEATHSIG, SIGTERM);
  auto cluster = read_cluster(chosen_cluster(context), context.catalogue, context.arguments.texts("--set"));
  if (!cluster) return tl::unexpected<Error>(cluster.error());
  if (context.arguments.given("--all")) return run_all(context, *cluster);
  const std::string name = context.arguments.text("name");
  if (name.empty())
    return fail(Errc::invalid, "which node?", "no name was given",
                "harness node up " + cluster->nodes.front().name);
  auto root = chosen_root(context);
  if (!root) return tl::unexpected<Error>(root.error());
  const identity::NodeFolder folder(state_path(*root, cluster->name, name));
  auto passphrase = node_passphrase(context, folder);
  if (!passphrase) return tl::unexpected<Error>(passphrase.error());
  const bool quiet = context.arguments.given("--quiet") || context.common.json;
  auto runtime = Runtime::start({std::move(*cluster), name, *root, context.arguments.given("--any-port"),
                                 quiet, *passphrase ? &**passphrase : nullptr},
                                context.catalogue);
  if (!runtime) return tl::unexpected<Error>(runtime.error());
  Node& node = (*runtime)->node();
  if (!quiet) {
    std::string where;
    for (const std::string& address : node.addresses()) where += (where.empty() ? "" : ", ") + address;
    context.note(fmt::format("node {} is up{}{}; {}; Ctrl-C ends it", node.identity().name,
                             where.empty() ? "" : " at ", where,
                             human_count((*runtime)->slots().size(), "link", "links")));
  }
  const Stopper stopper(context.interrupts, **runtime);
  (*runtime)->run();
  return ExitCode::ok;
}

}  // namespace

void add_node_up(Cli& cli) {
  TableCommand::add(cli, {"node",
                          "nodes of a cluster file",
                          "up",
                          "Runs a node in the foreground, until Ctrl-C or `harness node down`.",
                          up_arguments,
                          {{"harness node up a --cluster examples/cluster.toml"},
                           {"harness node up a --cluster examples/cluster.toml --any-port"},
                           {"harness node up --all --cluster examples/cluster.toml --any-port"}},
                          &run_one});
}

}  // namespace harness::apps
