// SPDX-License-Identifier: Apache-2.0
// Nouns, verbs and errors of the command line.
#include <harness/apps/common/exit_code.hpp>

#include <cstdio>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <harness/apps/harness/command.hpp>

#include <harness/layers/all.hpp>
#include <harness/transports/all.hpp>

namespace harness::apps {

CLI::App& Cli::noun(const std::string& name, const std::string& summary) {
  CLI::App*& made = nouns_[name];
  if (made == nullptr) {
    made = root_.add_subcommand(name, summary);
    made->require_subcommand(1);
    made->fallthrough();
  }
  return *made;
}

CLI::App& Cli::verb(CLI::App& parent, const std::string& name, const std::string& summary,
                    const std::vector<Example>& examples, Run run) {
  std::string description = "Examples:\n";
  for (const Example& example : examples) {
    description += "  " + example.line + "\n";
    examples_.push_back(example);
  }
  CLI::App* verb = parent.add_subcommand(name, description + "\n" + summary + "\n");
  verb->fallthrough();  // --json and the others may stand anywhere
  verb->callback([this, run = std::move(run)] { chosen_ = run; });
  return *verb;
}

const Catalogue& Cli::catalogue() {
  if (catalogue_.transports().empty()) {
    layers::add_all(catalogue_);
    transports::add_all(catalogue_);
  }
  return catalogue_;
}

ExitCode Cli::run() { return chosen_ ? chosen_() : ExitCode::usage; }

ExitCode report(const Common& common, const Error& error) {
  if (common.json) {
    const nlohmann::json document = {{"v", 1},
                                     {"error",
                                      {{"code", to_string(error.code)},
                                       {"what", error.what},
                                       {"because", error.because},
                                       {"try", error.advice}}}};
    std::fprintf(stderr, "%s\n",
                 document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  } else {
    std::fprintf(stderr, "%s\n", error.text().c_str());
  }
  return exit_code(error);
}

}  // namespace harness::apps
