// SPDX-License-Identifier: Apache-2.0
// See link.hpp.
#include <harness/policies/link.hpp>

#include <algorithm>

#include <harness/stack/text.hpp>

namespace harness::policies {

namespace {

bool same(const std::string& a, const std::string& b) { return !a.empty() && a == b; }

bool joins(const Floor& floor, const Place& from, const Place& to) {
  return (floor.domain_a == from.domain && floor.domain_b == to.domain) ||
         (floor.domain_a == to.domain && floor.domain_b == from.domain);
}

bool encrypts(const StackSpec& stack) {
  return std::any_of(stack.layers.begin(), stack.layers.end(),
                     [](const BoundLayer& layer) { return layer.type->descriptor->contract.encrypts; });
}

/// What all floors between the two domains demand together with the wish, and what Node demands by itself.
/// Who writes only stacks that encrypt does not want a peer's offer that does not.
Needs demand(const Wish& wish, const Place& from, const Place& to, Properties trust,
             std::span<const Floor> floors) {
  Needs all = with_domain_floor(wish.needs, trust);
  if (!wish.stacks.empty() && std::all_of(wish.stacks.begin(), wish.stacks.end(), encrypts))
    all.word = all.word | property::encrypted | property::authenticated;
  for (const Floor& floor : floors)
    if (joins(floor, from, to)) all.word = all.word | floor.word;
  return all;
}

/// The first fact that keeps two places apart, as a person would say it, and what to do about it.
struct Distance {
  std::string fact;
  std::string advice;
};

Distance distance(const Place& a, const Place& b) {
  struct Row {
    std::string_view what, many;
    const std::string &of_a, &of_b;
  };
  for (const Row& row :
       {Row{"domain", "domains", a.domain, b.domain}, Row{"host", "hosts", a.host, b.host},
        Row{"user", "users", a.user, b.user}, Row{"process", "processes", a.process, b.process}}) {
    if (same(row.of_a, row.of_b)) continue;
    if (row.of_a.empty() || row.of_b.empty())
      return {
          text::join({"it is not known that they have one ", row.what}),
          text::join({"say ", row.what, " = \"NAME\" for both, if they have, or name another transport"})};
    return {text::join({"their ", row.many, " are ", row.of_a, " and ", row.of_b}), "name another transport"};
  }
  return {};
}

std::string dialled_at(const Candidate& peer) {
  return text::join({peer.transport->name, ":", peer.address});
}

class LinkPolicy {
 public:
  LinkPolicy(const Place& from, const Place& to, const Wish& wish, std::span<const Candidate> candidates,
             const Catalogue& catalogue, Decision& decision)
      : from_(from), to_(to), wish_(wish), candidates_(candidates), catalogue_(catalogue),
        decision_(decision) {}

  void decide() {
    if (!wish_.stacks.empty()) {
      written();
    } else if (!wish_.transports.empty()) {
      preferred();
    } else {
      cheapest_first();
    }
    look_at_the_rest();
  }

 private:
  [[nodiscard]] Facts facts_of(const TransportType& transport, const OptionValues& options) const {
    return transport.facts(options, decision_.trust);
  }
  void refuse(std::string what, const Candidate* peer, Error why) {
    decision_.refused.push_back({std::move(what), peer == nullptr ? "" : dialled_at(*peer), std::move(why)});
  }
  /// Why nobody can be dialled over it.
  [[nodiscard]] Error no_way(const TransportType& transport, const OptionValues& options) const {
    if (reaches(transport, options, decision_.trust))
      return {Errc::unreachable, text::join({"the peer has no address for ", transport.name}),
              "a stack needs an address of its own transport to dial",
              text::join({"give the peer a ", transport.name, " address, or name another transport"})};
    Distance far = distance(from_, to_);
    return {Errc::unreachable, text::join({transport.name, " does not reach the peer"}),
            text::join({"it joins two ends with the ", property::to_string(transport.reach(options)), "; ",
                        far.fact}),
            std::move(far.advice)};
  }

