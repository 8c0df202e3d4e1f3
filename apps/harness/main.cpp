// SPDX-License-Identifier: Apache-2.0
// harness NOUN VERB: the one command line. Reads the words, runs one command, returns its exit code.
//
// 0 ok · 1 failed · 2 usage · 3 not found · 4 denied · 5 unreachable or timed out · 6 conflict · 7 partial ·
// 8 degraded · 130 interrupted.
#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

#include <harness/apps/harness/command.hpp>
#include <harness/apps/harness/usage.hpp>

namespace {

constexpr const char* description = R"(Examples:
  harness stack explain 'order / frag @ tcp'
  harness stack compose --require reliable --require ordered --over tcp
  harness doctor

Harness links processes by stacks of protocol layers that you declare, have checked and explained, or let it
derive from what a link must guarantee. Every command has --help with examples and --json for programs.
Options stand behind their command or in front of it: harness --node a link ls.
)";

/// Lists of commands tell each in one line; its examples stand in its own --help.
class Help final : public CLI::Formatter {
 public:
  Help() { column_width(24); }
  std::string make_subcommand(const CLI::App* command) const override {
    std::string text = command->get_description();
    if (text.starts_with("Examples:")) text.erase(0, text.find("\n\n") + 2);
    std::string name = "  " + command->get_name();
    name.resize(std::max<std::size_t>(name.size() + 1, 14), ' ');
    return name + text.substr(0, text.find(". ")) + "\n";
  }
};

// CLI11's own exit codes are its own; ours say: usage.
int usage(const CLI::App& root, const CLI::ParseError& error, std::span<const std::string> words) {
  if (error.get_exit_code() == 0) {
    root.exit(error);  // --help and --version print and are no error
    return 0;
  }
  harness::apps::Common common;  // not filled yet: parsing stopped
  common.json = std::find(words.begin(), words.end(), "--json") != words.end();
  return static_cast<int>(harness::apps::report(common, harness::apps::usage_error(root, error, words)));
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App root(description, "harness");
  root.formatter(std::make_shared<Help>());
  root.require_subcommand(1);
  root.set_version_flag("--version", "harness 0.1.0, wire 1");
  harness::apps::Cli cli(root);
  root.add_flag("--json", cli.common.json, "print one versioned JSON document instead of a table");
  root.add_option("--cluster", cli.common.cluster,
                  "cluster file; else $HARNESS_CLUSTER, harness.toml, examples/cluster.toml");
  root.add_option("--state", cli.common.state, "folder of the node's state, with its admin socket");
  harness::apps::add_mirror(cli);
  harness::apps::add_node_up(cli);
  harness::apps::add_node_ls(cli);
  harness::apps::add_link(cli);
  harness::apps::add_link_swap(cli);
  harness::apps::add_files(cli);
  harness::apps::add_ping(cli);
  harness::apps::add_tap(cli);
  harness::apps::add_config(cli);
  harness::apps::add_domain(cli);
  harness::apps::add_domain_trust(cli);
  harness::apps::add_domain_sign(cli);
  harness::apps::add_node_enroll(cli);
  harness::apps::add_token(cli);
  harness::apps::add_stack(cli);
  harness::apps::add_layer(cli);
  harness::apps::add_doctor(cli);
  harness::apps::add_docs(cli);
  const std::vector<std::string> words = harness::apps::arranged(root, {argv + 1, argv + argc});
  try {
    root.parse(std::vector<std::string>(words.rbegin(), words.rend()));  // the last word first
  } catch (const CLI::ParseError& error) {
    return usage(root, error, words);
  }
  return static_cast<int>(cli.run());
}
