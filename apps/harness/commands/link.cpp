// SPDX-License-Identifier: Apache-2.0
// harness link ls | show | why: which links there are, what happens on one, why its stack is what it is.
#include <optional>

#include <fmt/format.h>

#include <harness/apps/common/human.hpp>
#include <harness/apps/common/table.hpp>
#include <harness/apps/harness/local.hpp>
#include <harness/transports/ofi.hpp>

namespace harness::apps {

namespace {

constexpr Argument link_ls_arguments[] = {node_option};

Result<ExitCode> ls_links(Context& context) {
  auto nodes = running_nodes(context);
  if (!nodes) return tl::unexpected<Error>(nodes.error());
  Table table({{"NODE"},
               {"LINK"},
               {"PEER"},
               {"STATE"},
               {"SENT", Table::Align::right},
               {"RECEIVED", Table::Align::right},
               {"HEADER", Table::Align::right},
               {"RETRANSMITS", Table::Align::right},
               {"RTT", Table::Align::right},
               {"STACK"}});
  std::string json;
  std::optional<Error> hangs;
  for (const LocalNode& node : *nodes) {
    auto client = admin::Client::connect(node.path);
    if (!client) continue;  // it is going away
    auto list = client->ask<admin::LinkList>("link.ls", admin::Nothing{});
    if (!list && list.error().code == Errc::timed_out) hangs = list.error();
    if (!list) continue;
    json += fmt::format("{}{{\"node\":\"{}\",{}", json.empty() ? "" : ",", node.name,
                        admin::write_json(*list).substr(1));
    for (const admin::LinkStatus& link : list->links) {
      const std::string what = link.stack.empty() ? link.error : link.stack;
      table.row({node.name, link.name, link.peer, link.state, human_bytes(link.sent_bytes),
                 human_bytes(link.received_bytes),
                 link.stack.empty() ? "–" : fmt::format("{} B", link.header_bytes), retransmits_of(link),
                 rtt_of(link), printable(what)});
    }
  }
  if (context.common.json) {
    context.print_json("{\"nodes\":[" + json + "]}");
  } else {
    context.print(table.empty() ? "the nodes that run here have no links\n" : table.text(context.width));
  }
  if (!hangs) return ExitCode::ok;
  if (nodes->size() == 1) return tl::unexpected<Error>(*hangs);
  (void)report(context.common, *hangs);
  return ExitCode::partial;
}

constexpr Argument one_arguments[] = {
    {"link", Argument::Kind::word, "a link's name, a peer's name, or PEER/LINK", "LINK", {}, true},
    node_option,
};

void print_status(const Context& context, const std::string& node, const admin::LinkStatus& link) {
  context.print(fmt::format("link {} from {} to {}: {}\n", link.name, node, link.peer, link.state));
  if (!link.error.empty()) context.print(fmt::format("  because   {}\n", printable(link.error)));
  if (link.stack.empty()) return;
  context.print(fmt::format(
      "  stack     {}\n  address   {}\n  role      {}, open after {}{}\n", link.stack, link.address,
      link.role, human_time(link.opened_us * 1000),
      link.reopened == 0 ? ""
                         : fmt::format(", opened again {}", human_count(link.reopened, "time", "times"))));
  if (!link.proven.empty())
    context.print(fmt::format("  peer      has proved to be {}\n", printable(link.proven)));
  context.print(fmt::format("  messages  up to {}, {} B of headers on a small one\n",
                            human_bytes(link.max_message), link.header_bytes));
  context.print(fmt::format("  sent      {} in {}\n  received  {} in {}\n", human_bytes(link.sent_bytes),
                            human_count(link.sent_messages, "message", "messages"),
                            human_bytes(link.received_bytes),
                            human_count(link.received_messages, "message", "messages")));
  if (link.measured)
    context.print(fmt::format("  resent    {}, round trip {}\n",
                              human_count(link.retransmits, "packet", "packets"), rtt_of(link)));
}

Result<ExitCode> show_link(Context& context) {
  auto found = find_link(context, context.arguments.text("link"));
  if (!found) return tl::unexpected<Error>(found.error());
  auto detail = found->client.ask<admin::LinkDetail>("link.show", admin::LinkName{found->link});
  if (!detail) return tl::unexpected<Error>(detail.error());
  if (context.common.json) {
    context.print_json(admin::write_json(*detail));
    return ExitCode::ok;
  }
  print_status(context, found->node, detail->link);
  if (detail->quota_bytes != 0)
    context.print(fmt::format("  quota     {} of {} in use, {} at most so far\n",
                              human_bytes(detail->quota_used_bytes), human_bytes(detail->quota_bytes),
                              human_bytes(detail->quota_peak_bytes)));
  Table table({{"LAYER"}, {"VALUE"}, {"", Table::Align::right}});
  for (const admin::LayerStatus& layer : detail->layers) {
    if (layer.values.empty()) table.row({layer.name, "–"});
    for (std::size_t i = 0; i < layer.values.size(); ++i)
      table.row({i == 0 ? layer.name : "", layer.values[i].name, printable(layer.values[i].value)});
  }
  if (!table.empty()) context.print("\n" + table.text());
  return ExitCode::ok;
}

// Every way to the peer: what was offered and what became of it, what is refused, what was not asked for.
void print_candidates(const Context& context, const admin::LinkWhy& told) {
  constexpr std::string_view failure = "failed: ";  // the error follows
  Table table({{"CANDIDATE"}, {"ADDRESS"}, {"OUTCOME"}, {"WHY"}});
  for (const admin::WhyOffer& offer : told.offers) {
    const bool failed = offer.outcome.starts_with(failure);
    table.row({offer.stack, printable(offer.address),
               failed         ? "failed"
               : offer.chosen ? "chosen"
                              : printable(offer.outcome),
               failed ? printable(offer.outcome.substr(failure.size())) : offer.why});
  }
  for (const admin::WhyRefusal& one : told.refused)
    table.row({one.stack, one.address.empty() ? "–" : printable(one.address),
               one.asked ? "refused" : "not tried",
               printable(fmt::format("{}: {}; try: {}", one.what, one.because, one.advice))});
  if (!table.empty()) context.print("\n" + table.text(context.width));
}

// What libfabric has on this machine, beside a link that goes over it or should have.
void print_providers(const Context& context, const admin::LinkWhy& told) {
  const auto over_ofi = [](std::string_view stack) {
    return stack == "ofi" || stack.ends_with("@ ofi") || stack.find("@ ofi(") != std::string_view::npos;
  };
  bool asked = over_ofi(told.stack);
  for (const admin::WhyOffer& offer : told.offers) asked = asked || over_ofi(offer.stack);
  for (const admin::WhyRefusal& one : told.refused) asked = asked || (one.asked && over_ofi(one.stack));
  if (!asked) return;
  const auto all = transports::ofi::providers();
  if (!all) return context.print(fmt::format("note: {}: {}\n", all.error().what, all.error().because));
  Table table({{"PROVIDER"}, {"DEVICE"}, {"OUTCOME"}, {"WHY"}});
  for (const auto& one : *all)
    table.row({one.name, one.device.empty() ? "–" : one.device, std::string(one.outcome()), one.why});
  context.print("\n" + table.text(context.width));
}

Result<ExitCode> why(Context& context) {
  auto found = find_link(context, context.arguments.text("link"));
  if (!found) return tl::unexpected<Error>(found.error());
  auto told = found->client.ask<admin::LinkWhy>("link.why", admin::LinkName{found->link});
  if (!told) return tl::unexpected<Error>(told.error());
  if (context.common.json) {
    context.print_json(admin::write_json(*told));
    return ExitCode::ok;
  }
  context.print(
      fmt::format("link {} between {} and {}\n  needs  {}\n  trust  {}\n  stack  {}\n  gives  {}\n\n",
                  told->name, found->node, told->peer, told->needs, told->trust,
                  told->stack.empty() ? "none" : told->stack, told->gives));
  Table layers({{"LAYER"}, {"HEADER", Table::Align::right}, {"NOMINAL", Table::Align::right}, {"WHY"}});
  for (const admin::WhyLayer& layer : told->layers)
    layers.row({layer.layer, fmt::format("{} B", layer.header_bytes), fmt::format("{} ns", layer.nominal_ns),
                layer.why});
  if (!layers.empty()) context.print(layers.text(context.width));
  print_candidates(context, *told);
  print_providers(context, *told);
  for (const std::string& text : told->rejected) context.print(fmt::format("instead: {}\n", printable(text)));
  for (const std::string& text : told->notes) context.print(fmt::format("note: {}\n", printable(text)));
  return ExitCode::ok;
}

}  // namespace

void add_link(Cli& cli) {
  const auto add = [&cli](std::string_view verb, std::string_view summary,
                          std::span<const Argument> arguments, std::vector<Example> examples,
                          Result<ExitCode> (*run)(Context&)) {
    TableCommand::add(cli, {"link", "links of the nodes that run here", verb, summary, arguments,
                            std::move(examples), run});
  };
  add("ls", "Lists the links of every node that runs here, with their stacks and traffic.", link_ls_arguments,
      {{"harness link ls"}, {"harness link ls --node a --json"}}, &ls_links);
  add("show", "Shows one link: state, counters of every layer, memory.", one_arguments,
      {{"harness link show packed"}, {"harness link show c/packed --node a --json"}}, &show_link);
  add("why",
      "Explains why a link has its stack, layer by layer, and what stands against every other way to the "
      "peer.",
      one_arguments, {{"harness link why derived"}, {"harness link why far --node a --json"}}, &why);
}

}  // namespace harness::apps
