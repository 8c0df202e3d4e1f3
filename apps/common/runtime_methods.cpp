// SPDX-License-Identifier: Apache-2.0
// Admin methods that look at a node and its links, and those that change them at once.
#include <harness/apps/common/node_identity.hpp>
#include <harness/apps/common/runtime.hpp>

#include <algorithm>

#include <unistd.h>

#include <fmt/format.h>

#include <harness/config.hpp>

namespace harness::apps {

namespace {

/// Gathers what a layer tells.
class Values final : public Describer {
 public:
  void value(std::string_view name, std::uint64_t value) override {
    values.push_back({std::string(name), std::to_string(value)});
  }
  void text(std::string_view name, std::string_view value) override {
    values.push_back({std::string(name), std::string(value)});
  }
  std::vector<admin::NamedValue> values;
};

/// Picks what `link ls` tells of a layer that repeats what was lost.
class Repeats final : public Describer {
 public:
  explicit Repeats(admin::LinkStatus& status) : status_(status) {}
  void value(std::string_view name, std::uint64_t value) override {
    if (name == "retransmitted_packets") status_.measured = true, status_.retransmits = value;
    if (name == "srtt_us") status_.rtt_us = value;
  }
  void text(std::string_view, std::string_view) override {}

 private:
  admin::LinkStatus& status_;
};

/// Picks what a transport has decided by itself, as `link why` tells it.
class Decisions final : public Describer {
 public:
  explicit Decisions(std::vector<std::string>& notes) : notes_(notes) {}
  void value(std::string_view, std::uint64_t) override {}
  void text(std::string_view name, std::string_view value) override {
    if (name == "crossover") notes_.push_back(fmt::format("frames are sent at once {}", value));
  }

