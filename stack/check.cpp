// SPDX-License-Identifier: Apache-2.0
// check: the walk of proof.hpp in words. A refusal says which layer is wrong, which other layer (or the
// transport) makes it so, what is missing, and a change that was tried and is accepted.
#include <harness/stack/compose.hpp>

#include <algorithm>

#include <harness/stack/compose_search.hpp>
#include <harness/stack/proof.hpp>
#include <harness/stack/text.hpp>

namespace harness {

namespace {

class Refused {
 public:
  Refused(const StackSpec& stack, Layers layers, const Facts& facts, const Needs& needs,
          const Refusal& refusal, const std::vector<Standing>& below)
      : stack_(stack), layers_(layers), facts_(facts), needs_(needs), refusal_(refusal), below_(below) {}

  [[nodiscard]] Error error(const Catalogue& catalogue) const {
    const std::string_view transport = stack_.transport->name;
    Error error{Errc::denied,
                text::join({stack_.text(), ": ", sentence(refusal_, layers_, transport, facts_, needs_)}),
                because(), repair(stack_, facts_, needs_, catalogue)};
    if (!error.advice.empty()) return error;
    const Error none = why_none(needs_, *stack_.transport, facts_, catalogue);
    error.because = text::join({error.because, "; ", none.what, ": ", none.because});
    error.advice = none.advice;
    return error;
  }

 private:
  [[nodiscard]] std::string because() const {
    const std::size_t at = refusal_.layer;
    switch (refusal_.flaw) {
      case Flaw::objection: return because_of_objection();
      case Flaw::twice: {
        const auto same = [&](const Descriptor* d) { return d->name == layers_[at]->name; };
        const auto lower =
            std::find_if(layers_.begin() + static_cast<std::ptrdiff_t>(at) + 1, layers_.end(), same);
        return text::join(
            {"what the lower ", (*lower)->name, " gives is still there above ", stack_.name_of(at + 1)});
      }
      case Flaw::word: return who_lacks(refusal_.missing);
      case Flaw::size:
        return text::join({"the largest frame of ", stack_.transport->name, " is ",
                           text::number(facts_.max_message), " bytes, and no layer here splits messages"});
      case Flaw::too_many: return "every layer costs a header, a place in the gate and a turn";
    }
    return {};
  }

  [[nodiscard]] std::string because_of_objection() const {
    const std::size_t at = refusal_.layer;
    const std::string_view below = stack_.name_of(at + 1);
    switch (refusal_.objection) {
      case Objection::frame:
        return text::join({"it needs ",
                           text::number(std::max(layers_[at]->contract.frame_bytes_min,
                                                 layers_[at]->header_bytes_max + 1u)),
                           " bytes a message, and ", below, " takes ", text::number(below_[at].max_message)});
      case Objection::buried: {
        const Descriptor& other = *layers_[at + 1];
        return other.contract.encrypts
                   ? text::join({other.name, ", below it, encrypts already, and one layer may"})
                   : text::join({"what ", other.name, ", below it, adds would leave this host unprotected"});
      }
      case Objection::forbids_below:
        return text::join({owner(refusal_.missing), " gives that, below ", layers_[at]->name});
      default: return who_lacks(refusal_.missing);
    }
  }

  /// Which layer or transport is to blame that `missing` is not there: one that stands too high, one that
  /// takes it away, or the transport that never had it.
  [[nodiscard]] std::string who_lacks(Properties missing) const {
    const std::size_t at =
        refusal_.layer == layers_.size() ? 0 : refusal_.layer + 1;  // first that could have given it
    const std::string_view user =
        refusal_.layer == layers_.size() ? "the link" : layers_[refusal_.layer]->name;
    const std::string_view transport = stack_.transport->name;
    for (std::size_t i = at; i < layers_.size(); ++i) {
      const Properties had = missing & below_[i].word;
      const Properties kept = above(*layers_[i], below_[i]).word;
      if (!kept.covers(had))
        return text::join({layers_[i]->name, ", between ", user, " and ", transport, ", takes it away"});
    }
    for (std::size_t i = 0; i < refusal_.layer && i < layers_.size(); ++i)
      if (layers_[i]->contract.adds.intersects(missing) && layers_[i]->name != user)
        return text::join({layers_[i]->name, " gives it, but stands above ", user});
    return text::join(
        {transport, " does not give it, nor does any layer between ", user, " and ", transport});
  }

