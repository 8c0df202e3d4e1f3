// SPDX-License-Identifier: Apache-2.0
// Walks the words as CLI11 does, as far as they are known; the first that is not is what the error is about.
#include <harness/apps/harness/usage.hpp>

#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <harness/stack/text.hpp>

namespace harness::apps {

namespace {

std::string spelled(const CLI::App& command) {
  std::string name = command.get_name();
  for (const CLI::App* above = command.get_parent(); above != nullptr; above = above->get_parent())
    name.insert(0, above->get_name() + " ");
  return name;
}

const CLI::App* command_of(const CLI::App& above, std::string_view word) {
  for (const CLI::App* command : above.get_subcommands([](const CLI::App*) { return true; }))
    if (command->get_name() == word) return command;
  return nullptr;
}

/// An option of the command or, as they fall through, of those above it.
const CLI::Option* option_of(const CLI::App* command, const std::string& word) {
  for (; command != nullptr; command = command->get_parent())
    if (const CLI::Option* option = command->get_option_no_throw(word)) return option;
  return nullptr;
}

std::vector<std::string> names_below(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::App* below : command.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(below->get_name());
  return names;
}

std::vector<std::string> options_at(const CLI::App* command) {
  std::vector<std::string> names;
  for (; command != nullptr; command = command->get_parent())
    for (const CLI::Option* option : command->get_options())
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

Error unknown(std::string what, const std::string& word, const std::vector<std::string>& known,
              const CLI::App& at) {
  const std::vector<std::string_view> views(known.begin(), known.end());
  const std::string_view meant = text::closest(word, views);
  return {Errc::invalid, std::move(what) + text::quoted(word),
          "known here are " + text::list(std::span<const std::string>(known)),
          meant.empty() ? spelled(at) + " --help" : fmt::format("did you mean {}?", meant)};
}

/// The command that the words lead to, and the first word that leads nowhere.
struct Walk {
  const CLI::App* at;
  std::string stray_command;
  std::string stray_option;
};

Walk walk(const CLI::App& root, std::span<const char* const> words) {
  Walk walk{&root, {}, {}};
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string word = words[i];
    if (word.size() > 1 && word[0] == '-') {
      const CLI::Option* option = option_of(walk.at, word.substr(0, word.find('=')));
      if (option != nullptr && option->get_expected_max() > 0 && word.find('=') == std::string::npos) ++i;
      if (option == nullptr && walk.stray_option.empty()) walk.stray_option = word;
      continue;
    }
    if (names_below(*walk.at).empty()) continue;  // an argument
    if (const CLI::App* below = command_of(*walk.at, word)) {
      walk.at = below;
      continue;
    }
    walk.stray_command = word;
    return walk;
  }
  return walk;
}

}  // namespace

Error usage_error(const CLI::App& root, const CLI::ParseError& error, std::span<const char* const> words) {
  const Walk reached = walk(root, words);
  const std::vector<std::string> below = names_below(*reached.at);
  if (!reached.stray_command.empty())
    return unknown(fmt::format("{} has no command ", spelled(*reached.at)), reached.stray_command, below,
                   *reached.at);
  if (!reached.stray_option.empty())
    return unknown(fmt::format("{} has no option ", spelled(*reached.at)), reached.stray_option,
                   options_at(reached.at), *reached.at);
  if (!below.empty())
    return {Errc::invalid, fmt::format("{} needs a command behind it", spelled(*reached.at)),
            "they are " + text::list(std::span(below)), spelled(*reached.at) + " --help"};
  return {Errc::invalid, fmt::format("{} was not understood", spelled(*reached.at)), error.what(),
          spelled(*reached.at) + " --help"};
}

}  // namespace harness::apps
