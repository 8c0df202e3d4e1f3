// SPDX-License-Identifier: Apache-2.0
// The smallest layers there are, to see what the stack itself costs: one 4-byte header field, a number that
// is counted on the way down and checked on the way up, or no hook at all. Each index is a type of its own,
// as real layers are, so that every linked hook has its own indirect jump and its own place in the branch
// predictor.
#pragma once

#include <memory>
#include <utility>

#include <harness/bench/support/still_engine.hpp>
#include <harness/stack/static_stack.hpp>

namespace harness::bench {

template <int Index>
class Trivial {
 public:
  static constexpr Descriptor descriptor{.name = "trivial",
                                         .summary = "numbers messages",
                                         .header_bytes_max = 4,
                                         .contract = {.cost = {.header_bytes = 4}},
                                         .place = static_cast<std::uint8_t>(Index)};
  Trivial(const OptionValues&, LayerContext&) {}
  template <class Below>
  void down(Message& message, Below below) {
    store<std::uint32_t>(message.push(4), ++sent_);
    below(message);
  }
  template <class Above>
  void up(Message& message, Above above) {
    const std::byte* raw = message.front_run(4);
    if (raw == nullptr) [[unlikely]]
      return;
    if (load<std::uint32_t>(raw) != ++received_) [[unlikely]]
      return;
    message.drop_front(4);
    above(message);
  }

 private:
  std::uint32_t sent_ = 0;
  std::uint32_t received_ = 0;
};

/// Has no hook in either direction.
template <int Index>
class Absent {
 public:
  static constexpr Descriptor descriptor{.name = "absent", .summary = "does nothing", .place = 1};
  Absent(const OptionValues&, LayerContext&) {}
};

/// What lies below and above a measured stack: takes a frame, or a delivered message, and counts it.
struct Ends {
  std::uint64_t frames = 0;
  std::uint64_t delivered = 0;
  static void bottom(void* self, const Entry*, harness_message* message) {
    static_cast<Ends*>(self)->frames += message->head_end - message->head_at;
  }
  static void deliver(void* self, Message&) { ++static_cast<Ends*>(self)->delivered; }
  static void ignore(void*, const Event&) {}
};

/// Makes a message of 64 bytes, sends it, destroys it: one piece of code for every stack, so that what it
/// costs through two stacks differs by the stacks alone.
[[gnu::noinline]] inline void send_one(Stack& stack, Pool& pool) {
  Message message = Message::make(pool, 64);
  stack.send(std::move(message));
}

/// One stack of the given layers in both forms, and what one message through each costs.
template <class... L>
class Forms {
 public:
  Forms() {
    StackSpec spec;
    static const std::array<LayerType, sizeof...(L)> types{layer_type<L>()...};
    for (const LayerType& type : types) spec.layers.push_back({&type, {}});
    linked_ = *Stack::build(spec, foundation(linked_gate_), &Ends::deliver, &Ends::ignore, &ends_);
    fused_ = *StaticStack<L...>::build(foundation(fused_gate_), &Ends::deliver, &Ends::ignore, &ends_);
  }
  /// Makes a message of 64 bytes, sends it, destroys it.
  void send_linked() { send(*linked_); }
  void send_fused() { send(*fused_); }
  /// Makes a received frame of 64 bytes with its headers, hands it up, destroys it.
  void receive_linked() { receive(linked_->up(), ++received_linked_); }
  void receive_fused() { receive(fused_->up(), ++received_fused_); }
  /// The linked form through code that all stacks share.
  void send_linked_shared() { send_one(*linked_, engine_.pool()); }
  [[nodiscard]] const Ends& ends() const noexcept { return ends_; }

 private:
  Foundation foundation(Gate& gate) {
    return {engine_, {&Ends::bottom, &ends_, nullptr}, {property::message, 1 << 20, {}}, gate};
  }
  template <class Form>
  void send(Form& form) {
    Message message = Message::make(engine_.pool(), 64);
    form.send(std::move(message));
  }
  void receive(Entry up, std::uint32_t number) {
    Slab* slab = engine_.pool().allocate(64 + header_bytes);
    for (std::uint32_t at = 0; at < header_bytes; at += 4) store<std::uint32_t>(slab->bytes() + at, number);
    Message message = Message::received(slab, 0, 64 + header_bytes);
    up.fn(up.self, up.next, message.c());
  }
  static constexpr std::uint32_t header_bytes = (0u + ... + L::descriptor.header_bytes_max);

  StillEngine engine_;
  Gate linked_gate_;
  Gate fused_gate_;
  Ends ends_;
  std::uint32_t received_linked_ = 0;
  std::uint32_t received_fused_ = 0;
  std::unique_ptr<Stack> linked_;
  std::unique_ptr<StaticStack<L...>> fused_;
};

namespace detail {
template <int Active, class Indices>
struct Mixed;
template <int Active, int... I>
struct Mixed<Active, std::integer_sequence<int, I...>> {
  // The active layers are spread over the whole depth: layer I is active where the line through them steps
  // up.
  template <int At>
  using Layer = std::conditional_t<((At + 1) * Active / static_cast<int>(sizeof...(I)) !=
                                    At * Active / static_cast<int>(sizeof...(I))),
                                   Trivial<At>, Absent<At>>;
  using type = Forms<Layer<I>...>;
};
}  // namespace detail

/// A stack of `Depth` layers of which `Active` have hooks.
template <int Depth, int Active>
using Stacked = typename detail::Mixed<Active, std::make_integer_sequence<int, Depth>>::type;

}  // namespace harness::bench
