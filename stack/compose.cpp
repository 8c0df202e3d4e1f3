// SPDX-License-Identifier: Apache-2.0
// The cheapest stack: Dijkstra from a transport's facts over (property word, largest message).
//
// Labels are ordered by (round trips, ns, header bytes, number of layers, sequence bottom-up by canonical
// place), a total order that stays the same when a layer is added on top, so the first label that meets the
// needs is the one answer on every host. A state is dropped only when a settled one has every bit it has, the
// same forbidden bits, and no smaller number: `clears` and `forbids_below` make "more" and "better" two
// things. Layers that cannot matter for these needs are left out beforehand by closure over what they add,
// need and forbid; bits that nothing reads are masked away. Rejected: greedy top-down (wrong as soon as one
// layer clears what another gave); costs as weighted sums (both ends would have to agree on weights). Bounds:
// states_max settled states. Sources: Dijkstra 1959; design §3.
#include <harness/stack/compose.hpp>

#include <algorithm>
#include <array>
#include <optional>
#include <queue>

#include <harness/stack/compose_search.hpp>
#include <harness/stack/contract.hpp>

namespace harness {

namespace {

constexpr std::size_t states_max = 1 << 14;

/// What may matter for the needs: the layers worth trying and the bits worth remembering.
class Relevance {
 public:
  Relevance(const Needs& needs, const Facts& facts, const Catalogue& catalogue)
      : facts_(facts), guarded_(guarded(facts)), read_(needs.word) {
    size_matters_ = needs.max_message != 0 || facts.max_message < all_headers(catalogue);
    std::vector<bool> taken(catalogue.layers().size(), false);
    for (bool grew = true; grew;) {
      grew = false;
      for (std::size_t i = 0; i < taken.size(); ++i) {
        const LayerType& type = catalogue.layers()[i];
        if (taken[i] || !useful(type.descriptor->contract)) continue;
        taken[i] = grew = true;
        take(type);
      }
    }
    std::sort(layers_.begin(), layers_.end(), [](const LayerType* a, const LayerType* b) {
      if (a->descriptor->place != b->descriptor->place) return a->descriptor->place > b->descriptor->place;
      return a->descriptor->name < b->descriptor->name;
    });
  }

  /// Canonical order, lowest layer first: an index in it is a layer's rank.
  [[nodiscard]] const std::vector<const LayerType*>& layers() const noexcept { return layers_; }
  [[nodiscard]] Properties mask() const noexcept { return read_ | forbidden_; }
  [[nodiscard]] Properties forbidden() const noexcept { return forbidden_; }
  [[nodiscard]] bool is_guarded() const noexcept { return guarded_; }

 private:
  static std::uint32_t all_headers(const Catalogue& catalogue) {
    std::uint32_t headers = 0, frame = 0;
    for (const LayerType& type : catalogue.layers()) {
      headers += type.descriptor->header_bytes_max;
      frame = std::max(frame, type.descriptor->contract.frame_bytes_min);
    }
    return headers + frame + 1;
  }
  [[nodiscard]] bool useful(const Contract& contract) const noexcept {
    if (promises_nothing(contract)) return false;              // a fault is no remedy, whatever it clears
    const Properties certain = facts_.word.without(cleared_);  // there already, and nobody takes it away
    return contract.adds.intersects(read_.without(certain)) ||
           (contract.unlimited_message && size_matters_) || contract.clears.intersects(forbidden_);
  }
  void take(const LayerType& type) {
    const Contract& contract = type.descriptor->contract;
    layers_.push_back(&type);
    read_ = read_ | contract.requires_below;
    forbidden_ = forbidden_ | contract.forbids_below;
    cleared_ = cleared_ | contract.clears;
    const bool needs_authentic = guarded_ && (touched_by_peer(contract) || contract.expands_input);
    if (needs_authentic || read_.intersects(property::covered)) read_ = read_ | property::authenticated;
  }

