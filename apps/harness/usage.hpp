// SPDX-License-Identifier: Apache-2.0
// What was typed wrong: CLI11's errors as ours, in three parts, with the word that was meant.
#pragma once

#include <span>

#include <harness/stack/result.hpp>

namespace CLI {
class App;
class ParseError;
}  // namespace CLI

namespace harness::apps {

/// The error about a command line that `root` refused with `error`; `words` are those behind the program's
/// name. Always Errc::invalid. [main thread]
Error usage_error(const CLI::App& root, const CLI::ParseError& error, std::span<const char* const> words);

}  // namespace harness::apps
