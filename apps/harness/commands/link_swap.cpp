// SPDX-License-Identifier: Apache-2.0
// harness link swap: gives a link another stack while it carries traffic, and can prove that nothing
// suffered.
#include <poll.h>

#include <fmt/format.h>

#include <harness/apps/common/human.hpp>
#include <harness/apps/common/table.hpp>
#include <harness/apps/harness/local.hpp>
#include <harness/apps/harness/swap_proof.hpp>

namespace harness::apps {

namespace {

constexpr Argument swap_arguments[] = {
    {"link", Argument::Kind::word, "a link's name, a peer's name, or PEER/LINK", "LINK", {}, true},
    {"stack", Argument::Kind::word, "the stack to go to, or several to choose from", "STACK", {}, true},
    {"--dry-run", Argument::Kind::flag, "only print the plan"},
    {"--prove", Argument::Kind::flag,
     "send numbered messages before and during the swap, and count what was lost, doubled or disordered"},
    node_option,
};

std::string_view how(std::string_view session) {
  if (session == "running") return "the layers through reliable run on over both endpoints; nothing waits";
  if (session == "kept") return "the new stack takes the session over; what is under way is sent again";
  return "the old stack delivers what was sent by it, then ends; senders never wait";
}

void print_plan(const Context& context, const std::string& node, const admin::SwapResult& plan) {
  context.print(fmt::format("link {} from {} to {}\n  now    {}\n  then   {}\n  dials  {}\n", plan.link, node,
                            plan.peer, plan.before, plan.after,
                            plan.offers.empty() ? "" : printable(plan.offers.front().address)));
  context.print(fmt::format("  how    {}\n", how(plan.session)));
  Table layers({{"LAYER"}, {"HEADER", Table::Align::right}, {"NOMINAL", Table::Align::right}, {"WHY"}});
  for (const admin::WhyLayer& layer : plan.layers)
    layers.row({layer.layer, fmt::format("{} B", layer.header_bytes), fmt::format("{} ns", layer.nominal_ns),
                layer.why});
  if (!layers.empty()) context.print("\n" + layers.text(context.width));
}

Result<ExitCode> prove(Context& context, const FoundLink& found, const std::string& stack) {
  const Meanwhile meanwhile = [&context]() -> Result<> {
    pollfd waited{context.interrupts.descriptor(), POLLIN, 0};
    poll(&waited, 1, 5);
    if (!context.interrupts.take()) return {};
    return fail(Errc::cancelled, "interrupted", "the swap may still be done", "harness link show");
  };
  auto proof = prove_swaps(found.path, found.link, {stack}, meanwhile);
  if (!proof) return tl::unexpected<Error>(proof.error());
  const admin::LoadResult& load = proof->load;
  if (context.common.json) {
    context.print_json(write_json(*proof));
  } else {
    context.print(
        fmt::format("\nswapped in {}: {}\n  {}, {} lost, {} doubled, {} reordered, {} damaged; pause {}\n",
                    human_time(proof->swaps.front().took_ns), proof->swaps.front().after,
                    human_count(load.received, "message", "messages"), load.lost, load.doubled,
                    load.disordered, load.damaged, human_time(proof->pause_ns())));
  }
  return proof->is_clean() ? ExitCode::ok : ExitCode::failed;
}

Result<ExitCode> swap(Context& context) {
  auto found = find_link(context, context.arguments.text("link"));
  if (!found) return tl::unexpected<Error>(found.error());
  admin::SwapRequest request;
  request.link = found->link;
  request.stack = context.arguments.text("stack");
  request.dry_run = true;
  auto plan = found->client.ask<admin::SwapResult>("link.swap", request, &context.interrupts);
  if (!plan) return tl::unexpected<Error>(plan.error());
  const bool dry = context.arguments.given("--dry-run");
  if (!context.common.json) print_plan(context, found->node, *plan);
  if (dry) {
    if (context.common.json) context.print_json(admin::write_json(*plan));
    return ExitCode::ok;
  }
  request.dry_run = false;
  if (context.arguments.given("--prove")) return prove(context, *found, request.stack);
  auto done = found->client.ask<admin::SwapResult>("link.swap", request, &context.interrupts);
  if (!done) return tl::unexpected<Error>(done.error());
  if (context.common.json) {
    context.print_json(admin::write_json(*done));
  } else {
    context.print(fmt::format("\nswapped in {}: {}\n", human_time(done->took_ns), done->after));
  }
  return ExitCode::ok;
}

}  // namespace

void add_link_swap(Cli& cli) {
  TableCommand::add(
      cli, {"link",
            "links of the nodes that run here",
            "swap",
            "Gives a link another stack while it carries traffic: nothing is lost, doubled or reordered.",
            swap_arguments,
            {{"harness link swap written 'order / frag @ shm' --dry-run"},
             {"harness link swap written 'order / frag @ shm'"},
             {"harness link swap written 'order / frag / encrypt @ tcp' --node a --prove"}},
            &swap});
}

}  // namespace harness::apps
