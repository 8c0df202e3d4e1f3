// SPDX-License-Identifier: Apache-2.0
// What was typed wrong: CLI11's errors as ours, in three parts, with the word that was meant. And what was
// typed in another order than CLI11 takes it.
#pragma once

#include <span>
#include <string>
#include <vector>

#include <harness/stack/result.hpp>

namespace CLI {
class App;
class ParseError;
}  // namespace CLI

namespace harness::apps {

/// The words behind the program's name with the options of commands, where they stand in front of theirs,
/// behind all others, before a "--". What no command has stays where it is. [main thread]
std::vector<std::string> arranged(const CLI::App& root, std::span<const char* const> words);

/// The error about a command line that `root` refused with `error`; `words` are arranged. Always
/// Errc::invalid. [main thread]
Error usage_error(const CLI::App& root, const CLI::ParseError& error, std::span<const std::string> words);

}  // namespace harness::apps
