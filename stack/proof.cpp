// SPDX-License-Identifier: Apache-2.0
// See proof.hpp.
#include <harness/stack/proof.hpp>

#include <algorithm>

#include <harness/stack/text.hpp>

namespace harness {

namespace {

bool stands_below(Layers layers, std::size_t index) noexcept {
  const auto lower = layers.subspan(index + 1);
  return std::any_of(lower.begin(), lower.end(),
                     [&](const Descriptor* d) { return d->name == layers[index]->name; });
}

Properties missing_for(const Descriptor& layer, const Standing& below, Objection what) noexcept {
  switch (what) {
    case Objection::requires_below: return property::shortfall(layer.contract.requires_below, below.word);
    case Objection::forbids_below: return below.word & layer.contract.forbids_below;
    case Objection::forgeable:
    case Objection::expands: return property::authenticated;
    default: return {};
  }
}

std::string_view name_of(Layers layers, std::size_t index, std::string_view transport) noexcept {
  return index < layers.size() ? layers[index]->name : transport;
}

std::string objection_text(const Refusal& refusal, Layers layers, std::string_view transport) {
  const Descriptor& layer = *layers[refusal.layer];
  const std::string_view below = name_of(layers, refusal.layer + 1, transport);
  const std::string words = property::to_string(refusal.missing);
  switch (refusal.objection) {
    case Objection::requires_below: return text::join({layer.name, " needs ", words, " below it"});
    case Objection::forbids_below: return text::join({layer.name, " cannot stand on ", words});
    case Objection::frame: return text::join({layer.name, " does not fit above ", below});
    case Objection::buried: return text::join({layer.name, " must stand directly above ", transport});
    case Objection::forgeable:
      return text::join({layer.name, " needs ", words, " below it, because the link leaves the domain"});
    case Objection::expands:
      return text::join({layer.name, " makes much of little, so it needs ", words,
                         " below it where the link leaves the domain"});
    case Objection::none: break;
  }
  return {};
}

}  // namespace

std::vector<const Descriptor*> descriptors_of(const StackSpec& stack) {
  std::vector<const Descriptor*> layers;
  layers.reserve(stack.layers.size());
  for (const BoundLayer& layer : stack.layers) layers.push_back(layer.type->descriptor);
  return layers;
}

Properties forbidden_above(Layers layers, std::size_t index) noexcept {
  Properties forbidden;
  for (const Descriptor* layer : layers.first(index)) forbidden = forbidden | layer->contract.forbids_below;
  return forbidden;
}

std::optional<Refusal> refusal_of(Layers layers, const Facts& facts, const Needs& needs,
                                  std::vector<Standing>* below) {
  const std::size_t count = layers.size();
  if (below != nullptr) below->assign(count + 1, Standing{});
  if (count > spec_layers_max) return Refusal{Flaw::too_many, count};
  const bool is_guarded = guarded(facts);
  Standing standing = standing_on(facts);
  for (std::size_t i = count; i-- > 0;) {
    if (below != nullptr) (*below)[i] = standing;
    const Descriptor& layer = *layers[i];
    if (const Objection what = objection(layer, standing, is_guarded); what != Objection::none)
      return Refusal{Flaw::objection, i, what, missing_for(layer, standing, what)};
    const Standing next = above(layer, standing);
    if (!promises_nothing(layer.contract) && superfluous(standing, next, forbidden_above(layers, i)) &&
        stands_below(layers, i))
      return Refusal{Flaw::twice, i};
    standing = next;
  }
  if (below != nullptr) below->back() = standing;
  if (const Properties missing = property::shortfall(needs.word, standing.word); !missing.empty())
    return Refusal{Flaw::word, count, Objection::none, missing};
  if (standing.max_message < needs.max_message || standing.max_message == 0)
    return Refusal{Flaw::size, count};
  return std::nullopt;
}

std::string sentence(const Refusal& refusal, Layers layers, std::string_view transport, const Facts& facts,
                     const Needs& needs) {
  switch (refusal.flaw) {
    case Flaw::objection: return objection_text(refusal, layers, transport);
    case Flaw::twice: return text::join({layers[refusal.layer]->name, " stands twice"});
    case Flaw::word: return text::join({"the link needs ", property::to_string(refusal.missing)});
    case Flaw::size: {
      Standing top = standing_on(facts);
      for (std::size_t i = layers.size(); i-- > 0;) top = above(*layers[i], top);
      return text::join({"the link needs messages of ", text::number(std::max(needs.max_message, 1u)),
                         " bytes, this takes ", text::number(top.max_message)});
    }
    case Flaw::too_many:
      return text::join({text::number(static_cast<std::int64_t>(layers.size())),
                         " layers are too many, at most ",
                         text::number(static_cast<std::int64_t>(spec_layers_max)), " are allowed"});
  }
  return {};
}

}  // namespace harness
