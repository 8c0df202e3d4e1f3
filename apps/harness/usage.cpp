// SPDX-License-Identifier: Apache-2.0
// Walks the words as CLI11 does, as far as they are known; the first that is not is what the error is about.
#include <harness/apps/harness/usage.hpp>

#include <algorithm>
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

/// The first of this name among the commands below. Requires: whether an option takes a value is the same
/// wherever it is.
const CLI::Option* option_below(const CLI::App& above, const std::string& word) {
  const CLI::Option* option = nullptr;
  for (const CLI::App* command : above.get_subcommands([](const CLI::App*) { return true; })) {
    if (option == nullptr) option = command->get_option_no_throw(word);
    if (option == nullptr) option = option_below(*command, word);
  }
  return option;
}

bool is_option(std::string_view word) { return word.size() > 1 && word[0] == '-'; }

std::string name_of(const std::string& word) { return word.substr(0, word.find('=')); }

bool next_is_value(const CLI::Option* option, const std::string& word) {
  return option != nullptr && option->get_expected_max() > 0 && word.find('=') == std::string::npos;
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

Walk walk(const CLI::App& root, std::span<const std::string> words) {
  Walk walk{&root, {}, {}};
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    const bool before_command = !names_below(*walk.at).empty();
    if (is_option(word)) {
      const CLI::Option* option = option_of(walk.at, name_of(word));
      if (option == nullptr) option = option_below(*walk.at, name_of(word));
      if (next_is_value(option, word)) ++i;
      if (option == nullptr && walk.stray_option.empty()) walk.stray_option = name_of(word);
      if (option == nullptr && before_command) return walk;  // what follows may be its value
      continue;
    }
    if (!before_command) continue;  // an argument
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

std::vector<std::string> arranged(const CLI::App& root, std::span<const char* const> words) {
  std::vector<std::string> all(words.begin(), words.end());
  std::vector<std::string> early;
  const CLI::App* at = &root;
  for (auto word = all.begin(); word != all.end() && *word != "--" && !names_below(*at).empty();) {
    if (!is_option(*word)) {
      if (const CLI::App* below = command_of(*at, *word)) at = below;
      ++word;
      continue;
    }
    const CLI::Option* own = option_of(at, name_of(*word));
    const CLI::Option* option = own != nullptr ? own : option_below(*at, name_of(*word));
    const auto end = word + (next_is_value(option, *word) && word + 1 != all.end() ? 2 : 1);
    if (own != nullptr || option == nullptr) {
      word = end;
      continue;
    }
    early.insert(early.end(), word, end);
    word = all.erase(word, end);
  }
  all.insert(std::find(all.begin(), all.end(), "--"), early.begin(), early.end());
  return all;
}

Error usage_error(const CLI::App& root, const CLI::ParseError& error, std::span<const std::string> words) {
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
