// SPDX-License-Identifier: Apache-2.0
// How a command joins the command line: a noun with verbs, each with examples, options and a function that
// runs.
//
// Every `commands/<noun>.cpp` defines `void add_<noun>(Cli&)`, called once by main. A verb's function returns
// the exit code; it prints its result on standard output (a table, or with --json one versioned JSON
// document) and errors by `report`. Examples stand first in `--help`; `harness examples` lists them all and a
// test runs those that need no node.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include <harness/apps/common/exit_code.hpp>
#include <harness/stack/catalogue.hpp>
#include <harness/stack/result.hpp>

namespace CLI {
class App;
}

namespace harness::apps {

/// What all commands share: the flags given before or behind any of them.
struct Common {
  bool json = false;
  std::string cluster;  // path of a cluster file; empty: harness.toml, then none
  std::string state;    // folder of a node's state; empty: the standard place
};

struct Example {
  std::string line;         // as typed, beginning with "harness"
  bool standalone = false;  // needs no running node: a test runs it
};

class Cli {
 public:
  using Run = std::function<ExitCode()>;

  explicit Cli(CLI::App& root) : root_(root) {}
  Common common;

  /// The subcommand of a noun; made at the first call. [main thread]
  CLI::App& noun(const std::string& name, const std::string& summary);
  /// A verb of `parent` (a noun or the root). `run` is called after parsing, when the verb was given.
  CLI::App& verb(CLI::App& parent, const std::string& name, const std::string& summary,
                 const std::vector<Example>& examples, Run run);
  [[nodiscard]] CLI::App& root() noexcept { return root_; }
  /// The layers and transports of this program.
  [[nodiscard]] const Catalogue& catalogue();
  [[nodiscard]] const std::vector<Example>& examples() const noexcept { return examples_; }
  /// Runs the verb that was given. Requires: parsing succeeded.
  ExitCode run();

 private:
  CLI::App& root_;
  std::map<std::string, CLI::App*> nouns_;  // owned by root_
  Catalogue catalogue_;
  std::vector<Example> examples_;
  Run chosen_;
};

/// Prints an error in three parts on standard error, or as JSON with --json; returns its exit code.
ExitCode report(const Common& common, const Error& error);

void add_stack(Cli& cli);
void add_layer(Cli& cli);
void add_doctor(Cli& cli);
void add_docs(Cli& cli);
void add_mirror(Cli& cli);
void add_node_up(Cli& cli);
void add_node_ls(Cli& cli);
void add_link(Cli& cli);
void add_link_swap(Cli& cli);
void add_files(Cli& cli);
void add_ping(Cli& cli);
void add_tap(Cli& cli);
void add_config(Cli& cli);
void add_domain(Cli& cli);
void add_domain_trust(Cli& cli);
void add_domain_sign(Cli& cli);
void add_node_enroll(Cli& cli);
void add_token(Cli& cli);

}  // namespace harness::apps
