// SPDX-License-Identifier: Apache-2.0
// harness docs dissector|wire|admin|cli|examples: what is written from the code's own tables.
#include <harness/apps/common/dissector.hpp>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <harness/apps/common/admin_page.hpp>
#include <harness/apps/harness/cli_page.hpp>
#include <harness/apps/harness/command.hpp>

namespace harness::apps {

void add_docs(Cli& cli) {
  CLI::App& noun = cli.noun("docs", "text written from the code's tables: dissector, wire, admin, cli");
  cli.verb(
      noun, "dissector",
      "Prints the Lua dissector with which Wireshark and tshark read `harness tap` captures.",
      {{"harness docs dissector > harness.lua", true}, {"tshark -X lua_script:harness.lua -r x.pcapng -V"}},
      [&cli] {
        fmt::print("{}", dissector(cli.catalogue()));
        return ExitCode::ok;
      });
  cli.verb(noun, "wire", "Prints the tables of every header, as they stand in docs/wire.md.",
           {{"harness docs wire", true}}, [&cli] {
             fmt::print("{}", wire_tables(cli.catalogue()));
             return ExitCode::ok;
           });
  cli.verb(noun, "admin", "Prints the methods of the admin socket, as they stand in docs/admin.md.",
           {{"harness docs admin", true}}, [] {
             fmt::print("{}", admin::method_tables());
             return ExitCode::ok;
           });
  cli.verb(noun, "cli", "Prints every command, as they stand in docs/cli.md.", {{"harness docs cli", true}},
           [&cli] {
             fmt::print("{}", command_tables(cli.root()));
             return ExitCode::ok;
           });
  cli.verb(noun, "examples", "Lists the examples of every command; a test runs those that need no node.",
           {{"harness docs examples --json", true}}, [&cli] {
             nlohmann::json all = nlohmann::json::array();
             for (const Example& example : cli.examples()) {
               all.push_back({{"line", example.line}, {"standalone", example.standalone}});
               if (!cli.common.json) fmt::print("{}\n", example.line);
             }
             if (cli.common.json) fmt::print("{}\n", nlohmann::json{{"v", 1}, {"examples", all}}.dump(2));
             return ExitCode::ok;
           });
}

}  // namespace harness::apps
