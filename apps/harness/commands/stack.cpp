// SPDX-License-Identifier: Apache-2.0
// harness stack explain|compose|check: what a stack gives, why each layer is there, and the cheapest one for
// a need.
#include <harness/stack/compose.hpp>

#include <cstdio>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <harness/apps/common/human.hpp>
#include <harness/apps/common/measure.hpp>
#include <harness/apps/common/table.hpp>
#include <harness/stack/text.hpp>

#include <harness/apps/harness/command.hpp>

namespace harness::apps {

namespace {

using Json = nlohmann::json;

// The words all three verbs take.
struct Wish {
  std::string text;
  std::vector<std::string> require;
  std::string over = "tcp";
  std::string peer = "domain";
  std::string max_message;
  bool measure = false;
};

Properties trust(const std::string& peer) {
  if (peer == "process") return property::same_process;
  if (peer == "host") return property::same_host;
  return peer == "foreign" ? property::none : property::same_domain;
}

Result<Needs> needs_of(const Wish& wish) {
  Needs needs;
  for (const std::string& word : wish.require) {
    const auto found = property::from_word(word);
    if (!found) {
      const std::string_view meant = property::closest_word(word);
      return fail(Errc::not_found, "no property is called " + text::quoted(word),
                  "`harness stack words` lists the words of every axis",
                  meant.empty() ? "harness stack words" : fmt::format("did you mean {}?", meant));
    }
    needs.word = needs.word | *found;
  }
  if (!wish.max_message.empty()) {
    static constexpr OptionSpec size{"max-message", OptionKind::size, 0, message_bytes_max, 0, ""};
    auto bytes = parse_value(size, wish.max_message);
    if (!bytes) return tl::unexpected<Error>(bytes.error());
    needs.max_message = static_cast<std::uint32_t>(*bytes);
  }
  return needs;
}

void add_options(CLI::App& verb, Wish& wish) {
  verb.add_option("--require", wish.require, "a property that is needed; may be repeated");
  verb.add_option("--max-message", wish.max_message, "largest message that is needed, as in 64MiB");
  verb.add_option("--peer", wish.peer, "how near the peer is")
      ->check(CLI::IsMember({"process", "host", "domain", "foreign"}));
}

Json as_json(const Given& given) {
  return {{"properties", property::to_string(given.word)},
          {"max_message", given.max_message},
          {"round_trips", given.cost.round_trips},
          {"nominal_ns", given.cost.nominal_ns},
          {"header_bytes", given.cost.header_bytes}};
}

void print(const Common& common, const Explanation& why, const std::vector<double>& measured) {
  if (common.json) {
    Json layers = Json::array();
    for (std::size_t i = 0; i < why.reasons.size(); ++i) {
      const Reason& reason = why.reasons[i];
      Json row = {{"layer", reason.layer},
                  {"why", reason.why},
                  {"header_bytes", reason.header_bytes},
                  {"nominal_ns", reason.nominal_ns}};
      if (i < measured.size()) row["measured_ns"] = measured[i];
      layers.push_back(row);
    }
    const Json document = {{"v", 1},
                           {"stack", why.stack},
                           {"layers", layers},
                           {"given", as_json(why.given)},
                           {"rejected", why.rejected},
                           {"notes", why.notes}};
    fmt::print("{}\n", document.dump(2));
    return;
  }
  fmt::print("{}\n\n", why.stack);
  std::vector<Table::Column> columns = {
      {"layer", Table::Align::left}, {"header", Table::Align::right}, {"nominal", Table::Align::right}};
  if (!measured.empty()) columns.push_back({"measured", Table::Align::right});
  columns.push_back({"why", Table::Align::left});
  Table table(columns);
  for (std::size_t i = 0; i < why.reasons.size(); ++i) {
    const Reason& reason = why.reasons[i];
    std::vector<std::string> row = {reason.layer, fmt::format("{} B", reason.header_bytes),
                                    fmt::format("{} ns", reason.nominal_ns)};
    if (!measured.empty()) row.push_back(i < measured.size() ? fmt::format("{:.1f} ns", measured[i]) : "");
    row.push_back(reason.why);
    table.row(std::move(row));
  }
  fmt::print("{}\ngives     {}\nmessages  up to {}, {} B of headers each\n", table.text(),
             property::to_string(why.given.word), human_bytes(why.given.max_message),
             why.given.cost.header_bytes);
  for (const std::string& note : why.notes) fmt::print("note      {}\n", note);
  for (const std::string& rejected : why.rejected) fmt::print("rejected  {}\n", rejected);
}

ExitCode explain_spec(Cli& cli, const StackSpec& spec, const Wish& wish, const Needs& needs) {
  const Facts facts = spec.transport->facts(spec.transport_options, trust(wish.peer));
  auto why = explain(spec, facts, needs, cli.catalogue());
  if (!why) return report(cli.common, why.error());
  print(cli.common, *why, wish.measure ? measure_layers(spec) : std::vector<double>{});
  return ExitCode::ok;
}

ExitCode run_explain(Cli& cli, const Wish& wish) {
  auto needs = needs_of(wish);
  auto spec = stack_from(wish.text, cli.catalogue());
  if (!needs) return report(cli.common, needs.error());
  if (!spec) return report(cli.common, spec.error());
  return explain_spec(cli, *spec, wish, *needs);
}

ExitCode run_compose(Cli& cli, const Wish& wish) {
  auto needs = needs_of(wish);
  if (!needs) return report(cli.common, needs.error());
  auto over = stack_from("@ " + wish.over, cli.catalogue());
  if (!over) return report(cli.common, over.error());
  const Facts facts = over->transport->facts(over->transport_options, trust(wish.peer));
  auto spec = compose(*needs, *over->transport, over->transport_options, facts, cli.catalogue());
  if (!spec) return report(cli.common, spec.error());
  return explain_spec(cli, *spec, wish, *needs);
}

ExitCode run_check(Cli& cli, const Wish& wish) {
  auto needs = needs_of(wish);
  auto spec = stack_from(wish.text, cli.catalogue());
  if (!needs) return report(cli.common, needs.error());
  if (!spec) return report(cli.common, spec.error());
  const Facts facts = spec->transport->facts(spec->transport_options, trust(wish.peer));
  auto proved = check(*spec, facts, *needs, cli.catalogue());
  if (!proved) return report(cli.common, proved.error());
  if (cli.common.json) {
    Json notes = Json::array();
    for (const Note& note : proved->notes) notes.push_back(note.text);
    fmt::print("{}\n", Json{{"v", 1},
                            {"stack", spec->text()},
                            {"ok", true},
                            {"given", as_json(proved->given)},
                            {"notes", notes}}
                           .dump(2));
    return ExitCode::ok;
  }
  fmt::print("ok        {}\ngives     {}\nmessages  up to {}\n", spec->text(),
             property::to_string(proved->given.word), human_bytes(proved->given.max_message));
  for (const Note& note : proved->notes) fmt::print("note      {}\n", note.text);
  return ExitCode::ok;
}

ExitCode run_words(const Cli& cli) {
  Json all = Json::array();
  Table table({{"axis", Table::Align::left}, {"words, weakest first", Table::Align::left}});
  for (const AxisInfo& axis : property::axes()) {
    std::string words;
    Json list = Json::array();
    for (std::size_t level = 0; level <= axis.levels; ++level) {
      words += (level == 0 ? "" : " < ") + std::string(axis.words[level]);
      list.push_back(axis.words[level]);
    }
    table.row({std::string(axis.name), words});
    all.push_back({{"axis", axis.name}, {"words", list}});
  }
  fmt::print("{}", cli.common.json ? Json{{"v", 1}, {"axes", all}}.dump(2) + "\n" : table.text());
  return ExitCode::ok;
}

}  // namespace

void add_stack(Cli& cli) {
  CLI::App& noun = cli.noun("stack", "stacks of layers: explain, compose, check");
  auto wish = std::make_shared<Wish>();
  CLI::App& explain_verb =
      cli.verb(noun, "explain", "Says for each layer of a stack why it is there and what it costs.",
               {{"harness stack explain 'order / frag @ tcp'", true},
                {"harness stack explain 'mux / compress / frag @ tcp' --measure", true},
                {"harness stack explain 'frag @ tcp' --require ordered --json", true}},
               [&cli, wish] { return run_explain(cli, *wish); });
  explain_verb.add_option("stack", wish->text, "the stack, top first")->required();
  explain_verb.add_flag("--measure", wish->measure,
                        "measure each layer here: ns to send and deliver 64 bytes");
  add_options(explain_verb, *wish);
  CLI::App& compose_verb =
      cli.verb(noun, "compose", "Derives the cheapest stack that gives what is required, and explains it.",
               {{"harness stack compose --require reliable --require ordered --over tcp", true},
                {"harness stack compose --require compressed --require channels --max-message 64MiB", true}},
               [&cli, wish] { return run_compose(cli, *wish); });
  compose_verb.add_option("--over", wish->over, "transport, with options if any: 'tcp(frame=64KiB)'");
  add_options(compose_verb, *wish);
  CLI::App& check_verb = cli.verb(
      noun, "check", "Proves that a stack gives what is required, or says which two layers do not fit.",
      {{"harness stack check 'order / frag @ tcp' --require ordered", true},
       {"harness stack check 'frag / checksum @ tcp' --require reliable --json", true}},
      [&cli, wish] { return run_check(cli, *wish); });
  check_verb.add_option("stack", wish->text, "the stack, top first")->required();
  add_options(check_verb, *wish);
  cli.verb(noun, "words", "Lists the properties that --require and a cluster file know.",
           {{"harness stack words", true}}, [&cli] { return run_words(cli); });
}

}  // namespace harness::apps