  /// The topmost layer below the refused one that gives some of `word`, else the transport.
  [[nodiscard]] std::string_view owner(Properties word) const {
    for (std::size_t i = refusal_.layer + 1; i < layers_.size(); ++i)
      if (layers_[i]->contract.adds.intersects(word) && !below_[i].word.covers(word)) return layers_[i]->name;
    return stack_.transport->name;
  }

  const StackSpec& stack_;
  Layers layers_;
  const Facts& facts_;
  const Needs& needs_;
  const Refusal& refusal_;
  const std::vector<Standing>& below_;
};

std::string redundancy(const StackSpec& stack, const Descriptor& layer, std::size_t index) {
  if (layer.contract.adds.empty())
    return text::join(
        {layer.name, " is redundant here: ", stack.name_of(index + 1), " takes as large messages"});
  return text::join({layer.name, " is redundant here: what stands below it already gives ",
                     property::to_string(layer.contract.adds)});
}

Checked checked(const StackSpec& stack, Layers layers, const Facts& facts,
                const std::vector<Standing>& below) {
  Checked result;
  Cost cost = facts.cost;
  result.below.resize(layers.size());
  std::uint32_t headers = 0;
  for (std::size_t i = layers.size(); i-- > 0;) {
    result.below[i] = {below[i].word, below[i].max_message, cost};
    cost = cost + layers[i]->contract.cost;
    headers += layers[i]->header_bytes_max;
    if (disturbs(layers[i]->contract)) result.disturbing.insert(result.disturbing.begin(), layers[i]->name);
    const bool idle = superfluous(below[i], above(*layers[i], below[i]), forbidden_above(layers, i));
    if (idle && !promises_nothing(layers[i]->contract))
      result.notes.insert(result.notes.begin(), {i, redundancy(stack, *layers[i], i)});
  }
  if (headers > Message::headroom_bytes)
    result.notes.push_back(
        {0, text::join({"headers may need ", text::number(headers), " bytes, the headroom is ",
                        text::number(Message::headroom_bytes), ": such a message is copied once"})});
  result.given = {below.back().word, below.back().max_message, cost};
  return result;
}

}  // namespace

Needs with_domain_floor(Needs needs, Properties trust) noexcept {
  if (property::level(trust, Axis::trust) == 0)
    needs.word = needs.word | property::encrypted | property::authenticated | property::covered;
  return needs;
}

bool accepts(const StackSpec& stack, const Facts& facts, const Needs& needs) {
  return !refusal_of(descriptors_of(stack), facts, needs).has_value();
}

bool floor_bars(const StackSpec& stack, const Facts& facts, const Needs& wished, Properties floor) {
  const Needs all{wished.word | floor, wished.max_message};
  return accepts(stack, facts, wished) && !accepts(stack, facts, all);
}

Error floor_not_met(Error refused, std::string_view domain, std::string_view other, Properties floor) {
  refused.because = text::join({domain == other ? "links within " : "links between ", domain,
                                domain == other ? "" : " and ", domain == other ? "" : other, " must give ",
                                property::to_string(floor), "; ", refused.what, ": ", refused.because});
  refused.what = "the floor is not met";
  refused.code = Errc::denied;
  return refused;
}

Result<Checked> check(const StackSpec& stack, const Facts& facts, const Needs& needs,
                      const Catalogue& catalogue) {
  const std::vector<const Descriptor*> layers = descriptors_of(stack);
  std::vector<Standing> below;
  if (const auto refusal = refusal_of(layers, facts, needs, &below))
    return tl::unexpected(Refused(stack, layers, facts, needs, *refusal, below).error(catalogue));
  return checked(stack, layers, facts, below);
}

}  // namespace harness
