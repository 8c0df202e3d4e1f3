// SPDX-License-Identifier: Apache-2.0
// explain: for each layer who needs what it gives, what it costs, and what was not chosen and why.
//
// Every bit of the property word has an owner: the last layer (or the transport) that set it. A layer is
// there because someone above reads a bit it owns. What would be wrong without a layer is asked of the walk
// itself, not guessed. Bounds: rejected_max lines of alternatives.
#include <harness/stack/compose.hpp>

#include <algorithm>
#include <array>

#include <harness/stack/compose_search.hpp>
#include <harness/stack/proof.hpp>
#include <harness/stack/text.hpp>

namespace harness {

namespace {

constexpr std::size_t rejected_max = 48;

class Explainer {
 public:
  Explainer(const StackSpec& stack, const Facts& facts, const Needs& needs, const Catalogue& catalogue,
            const Checked& checked)
      : stack_(stack), facts_(facts), needs_(needs), catalogue_(catalogue), checked_(checked),
        layers_(descriptors_of(stack)), why_(layers_.size() + 1) {}

  Explanation explanation() {
    find_reasons();
    Explanation result;
    result.stack = stack_.text();
    for (std::size_t i = 0; i < layers_.size(); ++i)
      result.reasons.push_back({std::string(layers_[i]->name), why(i), layers_[i]->contract.cost.header_bytes,
                                layers_[i]->contract.cost.nominal_ns});
    result.reasons.push_back({std::string(stack_.transport->name),
                              text::join({"gives ", property::to_string(facts_.word), "; takes ",
                                          text::number(facts_.max_message), " bytes"}),
                              facts_.cost.header_bytes, facts_.cost.nominal_ns});
    list_rejected();
    result.rejected = std::move(rejected_);
    for (const Note& note : checked_.notes) result.notes.push_back(note.text);
    result.given = checked_.given;
    return result;
  }

 private:
  static constexpr std::size_t bits = 64;

  /// What layer i reads of what it stands on.
  [[nodiscard]] Properties reads(std::size_t i) const {
    const Contract& contract = layers_[i]->contract;
    const bool needs_authentic =
        guarded(facts_) && !contract.encrypts && (touched_by_peer(contract) || contract.expands_input);
    return needs_authentic ? contract.requires_below | property::authenticated : contract.requires_below;
  }

  /// Walks up, keeping the owner of every bit, and books each reading to the owner of the strongest bit read.
  void find_reasons() {
    std::array<std::size_t, bits> owner;
    owner.fill(layers_.size());
    std::size_t size_owner = layers_.size();
    for (std::size_t i = layers_.size(); i-- > 0;) {
      const Standing below = standing_below(i);
      book(reads(i), text::join({layers_[i]->name, " needs "}), owner);
      const std::uint32_t frame = layers_[i]->contract.frame_bytes_min;
      book_size(frame, text::join({layers_[i]->name, " needs "}), size_owner);
      const Standing next = above(*layers_[i], below);
      for (std::size_t bit = 0; bit < bits; ++bit) {
        const Properties one{std::uint64_t{1} << bit};
        if (next.word.covers(one) && (!below.word.covers(one) || layers_[i]->contract.clears.covers(one)))
          owner[bit] = i;
      }
      for_forbidding(i, below, next);
      if (next.max_message > below.max_message) size_owner = i;
    }
    book(needs_.word, "the link needs ", owner);
    book_size(needs_.max_message, "the link needs ", size_owner);
  }
  [[nodiscard]] Standing standing_below(std::size_t i) const {
    return {checked_.below[i].word, checked_.below[i].max_message, true};
  }

  void book(Properties read, const std::string& reader, const std::array<std::size_t, bits>& owner) {
    std::vector<Properties> from(layers_.size() + 1);
    for (const AxisInfo& axis : property::axes()) {
      const unsigned level = property::level(read, axis.axis);
      if (level == 0) continue;
      const std::size_t strongest = owner[axis.shift + level - 1];
      from[strongest] = from[strongest] | property::at_least(axis.axis, level);
      const std::size_t lowest =
          owner[axis.shift];  // above it where a transport gives the upper levels alone
      if (lowest < strongest) from[lowest] = from[lowest] | property::at_least(axis.axis, 1);
    }
    for (std::size_t i = 0; i < layers_.size(); ++i)
      if (!from[i].empty()) why_[i].push_back(text::join({reader, property::to_string(from[i])}));
  }
  void book_size(std::uint32_t bytes, const std::string& reader, std::size_t owner) {
    if (owner < layers_.size() && bytes > checked_.below[owner].max_message)
      why_[owner].push_back(
          text::join({reader, "messages of ", text::number(bytes), " bytes, ", stack_.name_of(owner + 1),
                      " takes ", text::number(checked_.below[owner].max_message)}));
  }
  void for_forbidding(std::size_t i, const Standing& below, const Standing& next) {
    const Properties gone = below.word.without(next.word) & forbidden_above(layers_, i);
    if (!gone.empty())
      why_[i].push_back(text::join({"takes away ", property::to_string(gone), ", which stands in the way"}));
  }