 private:
  std::vector<std::string>& notes_;
};

admin::NodeStatus node_status(Runtime& runtime) {
  admin::NodeStatus status;
  const setup::Identity& self = runtime.node().identity();
  status.name = self.name;
  status.domain = self.domain;
  if (const identity::NodeAuthority* authority = runtime.authority()) {
    status.identity = identity::spiffe_name(authority->self().domain, authority->self().name);
    status.certificate_until = static_cast<std::uint64_t>(authority->own().not_after);
    status.root = identity::fingerprint_text(authority->own().issuer);
  }
  status.host = self.host;
  status.user = self.user;
  status.cluster = runtime.cluster().name;
  status.state_folder = runtime.state().path();
  status.release = config::version;
  status.pid = static_cast<std::uint64_t>(getpid());
  status.uptime_ms = (runtime.engine().now_ns() - runtime.started_ns()) / 1'000'000;
  status.addresses = runtime.node().addresses();
  for (const auto& slot : runtime.slots()) {
    ++status.links_declared;
    if (slot->link != nullptr && slot->link->is_up()) ++status.links_up;
  }
  status.refused = runtime.node().refused_count();
  status.late_turns = runtime.engine().counters().late_turns;
  status.late_ns_max = runtime.engine().counters().late_ns_max;
  status.pool_bytes = runtime.engine().pool().held_bytes();
  return status;
}

admin::LinkStatus link_status(LinkSlot& slot) {
  admin::LinkStatus status;
  status.name = slot.declared->name;
  status.peer = slot.peer;
  status.role = slot.dials ? "initiator" : "responder";
  status.reopened = slot.came_up == 0 ? 0 : slot.came_up - 1;
  status.state = "waiting";
  status.error = slot.error.because.empty() ? slot.error.what : slot.error.what + ": " + slot.error.because;
  if (slot.link == nullptr) return status;
  Link& link = *slot.link;
  status.state = to_string(link.state());
  if (link.error().code != Errc::ok) status.error = link.error().what;
  if (const Principal* proven = link.proven(); proven != nullptr)
    status.proven = identity::spiffe_name(proven->domain, proven->name);
  status.opened_us = link.opened_ns() / 1000;
  if (link.endpoint() != nullptr) status.address = link.endpoint()->peer_address();
  if (Stack* stack = link.stack(); stack != nullptr) {
    status.stack = stack->spec().text();
    status.header_bytes = stack->header_bytes() + link.facts().cost.header_bytes;
    status.max_message = stack->max_message();
    status.sent_messages = stack->sent_messages();
    status.sent_bytes = stack->sent_bytes();
    status.received_messages = stack->delivered_messages();
    status.received_bytes = stack->delivered_bytes();
    Repeats repeats(status);
    stack->describe(
        [&](std::string_view, const std::function<void(Describer&)>& describe) { describe(repeats); });
  }
  return status;
}

admin::LinkDetail link_detail(LinkSlot& slot) {
  admin::LinkDetail detail;
  detail.link = link_status(slot);
  if (slot.link == nullptr || slot.link->stack() == nullptr) return detail;
  slot.link->stack()->describe([&](std::string_view layer, const std::function<void(Describer&)>& describe) {
    Values values;
    describe(values);
    detail.layers.push_back({std::string(layer), std::move(values.values)});
  });
  if (slot.link->endpoint() != nullptr) {
    Values values;
    slot.link->endpoint()->describe(values);
    detail.layers.push_back(
        {std::string(slot.link->stack()->spec().transport->name), std::move(values.values)});
  }
  const Quota& quota = slot.link->quota();
  detail.quota_bytes = quota.limit_bytes();
  detail.quota_used_bytes = quota.used_bytes();
  detail.quota_peak_bytes = quota.peak_bytes();
  return detail;
}

/// What became of an offer; empty at the end that did not dial, and for an offer that came to be since.
std::string outcome(Link* link, const std::string& stack, const std::string& address) {
  if (link == nullptr || link->role() != Role::initiator) return {};
  const auto& offers = link->offers();
  const auto at = std::find_if(offers.begin(), offers.end(), [&](const Offer& offer) {
    return offer.address == address && offer.stack.text() == stack;
  });
  if (at == offers.end()) return {};
  const auto index = static_cast<std::size_t>(at - offers.begin());
  const bool up = link->is_up();
  if (up && index == link->chosen()) return "chosen";
  if (up && index > link->chosen()) return "not needed";
  if (const Error* failed = link->failure(index))
    return fmt::format("failed: {}{}{}", failed->what, failed->because.empty() ? "" : ": ", failed->because);
  return up ? "the peer took another" : "not tried yet";
}

void list_candidates(admin::LinkWhy& why, const policies::Decision& decision, Link* link, bool up) {
  for (const policies::Choice& choice : decision.offers) {
    admin::WhyOffer& offer = why.offers.emplace_back();
    offer.stack = choice.stack.text();
    offer.why = choice.why;
    offer.address = std::string(choice.stack.transport->name) + ":" + choice.address;
    offer.outcome = outcome(link, offer.stack, choice.address);
    offer.chosen = up && offer.stack == why.stack && (offer.outcome.empty() || offer.outcome == "chosen");
  }
  for (const auto* list : {&decision.refused, &decision.unasked})
    for (const policies::Refusal& one : *list)
      why.refused.push_back(
          {one.what, one.address, one.why.what, one.why.because, one.why.advice, list == &decision.refused});
}

/// Explains the running stack, or else the first offer.
admin::LinkWhy link_why(Runtime& runtime, LinkSlot& slot) {
  const std::string& responder = slot.dials ? slot.peer : runtime.node().identity().name;
  const policies::Decision decision = decide(runtime.cluster(), *slot.declared, responder, runtime.facts(),
                                             runtime.catalogue(), runtime.authority());
  admin::LinkWhy why;
  why.name = slot.declared->name;
  why.peer = slot.peer;
  why.needs = property::to_string(decision.needs.word);
  if (decision.needs.max_message != 0)
    why.needs += fmt::format(", messages up to {} B", decision.needs.max_message);
  why.trust = decision.trust.empty() ? "foreign" : property::to_string(decision.trust);
  const bool up = slot.link != nullptr && slot.link->stack() != nullptr;
  if (up) why.stack = slot.link->stack()->spec().text();
  list_candidates(why, decision, slot.link.get(), up);
  if (!up && !why.offers.empty()) why.stack = why.offers.front().stack;
  auto spec = stack_from(why.stack, runtime.catalogue());
  if (!spec) return why;
  auto explained = explain(*spec, spec->transport->facts(spec->transport_options, decision.trust),
                           decision.needs, runtime.catalogue());
  if (!explained) {
    why.notes.push_back(explained.error().what + ": " + explained.error().because);
    return why;
  }
  for (const Reason& reason : explained->reasons)
    why.layers.push_back({reason.layer, reason.why, reason.header_bytes, reason.nominal_ns});
  why.gives = property::to_string(explained->given.word);
  why.notes = explained->notes;
  Decisions decisions(why.notes);
  if (up && slot.link->endpoint() != nullptr) slot.link->endpoint()->describe(decisions);
  why.rejected = explained->rejected;
  return why;
}

}  // namespace

void add_admin_methods(Runtime& runtime) {
  admin::Server& server = runtime.server();
  server.on<admin::Nothing>("node.show", [&runtime](const admin::Nothing&, const admin::CallPointer& call) {
    call->reply_with(node_status(runtime));
  });
  server.on<admin::Nothing>("node.stop", [&runtime](const admin::Nothing&, const admin::CallPointer& call) {
    call->reply_with(admin::Nothing{});
    runtime.stop();
  });
  server.on<admin::Nothing>("config.show", [&runtime](const admin::Nothing&, const admin::CallPointer& call) {
    admin::Config config{runtime.cluster().name, runtime.cluster().file, {}};
    std::vector<Setting> settings = runtime.cluster().settings;
    if (runtime.authority() != nullptr)
      for (Setting& floor : signed_floors(runtime.authority()->trust())) settings.push_back(std::move(floor));
    for (const Setting& setting : settings)
      config.settings.push_back({setting.path, setting.value, setting.origin});
    call->reply_with(config);
  });
  server.on<admin::Nothing>("identity.reload",
                            [&runtime](const admin::Nothing&, const admin::CallPointer& call) {
                              auto loaded = runtime.reload_identity();
                              if (!loaded) return call->fail(loaded.error());
                              call->reply_with(admin::Nothing{});
                            });
  server.on<admin::PeerFacts>(
      "peer.set", [&runtime](const admin::PeerFacts& peer, const admin::CallPointer& call) {
        auto set = runtime.set_facts(peer.node, {peer.addresses, peer.host, peer.user});
        if (!set) return call->fail(set.error());
        call->reply_with(admin::Nothing{});
      });
  server.on<admin::Nothing>("link.ls", [&runtime](const admin::Nothing&, const admin::CallPointer& call) {
    admin::LinkList list;
    for (const auto& slot : runtime.slots()) list.links.push_back(link_status(*slot));
    call->reply_with(list);
  });
  server.on<admin::LinkName>("link.show",
                             [&runtime](const admin::LinkName& name, const admin::CallPointer& call) {
                               auto slot = runtime.find(name.link);
                               if (!slot) return call->fail(slot.error());
                               call->reply_with(link_detail(**slot));
                             });
  server.on<admin::LinkName>("link.why",
                             [&runtime](const admin::LinkName& name, const admin::CallPointer& call) {
                               auto slot = runtime.find(name.link);
                               if (!slot) return call->fail(slot.error());
                               call->reply_with(link_why(runtime, **slot));
                             });
}

}  // namespace harness::apps
