// SPDX-License-Identifier: Apache-2.0
// Walks the commands in the order of --help.
#include <harness/apps/harness/cli_page.hpp>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

namespace harness::apps {

namespace {

// A vertical bar would end the cell.
std::string cell(std::string text) {
  for (std::size_t at = text.find('|'); at != std::string::npos; at = text.find('|', at + 2))
    text.insert(at, "\\");
  return text;
}

std::string words_of(const CLI::Option& option) {
  std::string name = option.get_positional() ? option.get_name(true) : option.get_name(false, true);
  if (option.get_expected_max() > 0 && option.get_type_name() != "TEXT") name += " " + option.get_type_name();
  return name;
}

std::string argument_table(const CLI::App& command) {
  std::string rows;
  for (const CLI::Option* option : command.get_options()) {
    if (option == command.get_help_ptr()) continue;
    const std::string standard = option->get_default_str();
    rows += fmt::format("| `{}` | {} | {}{} |\n", words_of(*option),
                        standard.empty() ? "" : fmt::format("`{}`", standard),
                        cell(option->get_description()), option->get_required() ? "; required" : "");
  }
  return rows.empty() ? rows : "| argument | default | meaning |\n|---|---|---|\n" + rows + "\n";
}

// "Examples:\n  …\n\nSummary\n" as a summary and a block of code.
std::string description(const CLI::App& command) {
  std::string text = command.get_description();
  std::string examples;
  if (text.starts_with("Examples:")) {
    const std::size_t end = text.find("\n\n");
    for (std::size_t at = text.find('\n') + 1; at <= end; at = text.find('\n', at) + 1)
      examples += text.substr(at + 2, text.find('\n', at) - at - 1);
    text.erase(0, end + 2);
  }
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text + "\n\n" + (examples.empty() ? "" : "```\n" + examples + "```\n\n");
}

void add_sections(std::string& out, const CLI::App& command, const std::string& path) {
  const auto below = command.get_subcommands([](const CLI::App*) { return true; });
  if (below.empty())
    out += fmt::format("### `{}`\n\n", path) + description(command) + argument_table(command);
  for (const CLI::App* one : below) add_sections(out, *one, path + " " + one->get_name());
}

}  // namespace

std::string command_tables(const CLI::App& root) {
  std::string out = "### Everywhere\n\n" + argument_table(root);
  add_sections(out, root, root.get_name());
  return out;
}

}  // namespace harness::apps