  /// Calls `use` for every address of the transport; tells when there is none.
  template <class Use>
  void each_address(const TransportType& transport, const OptionValues& options, const std::string& what,
                    Use use) {
    const bool near = reaches(transport, options, decision_.trust);
    bool any = false;
    for (const Candidate& peer : candidates_) {
      if (peer.transport->name != transport.name) continue;
      any = true;
      near ? use(peer) : refuse(what, &peer, no_way(transport, options));
    }
    if (!any) refuse(what, nullptr, no_way(transport, options));
  }
  void written() {
    for (const StackSpec& stack : wish_.stacks)
      each_address(*stack.transport, stack.transport_options, stack.text(),
                   [&](const Candidate& peer) { offer(stack, peer, "written"); });
  }
  void preferred() {
    for (const std::string& name : wish_.transports) {
      const TransportType& transport = *catalogue_.transport(name);
      each_address(transport, OptionValues(transport.options), name,
                   [&](const Candidate& peer) { derive(peer); });
    }
  }
  void cheapest_first() {
    for (const Candidate& peer : candidates_) {
      const std::string name(peer.transport->name);
      if (reaches(*peer.transport, peer.options, decision_.trust)) {
        derive(peer);
      } else {
        refuse(name, &peer, no_way(*peer.transport, peer.options));
      }
    }
    std::sort(decision_.offers.begin(), decision_.offers.end(), [](const Choice& a, const Choice& b) {
      if (const auto order = a.given.cost <=> b.given.cost; order != 0) return order < 0;
      const std::string text_a = a.stack.text(), text_b = b.stack.text();
      return text_a != text_b ? text_a < text_b : a.address < b.address;
    });
    std::sort(decision_.refused.begin(), decision_.refused.end(),
              [](const Refusal& a, const Refusal& b) { return a.what < b.what; });
  }

  void derive(const Candidate& peer) {
    const TransportType& transport = *peer.transport;
    const Facts facts = facts_of(transport, peer.options);
    auto stack = compose(decision_.needs, transport, peer.options, facts, catalogue_);
    if (!stack) {
      Error why = std::move(stack.error());
      const bool barred = !decision_.floor.empty() &&
                          compose(wish_.needs, transport, peer.options, facts, catalogue_).has_value() &&
                          !compose({wish_.needs.word | decision_.floor, wish_.needs.max_message}, transport,
                                   peer.options, facts, catalogue_);
      return refuse(std::string(transport.name), &peer,
                    barred ? below_floor(std::move(why)) : std::move(why));
    }
    const bool near = transport.reach != nullptr;
    offer(*stack, peer,
          text::join({"cheapest for ", property::to_string(decision_.needs.word), " over ", transport.name,
                      near ? ", as both have the " : "",
                      near ? property::to_string(transport.reach(peer.options)) : ""}));
  }

  [[nodiscard]] Error below_floor(Error why) const {
    return floor_not_met(std::move(why), from_.domain, to_.domain, decision_.floor);
  }

  void offer(const StackSpec& stack, const Candidate& peer, std::string why) {
    const Facts facts = facts_of(*stack.transport, stack.transport_options);
    auto checked = check(stack, facts, decision_.needs, catalogue_);
    if (!checked) {
      const bool barred = floor_bars(stack, facts, wish_.needs, decision_.floor);
      Error error = std::move(checked.error());
      return refuse(stack.text(), &peer, barred ? below_floor(std::move(error)) : std::move(error));
    }
    if (!checked->disturbing.empty())
      why.append(text::join({"; disturbed on purpose by ",
                             text::list(std::span<const std::string_view>(checked->disturbing))}));
    decision_.offers.push_back({stack, peer.address, checked->given, std::move(why)});
  }
  // ---- what was not asked for ----