  [[nodiscard]] std::string why(std::size_t i) const {
    if (!why_[i].empty()) return text::list(why_[i], "; ");
    if (promises_nothing(layers_[i]->contract))
      return "written; it observes or disturbs and promises nothing";
    if (layers_[i]->contract.unlimited_message)
      return text::join(
          {"written; raises the largest message from ", text::number(checked_.below[i].max_message)});
    return "written; nothing here needs it";
  }

  void reject(std::string text) {
    if (rejected_.size() < rejected_max) rejected_.push_back(std::move(text));
  }

  void list_rejected() {
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      if (why_[i].empty()) continue;
      without(i);
      instead_of(i);
    }
    for (const TransportType& other : catalogue_.transports())
      if (&other != stack_.transport && other.facts != nullptr) over(other);
  }
  void without(std::size_t i) {
    std::vector<const Descriptor*> fewer = layers_;
    fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
    if (const auto refusal = refusal_of(fewer, facts_, needs_))
      reject(text::join({"without ", layers_[i]->name, ": ",
                         sentence(*refusal, fewer, stack_.transport->name, facts_, needs_)}));
  }
  void instead_of(std::size_t i) {
    for (const LayerType& type : catalogue_.layers()) {
      const Contract& contract = type.descriptor->contract;
      const Contract& chosen = layers_[i]->contract;
      if (type.descriptor == layers_[i] || !contract.adds.covers(chosen.adds)) continue;
      if (contract.unlimited_message != chosen.unlimited_message) continue;
      std::vector<const Descriptor*> other = layers_;
      other[i] = type.descriptor;
      const std::string words = text::join({type.descriptor->name, " instead of ", layers_[i]->name, ": "});
      if (const auto refusal = refusal_of(other, facts_, needs_)) {
        reject(text::join({words, sentence(*refusal, other, stack_.transport->name, facts_, needs_)}));
      } else {
        reject(text::join({words, "costs ", cost_text(contract.cost), "; ", layers_[i]->name, " costs ",
                           cost_text(chosen.cost)}));
      }
    }
  }
  void over(const TransportType& other) {
    const OptionValues options(other.options);
    const Properties trust = facts_.word & property::whole(Axis::trust);
    if (other.make == nullptr || !reaches(other, options, trust)) return;
    const Facts facts = other.facts(options, trust);
    const auto found = cheapest(needs_, facts, catalogue_);
    if (!found)
      return reject(
          text::join({"over ", other.name, ": ", why_none(needs_, other, facts, catalogue_).because}));
    std::vector<std::string_view> names;
    for (const LayerType* type : found->layers) names.push_back(type->descriptor->name);
    reject(text::join({"over ", other.name, ": ", text::list(names, " / "), names.empty() ? "" : " ", "@ ",
                       other.name, " costs ", cost_text(found->cost), "; this stack costs ",
                       cost_text(checked_.given.cost)}));
  }
  static std::string cost_text(const Cost& cost) {
    return text::join({text::number(cost.round_trips), " round trips, ", text::number(cost.nominal_ns),
                       " ns, ", text::number(cost.header_bytes), " header bytes"});
  }

  const StackSpec& stack_;
  const Facts& facts_;
  const Needs& needs_;
  const Catalogue& catalogue_;
  const Checked& checked_;
  std::vector<const Descriptor*> layers_;
  std::vector<std::vector<std::string>> why_;
  std::vector<std::string> rejected_;
};

}  // namespace

Result<Explanation> explain(const StackSpec& stack, const Facts& facts, const Needs& needs,
                            const Catalogue& catalogue) {
  auto checked = check(stack, facts, needs, catalogue);
  if (!checked) return tl::unexpected(std::move(checked.error()));
  return Explainer(stack, facts, needs, catalogue, *checked).explanation();
}

}  // namespace harness
