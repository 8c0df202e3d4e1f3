// SPDX-License-Identifier: Apache-2.0
// Tables of arguments to CLI11, and back.
#include <harness/apps/harness/table_command.hpp>

#include <algorithm>
#include <cstdio>

#include <sys/ioctl.h>
#include <unistd.h>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <harness/apps/common/admin_wire.hpp>
#include <harness/stack/option.hpp>

namespace harness::apps {

namespace {

using Kind = Argument::Kind;

Result<std::uint64_t> amount(const Arguments& from, std::string_view name, OptionKind kind, std::uint64_t low,
                             std::uint64_t high) {
  static constexpr std::uint64_t most = ~std::uint64_t{0} >> 1;
  const auto bound = [](std::uint64_t value) { return static_cast<std::int64_t>(std::min(value, most)); };
  const OptionSpec option{name, kind, bound(low), bound(high), bound(low), {}};
  auto value = parse_value(option, from.text(name));
  if (!value) return tl::unexpected<Error>(value.error());
  return static_cast<std::uint64_t>(*value);
}

std::size_t terminal_width() {
  winsize size{};
  if (isatty(STDOUT_FILENO) == 0) return 0;
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40 ? size.ws_col : 100;
}

CLI::Option* bind(CLI::App& verb, const Argument& argument) {
  const std::string name(argument.name);
  const std::string doc(argument.doc);
  if (argument.kind == Kind::flag) return verb.add_flag(name, doc);
  CLI::Option* option = verb.add_option(name, doc);
  if (argument.kind == Kind::words)
    option->expected(1, CLI::detail::expected_max_vector_size)->allow_extra_args();
  if (argument.kind == Kind::options) option->take_all();
  if (!argument.value.empty()) option->type_name(std::string(argument.value));
  if (!argument.otherwise.empty()) option->default_str(std::string(argument.otherwise));
  option->required(argument.required);
  return option;
}

}  // namespace

void TableCommand::add(Cli& cli, const TableCommand& command) {
  CLI::App& parent = command.noun.empty()
                         ? cli.root()
                         : cli.noun(std::string(command.noun), std::string(command.noun_summary));
  using Bound = std::vector<std::pair<std::string, CLI::Option*>>;
  auto bound = std::make_shared<Bound>();
  const auto run = [&cli, bound, table = command.arguments, act = command.run]() -> ExitCode {
    Interrupts interrupts;
    Arguments given;
    given.table_ = table;
    for (const auto& [name, option] : *bound)
      if (option->count() > 0) given.values_[name] = option->results();
    Context context{
        cli.catalogue(), cli.common, given, interrupts, isatty(STDERR_FILENO) != 0 && !cli.common.json,
        terminal_width()};
    auto code = act(context);
    context.status("");
    return code ? *code : report(cli.common, code.error());
  };
  CLI::App& verb =
      cli.verb(parent, std::string(command.verb), std::string(command.summary), command.examples, run);
  for (const Argument& argument : command.arguments)
    bound->emplace_back(std::string(argument.name), bind(verb, argument));
}

std::string Arguments::text(std::string_view name) const {
  if (const auto at = values_.find(name); at != values_.end() && !at->second.empty())
    return at->second.back();
  const auto row =
      std::find_if(table_.begin(), table_.end(), [&](const Argument& one) { return one.name == name; });
  return row == table_.end() ? std::string() : std::string(row->otherwise);
}

std::vector<std::string> Arguments::texts(std::string_view name) const {
  const auto at = values_.find(name);
  return at == values_.end() ? std::vector<std::string>() : at->second;
}

bool Arguments::given(std::string_view name) const { return values_.contains(name); }

Result<std::uint64_t> Arguments::size(std::string_view name, std::uint64_t low, std::uint64_t high) const {
  return amount(*this, name, OptionKind::size, low, high);
}
Result<std::uint64_t> Arguments::micros(std::string_view name, std::uint64_t low, std::uint64_t high) const {
  return amount(*this, name, OptionKind::duration, low, high);
}
Result<std::uint64_t> Arguments::count(std::string_view name, std::uint64_t low, std::uint64_t high) const {
  return amount(*this, name, OptionKind::count, low, high);
}

void Context::print(const std::string& text) const { std::fwrite(text.data(), 1, text.size(), stdout); }

void Context::print_json(const std::string& object) const { print(admin::with_version(object) + "\n"); }

void Context::note(const std::string& line) const {
  if (progress) fmt::print(stderr, "\r\x1b[K");
  fmt::print(stderr, "{}\n", line);
}

void Context::status(const std::string& line) const {
  if (progress) fmt::print(stderr, "\r\x1b[K{}", line);
  std::fflush(stderr);
}

}  // namespace harness::apps