  [[nodiscard]] bool asked_for(const TransportType& transport) const {
    if (!wish_.stacks.empty())
      return std::any_of(wish_.stacks.begin(), wish_.stacks.end(),
                         [&](const StackSpec& stack) { return stack.transport->name == transport.name; });
    return wish_.transports.empty() || std::find(wish_.transports.begin(), wish_.transports.end(),
                                                 transport.name) != wish_.transports.end();
  }
  /// Candidates of other transports, and transports without a candidate, each with what stands against it.
  void look_at_the_rest() {
    for (const TransportType& transport : catalogue_.transports()) {
      const bool asked = asked_for(transport);
      bool any = false;
      for (const Candidate& peer : candidates_) {
        if (peer.transport->name != transport.name) continue;
        any = true;
        if (!asked) decision_.unasked.push_back(unasked(peer));
      }
      const bool told = asked && (!wish_.stacks.empty() || !wish_.transports.empty());
      if (any || told || transport.make == nullptr) continue;
      decision_.unasked.push_back(
          {std::string(transport.name), "", no_way(transport, OptionValues(transport.options))});
    }
  }
  [[nodiscard]] Refusal unasked(const Candidate& peer) const {
    const TransportType& transport = *peer.transport;
    const std::string name(transport.name);
    if (!reaches(transport, peer.options, decision_.trust))
      return {name, dialled_at(peer), no_way(transport, peer.options)};
    auto stack =
        compose(decision_.needs, transport, peer.options, facts_of(transport, peer.options), catalogue_);
    if (!stack) return {name, dialled_at(peer), stack.error()};
    const std::string text = stack->text();
    Error why{Errc::denied, text::join({name, " was not asked for"}), {}, {}};
    if (wish_.stacks.empty()) {
      why.because = text::join(
          {"the link prefers ", text::list(std::span(wish_.transports)), ", and nothing else is tried"});
      why.advice = text::join({"add ", name, " to prefer: ", text, " would do"});
    } else {
      why.because = "the link has written stacks, and nothing else is tried";
      why.advice = text::join({"add | ", text, " to its stack"});
    }
    return {text, dialled_at(peer), std::move(why)};
  }

  const Place& from_;
  const Place& to_;
  const Wish& wish_;
  std::span<const Candidate> candidates_;
  const Catalogue& catalogue_;
  Decision& decision_;
};

}  // namespace

Properties trust_between(const Place& a, const Place& b) noexcept {
  if (!same(a.domain, b.domain)) return {};
  if (!same(a.host, b.host)) return property::same_domain;
  if (!same(a.user, b.user)) return property::same_host;
  return same(a.process, b.process) ? property::same_process : property::same_user;
}

Decision decide_link(const Place& from, const Place& to, const Wish& wish, std::span<const Floor> floors,
                     std::span<const Candidate> candidates, const Catalogue& catalogue) {
  Decision decision;
  decision.trust = trust_between(from, to);
  decision.needs = demand(wish, from, to, decision.trust, floors);
  for (const Floor& floor : floors)
    if (joins(floor, from, to)) decision.floor = decision.floor | floor.word;
  LinkPolicy(from, to, wish, candidates, catalogue, decision).decide();
  return decision;
}

Error why_no_link(const Decision& decision) {
  if (decision.refused.empty())
    return {Errc::unreachable, "there is no way to the peer",
            "it has no address that a transport here can dial", "give the peer an address"};
  const Refusal& first = decision.refused.front();
  Error error = first.why;
  if (decision.refused.size() > 1) {
    std::vector<std::string> others;
    for (const Refusal& refusal : decision.refused)
      if (&refusal != &first) others.push_back(text::join({refusal.what, ": ", refusal.why.what}));
    error.because = text::join({error.because, "; also refused: ", text::list(others, "; ")});
  }
  const auto possible = std::find_if(decision.unasked.begin(), decision.unasked.end(),
                                     [](const Refusal& one) { return one.why.code == Errc::denied; });
  if (error.code == Errc::unreachable && possible != decision.unasked.end())
    error.advice = possible->why.advice;
  return error;
}

}  // namespace harness::policies
