// SPDX-License-Identifier: Apache-2.0
// Why no stack meets the needs: a minimal set of needs that cannot be had together, found by leaving needs
// out one by one and searching again (each search is well under a millisecond), then the layer that would
// give them and what hinders it.
#include <harness/stack/compose_search.hpp>

#include <algorithm>

#include <harness/stack/contract.hpp>
#include <harness/stack/text.hpp>

namespace harness {

namespace {

/// One need on its own: an axis at a level, a largest message, or that nothing unauthenticated leaves a
/// foreign link.
struct Atom {
  Properties word{};
  std::uint32_t max_message = 0;
  bool guard = false;
};
using Atoms = std::vector<Atom>;

class Why {
 public:
  Why(const TransportType& transport, const Facts& facts, const Catalogue& catalogue)
      : transport_(transport), facts_(facts),
        unguarded_{facts.word | property::same_domain, facts.max_message, facts.cost}, catalogue_(catalogue) {
  }

  Error error(const Needs& needs) const {
    const Atoms atoms = smallest(atoms_of(needs, guarded(facts_)));
    const std::string wanted = text::join({text_of(atoms, " and "), atoms.size() > 1 ? " together" : ""});
    return {Errc::unsupported, text::join({"no stack over ", transport_.name, " gives ", wanted}),
            because(atoms, depth_max), advice(needs, atoms)};
  }

 private:
  static constexpr unsigned depth_max = 3;  // how far a hindrance is followed downwards

  static Atoms atoms_of(const Needs& needs, bool guard) {
    Atoms atoms;
    for (const AxisInfo& axis : property::axes())
      if (const Properties part = needs.word & property::whole(axis.axis); !part.empty())
        atoms.push_back({part});
    if (needs.max_message != 0) atoms.push_back({{}, needs.max_message});
    if (guard) atoms.push_back({{}, 0, true});
    return atoms;
  }
  static Needs needs_of(const Atoms& atoms) {
    Needs needs;
    for (const Atom& atom : atoms) {
      needs.word = needs.word | atom.word;
      needs.max_message = std::max(needs.max_message, atom.max_message);
    }
    return needs;
  }
  bool possible(const Atoms& atoms) const {
    const bool guard = std::any_of(atoms.begin(), atoms.end(), [](const Atom& atom) { return atom.guard; });
    return cheapest(needs_of(atoms), guard ? facts_ : unguarded_, catalogue_).has_value();
  }

  /// Leaves out every need without which there is still no stack.
  Atoms smallest(Atoms atoms) const {
    for (std::size_t i = 0; i < atoms.size();) {
      Atoms without = atoms;
      without.erase(without.begin() + static_cast<std::ptrdiff_t>(i));
      if (possible(without)) {
        ++i;
      } else {
        atoms = std::move(without);
      }
    }
    return atoms;
  }

  static std::string text_of(const Atom& atom) {
    if (atom.guard) return "protection on a link that leaves the domain";
    if (atom.max_message != 0) return text::join({"messages of ", text::number(atom.max_message), " bytes"});
    return property::to_string(atom.word);
  }
  static std::string text_of(const Atoms& atoms, std::string_view separator) {
    std::vector<std::string> words;
    for (const Atom& atom : atoms) words.push_back(text_of(atom));
    return text::list(words, separator);
  }

  static bool gives(const Contract& contract, const Atom& atom) {
    if (atom.max_message != 0) return contract.unlimited_message;
    if (atom.guard) return contract.adds.covers(property::authenticated);
    return contract.adds.covers(atom.word);
  }
  const Descriptor* giver(const Atom& atom) const {
    for (const LayerType& type : catalogue_.layers())
      if (gives(type.descriptor->contract, atom)) return type.descriptor;
    return nullptr;
  }

  std::string because(const Atoms& atoms, unsigned depth) const {
    if (atoms.size() > 1) return conflict(atoms);
    if (atoms.empty()) return "no layer may stand here";
    const Atom& atom = atoms.front();
    const Descriptor* layer = giver(atom);
    const std::string fact = atom.max_message == 0
                                 ? text::join({transport_.name, " does not"})
                                 : text::join({transport_.name, " takes ", text::number(facts_.max_message)});
    if (layer == nullptr) return text::join({fact, ", and no layer here gives ", text_of(atom)});
    const Contract& contract = layer->contract;
    const Atoms below = smallest(atoms_of({contract.requires_below, contract.frame_bytes_min}, false));
    const std::string names = text::join({fact, "; ", layer->name, " gives ", text_of(atom)});
    if (depth == 0 || below.empty() || possible(below))
      return text::join({names, ", but may not stand here"});
    return text::join(
        {names, ", but needs ", text_of(below, " and "), " below it: ", because(below, depth - 1)});
  }

  /// Each need can be met alone; names a layer that gives one and takes another away.
  std::string conflict(const Atoms& atoms) const {
    for (const LayerType& type : catalogue_.layers()) {
      const Contract& contract = type.descriptor->contract;
      for (const Atom& one : atoms)
        for (const Atom& other : atoms)
          if (gives(contract, one) && (contract.clears | contract.forbids_below).intersects(other.word))
            return text::join(
                {type.descriptor->name, " gives ", text_of(one), " and takes away ", text_of(other)});
    }
    const auto exposed =
        std::find_if(atoms.begin(), atoms.end(), [](const Atom& atom) { return atom.guard; });
    if (exposed == atoms.end()) return "each can be had alone";
    const bool known = giver(*exposed) != nullptr;
    return text::join(
        {"what keeps state because of received bytes must stand above a layer that authenticates them, and ",
         known ? "none can stand below it" : "no layer here does that"});
  }

  std::string advice(const Needs& needs, const Atoms& atoms) const {
    const bool exposed = std::any_of(atoms.begin(), atoms.end(), [](const Atom& atom) { return atom.guard; });
    if (exposed) return "add a layer that encrypts to the catalogue";
    for (const TransportType& other : catalogue_.transports())
      if (&other != &transport_ && other.facts != nullptr && serves(other, needs))
        return text::join({"use ", other.name, ", over which all of it can be had"});
    if (atoms.size() > 1) return text::join({"give up one of them: ", text_of(atoms, ", ")});
    return text::join(
        {"give up ", text_of(atoms.front()), ", or add a layer that gives it to the catalogue"});
  }
  bool serves(const TransportType& other, const Needs& needs) const {
    const OptionValues options(other.options);
    const Properties trust = facts_.word & property::whole(Axis::trust);
    return other.make != nullptr && reaches(other, options, trust) &&
           cheapest(needs, other.facts(options, trust), catalogue_);
  }

  const TransportType& transport_;
  const Facts& facts_;
  Facts unguarded_;  // the same within the domain: what could be had without the guard
  const Catalogue& catalogue_;
};

}  // namespace

Error why_none(const Needs& needs, const TransportType& transport, const Facts& facts,
               const Catalogue& catalogue) {
  return Why(transport, facts, catalogue).error(needs);
}

}  // namespace harness
