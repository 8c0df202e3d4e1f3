// SPDX-License-Identifier: Apache-2.0
// What would make a refused stack acceptable: changes are tried, not guessed, and the cheapest accepted one
// is told.
//
// In this order: move one layer, add one, leave one out (first when a layer stands twice), the canonical
// order without repetitions, what compose derives. Within a kind the cheapest by cost, then the one nearest
// to the canonical order. Bounds: at most layers² + (layers + 1) · catalogue + layers + 2 walks.
#include <harness/stack/compose_search.hpp>

#include <algorithm>
#include <functional>

#include <harness/stack/proof.hpp>
#include <harness/stack/text.hpp>

namespace harness {

namespace {

using Order = std::vector<const Descriptor*>;

class Repair {
 public:
  Repair(const StackSpec& stack, const Facts& facts, const Needs& needs, const Catalogue& catalogue)
      : stack_(stack), facts_(facts), needs_(needs), catalogue_(catalogue), layers_(descriptors_of(stack)) {}

  std::string advice() {
    const auto refusal = refusal_of(layers_, facts_, needs_);
    if (!refusal || layers_.size() > spec_layers_max) return {};
    const bool twice = refusal->flaw == Flaw::twice;
    if (twice) leave_out();
    if (!found()) move();
    if (!found()) add();
    if (!found() && !twice) leave_out();
    if (!found()) canonical_order();
    if (!found()) derived();
    return found() ? text::join({words_, ":  ", text_of(best_)}) : std::string();
  }

 private:
  [[nodiscard]] bool found() const noexcept { return !words_.empty(); }

  [[nodiscard]] Cost cost_of(const Order& order) const {
    Cost cost;
    for (const Descriptor* layer : order) cost = cost + layer->contract.cost;
    return cost;
  }
  [[nodiscard]] static unsigned disorder(const Order& order) {
    unsigned pairs = 0;
    for (std::size_t i = 0; i < order.size(); ++i)
      for (std::size_t j = i + 1; j < order.size(); ++j) pairs += order[i]->place > order[j]->place ? 1u : 0u;
    return pairs;
  }

  /// Keeps `order` when it is accepted and better than the best so far.
  void offer(const Order& order, const std::function<std::string()>& words) {
    if (refusal_of(order, facts_, needs_)) return;
    const Cost cost = cost_of(order);
    const unsigned pairs = disorder(order);
    if (found() && (best_cost_ < cost || (best_cost_ == cost && best_disorder_ <= pairs))) return;
    best_ = order;
    best_cost_ = cost;
    best_disorder_ = pairs;
    words_ = words();
  }

  [[nodiscard]] std::string_view under(const Order& order, std::size_t index) const {
    return index + 1 < order.size() ? order[index + 1]->name : stack_.transport->name;
  }

  void move() {
    for (std::size_t from = 0; from < layers_.size(); ++from) {
      for (std::size_t to = 0; to < layers_.size(); ++to) {
        if (from == to) continue;
        Order order = layers_;
        order.erase(order.begin() + static_cast<std::ptrdiff_t>(from));
        order.insert(order.begin() + static_cast<std::ptrdiff_t>(to), layers_[from]);
        offer(order,
              [&] { return text::join({"put ", order[to]->name, " directly above ", under(order, to)}); });
      }
    }
  }
  void add() {
    for (const LayerType& type : catalogue_.layers()) {
      if (promises_nothing(type.descriptor->contract)) continue;  // a fault is no advice
      for (std::size_t to = 0; to <= layers_.size(); ++to) {
        Order order = layers_;
        order.insert(order.begin() + static_cast<std::ptrdiff_t>(to), type.descriptor);
        offer(order,
              [&] { return text::join({"add ", order[to]->name, " directly above ", under(order, to)}); });
      }
    }
  }
  void leave_out() {
    for (std::size_t from = 0; from < layers_.size(); ++from) {
      Order order = layers_;
      order.erase(order.begin() + static_cast<std::ptrdiff_t>(from));
      offer(order, [&] { return text::join({"leave out ", layers_[from]->name}); });
    }
  }
  void canonical_order() {
    Order order;
    for (const Descriptor* layer : layers_)
      if (std::find(order.begin(), order.end(), layer) == order.end()) order.push_back(layer);
    std::stable_sort(order.begin(), order.end(), [](auto* a, auto* b) { return a->place < b->place; });
    offer(order, [] { return std::string("put them in this order"); });
  }
  void derived() {
    const auto found = cheapest(needs_, facts_, catalogue_);
    if (!found) return;
    Order order;
    for (const LayerType* type : found->layers) order.push_back(type->descriptor);
    offer(order, [] { return std::string("take the stack derived from the needs"); });
  }

  /// The text of a changed stack: layers that were written keep their options.
  [[nodiscard]] std::string text_of(const Order& order) const {
    StackSpec changed;
    changed.transport = stack_.transport;
    changed.transport_options = stack_.transport_options;
    for (const Descriptor* layer : order) {
      const auto same = [&](const auto& one) { return descriptor_of(one) == layer; };
      const auto written = std::find_if(stack_.layers.begin(), stack_.layers.end(), same);
      if (written != stack_.layers.end()) {
        changed.layers.push_back(*written);
      } else {
        const auto& known = catalogue_.layers();
        changed.layers.push_back(
            {&*std::find_if(known.begin(), known.end(), same), OptionValues(layer->options)});
      }
    }
    return changed.text();
  }
  static const Descriptor* descriptor_of(const BoundLayer& layer) { return layer.type->descriptor; }
  static const Descriptor* descriptor_of(const LayerType& type) { return type.descriptor; }

  const StackSpec& stack_;
  const Facts& facts_;
  const Needs& needs_;
  const Catalogue& catalogue_;
  Order layers_;
  Order best_;
  Cost best_cost_;
  unsigned best_disorder_ = 0;
  std::string words_;
};

}  // namespace

std::string repair(const StackSpec& stack, const Facts& facts, const Needs& needs,
                   const Catalogue& catalogue) {
  return Repair(stack, facts, needs, catalogue).advice();
}

}  // namespace harness
