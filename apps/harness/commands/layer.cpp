// SPDX-License-Identifier: Apache-2.0
// harness layer ls|show, harness transport ls|show: what this program is made of, from the descriptors.
#include <harness/stack/compose.hpp>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <harness/apps/common/human.hpp>
#include <harness/apps/common/table.hpp>
#include <harness/stack/text.hpp>

#include <harness/apps/harness/command.hpp>

namespace harness::apps {

namespace {

using Json = nlohmann::json;

std::string_view kind_of(OptionKind kind) {
  switch (kind) {
    case OptionKind::count: return "count";
    case OptionKind::size: return "size";
    case OptionKind::duration: return "duration";
    case OptionKind::rate: return "rate";
    case OptionKind::flag: return "yes/no";
    case OptionKind::word: return "word";
  }
  return "?";
}

Json options_json(std::span<const OptionSpec> options) {
  Json all = Json::array();
  for (const OptionSpec& option : options)
    all.push_back({{"name", option.name},
                   {"kind", kind_of(option.kind)},
                   {"default", print_value(option, option.standard)},
                   {"low", print_value(option, option.low)},
                   {"high", print_value(option, option.high)},
                   {"doc", option.doc}});
  return all;
}

void print_options(std::span<const OptionSpec> options) {
  if (options.empty()) return;
  Table table({{"option", Table::Align::left},
               {"default", Table::Align::right},
               {"from", Table::Align::right},
               {"to", Table::Align::right},
               {"meaning", Table::Align::left}});
  for (const OptionSpec& option : options)
    table.row({std::string(option.name), print_value(option, option.standard),
               print_value(option, option.low), print_value(option, option.high), std::string(option.doc)});
  fmt::print("\n{}", table.text());
}

ExitCode list_layers(Cli& cli) {
  Json all = Json::array();
  Table table({{"layer", Table::Align::left},
               {"header", Table::Align::right},
               {"needs below", Table::Align::left},
               {"gives above", Table::Align::left},
               {"what it does", Table::Align::left}});
  for (const LayerType& type : cli.catalogue().layers()) {
    const Descriptor& d = *type.descriptor;
    std::string gives = property::to_string(d.contract.adds);
    if (d.contract.unlimited_message) gives = d.contract.adds.empty() ? "any size" : gives + ", any size";
    all.push_back({{"name", d.name},
                   {"summary", d.summary},
                   {"header_bytes_max", d.header_bytes_max},
                   {"requires", property::to_string(d.contract.requires_below)},
                   {"adds", gives},
                   {"clears", property::to_string(d.contract.clears)},
                   {"options", options_json(d.options)}});
    table.row({std::string(d.name), fmt::format("{} B", d.contract.cost.header_bytes),
               property::to_string(d.contract.requires_below), gives, std::string(d.summary)});
  }
  fmt::print("{}", cli.common.json ? Json{{"v", 1}, {"layers", all}}.dump(2) + "\n" : table.text());
  return ExitCode::ok;
}

ExitCode show_layer(Cli& cli, const std::string& name) {
  const LayerType* type = cli.catalogue().layer(name);
  if (type == nullptr)
    return report(cli.common, {Errc::not_found, "no layer is called " + name, {}, "harness layer ls"});
  const Descriptor& d = *type->descriptor;
  if (cli.common.json) {
    fmt::print(
        "{}\n",
        Json{{"v", 1}, {"name", d.name}, {"summary", d.summary}, {"options", options_json(d.options)}}.dump(
            2));
    return ExitCode::ok;
  }
  fmt::print(
      "{}: {}\n\nneeds below  {}\nforbids      {}\ngives above  {}\nclears       {}\nheader       {} B, at "
      "most {} B\n",
      d.name, d.summary, property::to_string(d.contract.requires_below),
      property::to_string(d.contract.forbids_below), property::to_string(d.contract.adds),
      property::to_string(d.contract.clears), d.contract.cost.header_bytes, d.header_bytes_max);
  print_options(d.options);
  return ExitCode::ok;
}

ExitCode list_transports(Cli& cli) {
  Json all = Json::array();
  Table table({{"transport", Table::Align::left},
               {"frame", Table::Align::right},
               {"gives", Table::Align::left},
               {"what it is", Table::Align::left}});
  for (const TransportType& type : cli.catalogue().transports()) {
    const Facts facts = type.facts(OptionValues(type.options), property::same_domain);
    all.push_back({{"name", type.name},
                   {"summary", type.summary},
                   {"max_message", facts.max_message},
                   {"gives", property::to_string(facts.word)},
                   {"options", options_json(type.options)}});
    table.row({std::string(type.name), human_bytes(facts.max_message), property::to_string(facts.word),
               std::string(type.summary)});
  }
  fmt::print("{}", cli.common.json ? Json{{"v", 1}, {"transports", all}}.dump(2) + "\n" : table.text());
  return ExitCode::ok;
}

}  // namespace

void add_layer(Cli& cli) {
  CLI::App& layer = cli.noun("layer", "the layers of this program");
  cli.verb(layer, "ls", "Lists the layers with what they need and give.", {{"harness layer ls", true}},
           [&cli] { return list_layers(cli); });
  auto name = std::make_shared<std::string>();
  cli.verb(layer, "show", "Shows one layer: contract, header, options.", {{"harness layer show frag", true}},
           [&cli, name] { return show_layer(cli, *name); })
      .add_option("layer", *name, "its name")
      ->required();
  CLI::App& transport = cli.noun("transport", "the transports of this program");
  cli.verb(transport, "ls", "Lists the transports with what they give to a peer of the own domain.",
           {{"harness transport ls --json", true}}, [&cli] { return list_transports(cli); });
}

}  // namespace harness::apps
