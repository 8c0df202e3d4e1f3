// SPDX-License-Identifier: Apache-2.0
// Admin method link.swap: another stack for a link that is up, planned, asked for, and heard of.
#include <fmt/format.h>

#include <harness/apps/common/admin_runs.hpp>
#include <harness/apps/common/human.hpp>
#include <harness/apps/common/runtime.hpp>

namespace harness::apps {

namespace {

constexpr std::string_view drained = "drained", kept = "kept", running = "running";

// Every stack of the text, with the peer's address for its transport where this end dials.
Result<std::vector<Offer>> offers_of(Runtime& runtime, LinkSlot& slot, const std::string& text) {
  auto parsed = parse_spec(text);
  if (!parsed) return tl::unexpected<Error>(parsed.error());
  auto stacks = resolve(*parsed, runtime.catalogue());
  if (!stacks) return tl::unexpected<Error>(stacks.error());
  std::vector<Offer> offers;
  for (StackSpec& stack : *stacks) {
    std::string address;
    if (slot.dials)
      address = address_of(runtime.cluster(), slot.peer, stack.transport->name, runtime.facts());
    offers.push_back({std::move(stack), std::move(address)});
  }
  return offers;
}

admin::SwapResult plan_of(Runtime& runtime, LinkSlot& slot, const std::vector<Offer>& offers) {
  Link& link = *slot.link;
  const StackSpec& now = link.stack()->spec();
  const StackSpec& next = offers.front().stack;
  admin::SwapResult result;
  result.link = slot.declared->name;
  result.peer = slot.peer;
  result.before = now.text();
  result.after = next.text();
  result.session = Stack::shares_session(now, next) != 0 ? running
                   : Stack::hands_on(now, next)          ? kept
                                                         : drained;
  for (const Offer& offer : offers)
    result.offers.push_back(
        {offer.stack.text(), fmt::format("{}:{}", offer.stack.transport->name, offer.address)});
  const Properties trust = runtime.node().trust_of(link.peer());
  const Facts facts = next.transport->facts(next.transport_options, trust);
  if (auto explained = explain(next, facts, link.needs(), runtime.catalogue()))
    for (const Reason& reason : explained->reasons)
      result.layers.push_back({reason.layer, reason.why, reason.header_bytes, reason.nominal_ns});
  return result;
}

void swap(Runtime& runtime, const admin::SwapRequest& request, const admin::CallPointer& call) {
  auto slot = runtime.find_up(request.link);
  if (!slot) return call->fail(slot.error());
  auto offers = offers_of(runtime, **slot, request.stack);
  if (!offers) return call->fail(offers.error());
  const std::shared_ptr<Link> link = (*slot)->link;
  if (auto fits = link->may_swap(*offers); !fits) return call->fail(fits.error());
  admin::SwapResult plan = plan_of(runtime, **slot, *offers);
  if (request.dry_run) return call->reply_with(plan);
  if (const auto told = std::exchange((*slot)->on_swap, nullptr))
    told({EventKind::not_swapped, Errc::cancelled, "another swap was asked for"});
  (*slot)->swap_stacks.clear();
  for (const Offer& offer : *offers) (*slot)->swap_stacks.push_back(offer.stack.text());
  const std::uint64_t started_ns = runtime.engine().now_ns();
  (*slot)->on_swap = [call, plan, started_ns, &runtime, link](const Event& event) mutable {
    if (event.kind == EventKind::not_swapped || link->stack() == nullptr)
      return call->fail({event.code, fmt::format("link {} keeps its stack", plan.link),
                         std::string(event.detail), "harness link why " + plan.link});
    plan.after = link->stack()->spec().text();
    plan.took_ns = runtime.engine().now_ns() - started_ns;
    call->reply_with(plan);
  };
  if (auto asked = link->swap(std::move(*offers)); !asked) {
    (*slot)->on_swap = nullptr;
    call->fail(asked.error());
  }
}

}  // namespace

void add_swap_method(Runtime& runtime) {
  runtime.server().on<admin::SwapRequest>(
      "link.swap", [&runtime](const admin::SwapRequest& request, const admin::CallPointer& call) {
        swap(runtime, request, call);
      });
}

}  // namespace harness::apps