  const Facts& facts_;
  bool guarded_;
  bool size_matters_ = false;
  Properties read_;  // by the needs, by R1 and R2, or by a layer
  Properties forbidden_;
  Properties cleared_;
  std::vector<const LayerType*> layers_;
};

struct Label {
  Cost cost;
  std::uint8_t count = 0;
  std::array<std::uint8_t, spec_layers_max> ranks{};  // bottom first
  Standing standing;

  friend bool operator>(const Label& a, const Label& b) noexcept {
    if (const auto order = a.cost <=> b.cost; order != 0) return order > 0;
    if (a.count != b.count) return a.count > b.count;
    return a.ranks > b.ranks;
  }
};

class Search {
 public:
  Search(const Needs& needs, const Facts& facts, const Catalogue& catalogue)
      : needs_(needs), relevance_(needs, facts, catalogue) {
    Label first;
    first.cost = facts.cost;
    first.standing = standing_on(facts);
    first.standing.word = first.standing.word & relevance_.mask();
    open_.push(first);
  }

  std::optional<Label> run() {
    while (!open_.empty() && settled_.size() < states_max) {
      const Label label = open_.top();
      open_.pop();
      if (dominated(label.standing)) continue;
      if (meets(label.standing)) return label;
      settled_.push_back(label.standing);
      if (label.count < spec_layers_max) extend(label);
    }
    return std::nullopt;
  }
  [[nodiscard]] const LayerType* layer(std::uint8_t rank) const noexcept { return relevance_.layers()[rank]; }

 private:
  [[nodiscard]] bool meets(const Standing& standing) const noexcept {
    return standing.word.covers(needs_.word) && standing.max_message >= needs_.max_message;
  }
  [[nodiscard]] bool dominated(const Standing& standing) const noexcept {
    const Properties forbidden = relevance_.forbidden();
    return std::any_of(settled_.begin(), settled_.end(), [&](const Standing& other) {
      return other.word.covers(standing.word) && other.max_message >= standing.max_message &&
             (other.word & forbidden) == (standing.word & forbidden) && other.bare >= standing.bare;
    });
  }
  void extend(const Label& label) {
    for (std::size_t rank = 0; rank < relevance_.layers().size(); ++rank) {
      const Descriptor& layer = *relevance_.layers()[rank]->descriptor;
      if (objection(layer, label.standing, relevance_.is_guarded()) != Objection::none) continue;
      Label next = label;
      next.standing = above(layer, label.standing);
      next.standing.word = next.standing.word & relevance_.mask();
      if (superfluous(label.standing, next.standing, relevance_.forbidden()) || dominated(next.standing))
        continue;
      next.cost = label.cost + layer.contract.cost;
      next.ranks[next.count++] = static_cast<std::uint8_t>(rank);
      open_.push(next);
    }
  }

  const Needs& needs_;
  Relevance relevance_;
  std::vector<Standing> settled_;
  std::priority_queue<Label, std::vector<Label>, std::greater<>> open_;
};

}  // namespace

std::optional<Composed> cheapest(const Needs& needs, const Facts& facts, const Catalogue& catalogue) {
  Search search(needs, facts, catalogue);
  const auto found = search.run();
  if (!found) return std::nullopt;
  Composed composed{{}, found->cost};
  for (std::size_t i = found->count; i-- > 0;) composed.layers.push_back(search.layer(found->ranks[i]));
  return composed;
}

Result<StackSpec> compose(const Needs& needs, const TransportType& transport,
                          const OptionValues& transport_options, const Facts& facts,
                          const Catalogue& catalogue) {
  const auto found = cheapest(needs, facts, catalogue);
  if (!found) return tl::unexpected(why_none(needs, transport, facts, catalogue));
  StackSpec stack;
  for (const LayerType* type : found->layers)
    stack.layers.push_back({type, OptionValues(type->descriptor->options)});
  stack.transport = &transport;
  stack.transport_options = transport_options;
  return stack;
}

}  // namespace harness
