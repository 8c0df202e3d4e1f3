// SPDX-License-Identifier: Apache-2.0
// harness node up: runs a node in the foreground, until Ctrl-C or `harness node down`.
#include <fmt/format.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>

#include <harness/apps/common/human.hpp>
#include <harness/apps/common/runtime.hpp>
#include <harness/apps/harness/local.hpp>

namespace harness::apps {

namespace {

constexpr Argument arguments[] = {
    {"name", Argument::Kind::word, "a node of the cluster file", "NAME", {}, true},
    set_option,
    {"--any-port", Argument::Kind::flag, "listen on this host at ports that the system chooses"},
    {"--quiet", Argument::Kind::flag, "say nothing but warnings"},
    {"--with-parent", Argument::Kind::flag, "end when the process that started it does"},
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

Result<ExitCode> run(Context& context) {
  if (context.arguments.given("--with-parent")) prctl(PR_SET_PDEATHSIG, SIGTERM);
  auto cluster = read_cluster(chosen_cluster(context), context.catalogue, context.arguments.texts("--set"));
  if (!cluster) return tl::unexpected<Error>(cluster.error());
  auto root = chosen_root(context);
  if (!root) return tl::unexpected<Error>(root.error());
  const bool quiet = context.arguments.given("--quiet") || context.common.json;
  auto runtime = Runtime::start({std::move(*cluster), context.arguments.text("name"), *root,
                                 context.arguments.given("--any-port"), quiet},
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
                          arguments,
                          {{"harness node up a --cluster examples/cluster.toml"},
                           {"harness node up a --cluster examples/cluster.toml --any-port"}},
                          &run});
}

}  // namespace harness::apps
