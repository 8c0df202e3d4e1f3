// SPDX-License-Identifier: Apache-2.0
// A command as a table: arguments, examples and a function; everything about CLI11 stays in one .cpp.
//
// Commands that talk to nodes are declared this way, so that their files compile without CLI11's headers and
// show at a glance what may be typed.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <harness/apps/common/interrupts.hpp>
#include <harness/apps/harness/command.hpp>

namespace harness::apps {

struct Argument {
  enum class Kind : unsigned char { word, words, option, options, flag };
  std::string_view name;  // "link", "--node"
  Kind kind = Kind::word;
  std::string_view doc = {};
  std::string_view value = {};      // how the value is called in help: "FILE"
  std::string_view otherwise = {};  // the default
  bool required = false;
};

/// What was typed.
class Arguments {
 public:
  /// The value, or the default of the table, or "".
  [[nodiscard]] std::string text(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> texts(std::string_view name) const;
  /// Whether it was typed, whatever the default is.
  [[nodiscard]] bool given(std::string_view name) const;
  // A number with a unit within bounds: "64KiB", "5s" (in microseconds), "42". Errors: invalid, naming it.
  [[nodiscard]] Result<std::uint64_t> size(std::string_view name, std::uint64_t low,
                                           std::uint64_t high) const;
  [[nodiscard]] Result<std::uint64_t> micros(std::string_view name, std::uint64_t low,
                                             std::uint64_t high) const;
  [[nodiscard]] Result<std::uint64_t> count(std::string_view name, std::uint64_t low,
                                            std::uint64_t high) const;

 private:
  friend struct TableCommand;
  std::span<const Argument> table_;
  std::map<std::string, std::vector<std::string>, std::less<>> values_;
};

/// Where a command runs: what it may use and where it writes.
struct Context {
  const Catalogue& catalogue;
  const Common& common;
  const Arguments& arguments;
  Interrupts& interrupts;
  bool progress;      // standard error is a terminal
  std::size_t width;  // of the terminal that standard output is; 0: none

  /// Prints to standard output.
  void print(const std::string& text) const;
  /// Prints a JSON object on one line, with its version as first member.
  void print_json(const std::string& object) const;
  /// A line about what goes on, to standard error.
  void note(const std::string& line) const;
  /// A line on the terminal that the next one overwrites; nothing when standard error is no terminal.
  void status(const std::string& line) const;
};

struct TableCommand {
  std::string_view noun;  // "" for those that are a verb alone
  std::string_view noun_summary;
  std::string_view verb;
  std::string_view summary;
  std::span<const Argument> arguments;
  std::vector<Example> examples;
  Result<ExitCode> (*run)(Context& context);

  /// Adds it to the command line.
  static void add(Cli& cli, const TableCommand& command);
};

}  // namespace harness::apps
