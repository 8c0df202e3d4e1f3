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

/// Without a word of anybody, nothing between domains can be read, changed or forged (as Node demands of
/// peers).
constexpr Properties between_domains = property::encrypted | property::authenticated | property::covered;

/// What all floors between the two domains demand together with the wish; `clear` leaves out the unwritten
/// one.
struct Demand {
  Needs needs;
  Needs clear;
  bool may_ask_for_clear = false;
};

Demand demand(const Needs& wished, const Place& from, const Place& to, Properties trust,
              std::span<const Floor> floors) {
  Demand all{wished, wished};
  bool forbidden = false;
  for (const Floor& floor : floors) {
    if (!joins(floor, from, to)) continue;
    all.clear.word = all.clear.word | floor.word;
    forbidden = forbidden || floor.forbids_clear;
  }
  all.clear.allow_clear = true;
  all.needs.word = all.clear.word;
  all.needs.allow_clear = wished.allow_clear && !forbidden;
  if (property::level(trust, Axis::trust) != 0 || all.needs.allow_clear) return all;
  all.needs.word = all.needs.word | between_domains;
  all.may_ask_for_clear = !forbidden;
  return all;
}

class LinkPolicy {
 public:
  LinkPolicy(const Wish& wish, const Demand& demand, std::span<const Candidate> candidates,
             const Catalogue& catalogue, Decision& decision)
      : wish_(wish), demand_(demand), candidates_(candidates), catalogue_(catalogue), decision_(decision) {}

  void decide() {
    if (!wish_.stacks.empty()) return written();
    if (wish_.transports.empty()) return cheapest_first();
    preferred();
  }

 private:
  [[nodiscard]] Facts facts_of(const TransportType& transport, const OptionValues& options) const {
    return transport.facts(options, decision_.trust);
  }
  [[nodiscard]] const Candidate* candidate(std::string_view transport) const {
    const auto found = std::find_if(candidates_.begin(), candidates_.end(),
                                    [&](const Candidate& one) { return one.transport->name == transport; });
    return found == candidates_.end() ? nullptr : &*found;
  }
  void refuse(std::string what, Error why) { decision_.refused.push_back({std::move(what), std::move(why)}); }
  void refuse_unreachable(std::string what, std::string_view transport) {
    refuse(std::move(what),
           {Errc::unreachable, text::join({"the peer has no address for ", transport}),
            "a stack needs an address of its own transport to dial",
            text::join({"give the peer a ", transport, " address, or name another transport"})});
  }

  void written() {
    for (const StackSpec& stack : wish_.stacks) {
      const Candidate* peer = candidate(stack.transport->name);
      if (peer == nullptr) {
        refuse_unreachable(stack.text(), stack.transport->name);
      } else {
        offer(stack, *peer, "written");
      }
    }
  }
  void preferred() {
    for (const std::string& name : wish_.transports) {
      const Candidate* peer = candidate(name);
      if (peer == nullptr) {
        refuse_unreachable(name, name);
      } else {
        derive(*peer);
      }
    }
  }
  void cheapest_first() {
    for (const Candidate& peer : candidates_) derive(peer);
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
    if (facts.max_message == 0) {
      return refuse(std::string(transport.name),
                    {Errc::unreachable, text::join({transport.name, " does not reach the peer"}),
                     text::join({"the two nodes have in common: ", property::to_string(decision_.trust)}),
                     "name another transport"});
    }
    auto stack = compose(decision_.needs, transport, peer.options, facts, catalogue_);
    if (!stack) {
      const bool in_clear = compose(demand_.clear, transport, peer.options, facts, catalogue_).has_value();
      return refuse(std::string(transport.name), with_clear_advice(std::move(stack.error()), in_clear));
    }
    offer(*stack, peer,
          text::join({"cheapest for ", property::to_string(decision_.needs.word), " over ", transport.name}));
  }

  void offer(const StackSpec& stack, const Candidate& peer, std::string why) {
    const Facts facts = facts_of(*stack.transport, stack.transport_options);
    auto checked = check(stack, facts, decision_.needs, catalogue_);
    if (!checked) {
      const bool in_clear =
          accepts(stack, facts, demand_.clear) &&
          !compose(decision_.needs, *stack.transport, stack.transport_options, facts, catalogue_);
      return refuse(stack.text(), with_clear_advice(std::move(checked.error()), in_clear));
    }
    if (checked->clear) why.append("; CLEAR: leaves the domain unencrypted, by allow_clear");
    decision_.offers.push_back({stack, peer.address, checked->given, checked->clear, std::move(why)});
  }

  /// When only the encryption between domains stands in the way, says how to do without.
  Error with_clear_advice(Error error, bool possible_in_clear) const {
    if (!demand_.may_ask_for_clear || !possible_in_clear) return error;
    error.because = text::join({"a link between domains must be encrypted: ", error.because});
    error.advice = "allow_clear = true for this link at both ends";
    return error;
  }

  const Wish& wish_;
  const Demand& demand_;
  std::span<const Candidate> candidates_;
  const Catalogue& catalogue_;
  Decision& decision_;
};

}  // namespace

Properties trust_between(const Place& a, const Place& b) noexcept {
  if (!same(a.domain, b.domain)) return {};
  if (!same(a.host, b.host)) return property::same_domain;
  return same(a.process, b.process) ? property::same_process : property::same_host;
}

Decision decide_link(const Place& from, const Place& to, const Wish& wish, std::span<const Floor> floors,
                     std::span<const Candidate> candidates, const Catalogue& catalogue) {
  Decision decision;
  decision.trust = trust_between(from, to);
  const Demand all = demand(wish.needs, from, to, decision.trust, floors);
  decision.needs = all.needs;
  LinkPolicy(wish, all, candidates, catalogue, decision).decide();
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
  return error;
}

}  // namespace harness::policies
