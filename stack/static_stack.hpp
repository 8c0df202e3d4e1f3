// SPDX-License-Identifier: Apache-2.0
// The same layers fused at compile time: what linking at run time is measured against.
//
// A StaticStack<A, B, C> builds an ordinary Stack of the layers A / B / C, so that states, contexts, events,
// pumps and every test before the first hook are those of the linked form. Only the way of a message from one
// hook to the next differs: the hooks of all layers become one function, in which the compiler sees every
// successor. What remains of the difference is the price of declaring stacks at run time (bench/stack).
// Rejected: layers as members of this class (their contexts would be computed twice, in two ways).
// A limit to compare with and a test of the layer contract, not an interface: it knows no taps.
#pragma once

#include <array>
#include <tuple>

#include <harness/stack/stack.hpp>

namespace harness {

template <Layer... L>
class StaticStack {
 public:
  /// As Stack::build with a spec of these layers; `options` in the same order, missing ones are defaults.
  /// Errors: those of Stack::build.
  static Result<std::unique_ptr<StaticStack>> build(const Foundation& foundation, Stack::Deliver deliver,
                                                    Stack::Notify notify, void* self,
                                                    std::vector<OptionValues> options = {}) {
    static const std::array<LayerType, sizeof...(L)> types{layer_type<L>()...};
    StackSpec spec;
    for (std::size_t i = 0; i < types.size(); ++i)
      spec.layers.push_back(
          {&types[i], i < options.size() ? options[i] : OptionValues(types[i].descriptor->options)});
    auto stack = Stack::build(spec, foundation, deliver, notify, self);
    if (!stack) return tl::unexpected<Error>(stack.error());
    return std::unique_ptr<StaticStack>(new StaticStack(std::move(*stack)));
  }

  /// As Stack::send. [stack-thread]
  Errc send(Message&& message) noexcept { return stack_->send_by(message, Down<0>{this}); }
  /// Where the endpoint hands received data frames.
  [[nodiscard]] Entry up() noexcept { return {&up_thunk, this, nullptr}; }
  /// The stack whose layers these are: events, limits, counters.
  [[nodiscard]] Stack& stack() noexcept { return *stack_; }

 private:
  static constexpr std::size_t count = sizeof...(L);
  template <std::size_t I>
  using LayerAt = std::tuple_element_t<I, std::tuple<L...>>;

  // The port above layer I on the way down: layer I's hook, or whoever comes next.
  template <std::size_t I>
  struct Down {
    const StaticStack* fused;
    void operator()(Message& message) const {
      if constexpr (I == count) {
        fused->bottom_.fn(fused->bottom_.self, fused->bottom_.next, message.c());
      } else if constexpr (HooksDown<LayerAt<I>>) {
        std::get<I>(fused->layers_)->down(message, Down<I + 1>{fused});
      } else {
        Down<I + 1>{fused}(message);
      }
    }
  };
  // The port below layer I - 1 on the way up.
  template <std::size_t I>
  struct Up {
    const StaticStack* fused;
    void operator()(Message& message) const {
      if constexpr (I == 0) {
        fused->top_.fn(fused->top_.self, fused->top_.next, message.c());
      } else if constexpr (HooksUp<LayerAt<I - 1>>) {
        std::get<I - 1>(fused->layers_)->up(message, Up<I - 1>{fused});
      } else {
        Up<I - 1>{fused}(message);
      }
    }
  };

  explicit StaticStack(std::unique_ptr<Stack> stack) noexcept
      : StaticStack(std::move(stack), std::index_sequence_for<L...>{}) {}
  template <std::size_t... I>
  StaticStack(std::unique_ptr<Stack> stack, std::index_sequence<I...>) noexcept
      : stack_(std::move(stack)), bottom_(stack_->bottom()), top_(stack_->top()),
        layers_(static_cast<L*>(stack_->layer(I))...) {}
  static void up_thunk(void* self, const Entry*, harness_message* message) {
    Up<count>{static_cast<const StaticStack*>(self)}(Message::from_c(message));
  }

  std::unique_ptr<Stack> stack_;
  Entry bottom_;
  Entry top_;
  std::tuple<L*...> layers_;
};

}  // namespace harness
