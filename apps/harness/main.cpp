// SPDX-License-Identifier: Apache-2.0
// harness NOUN VERB: the one command line. Reads the words, runs one command, returns its exit code.
//
// 0 ok · 1 failed · 2 usage · 3 not found · 4 denied · 5 unreachable or timed out · 6 conflict · 7 partial ·
// 8 degraded · 130 interrupted.
#include <cstdio>

#include <CLI/CLI.hpp>

#include <harness/apps/harness/command.hpp>

namespace {

constexpr const char* description = R"(Examples:
  harness stack explain 'order / frag @ tcp'
  harness stack compose --require reliable --require ordered --over tcp
  harness doctor

Harness links processes by stacks of protocol layers that you declare, have checked and explained, or let it
derive from what a link must guarantee. Every command has --help with examples and --json for programs.
)";

// CLI11's own exit codes are its own; ours say: usage.
int usage(const CLI::App& root, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) {
    root.exit(error);  // --help and --version print and are no error
    return 0;
  }
  std::fprintf(stderr, "error: %s\ntry: harness --help, or --help behind any command\n", error.what());
  return static_cast<int>(harness::apps::ExitCode::usage);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App root(description, "harness");
  root.require_subcommand(1);
  root.set_version_flag("--version", "harness 0.1.0, wire 1");
  harness::apps::Cli cli(root);
  root.add_flag("--json", cli.common.json, "print one versioned JSON document instead of a table");
  root.add_option("--cluster", cli.common.cluster, "cluster file (default: harness.toml, when it exists)");
  root.add_option("--state", cli.common.state, "folder of the node's state, with its admin socket");
  harness::apps::add_mirror(cli);
  harness::apps::add_node_up(cli);
  harness::apps::add_node_ls(cli);
  harness::apps::add_link(cli);
  harness::apps::add_files(cli);
  harness::apps::add_ping(cli);
  harness::apps::add_tap(cli);
  harness::apps::add_config(cli);
  harness::apps::add_stack(cli);
  harness::apps::add_layer(cli);
  harness::apps::add_doctor(cli);
  harness::apps::add_docs(cli);
  try {
    root.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return usage(root, error);
  }
  return static_cast<int>(cli.run());
}
