// SPDX-License-Identifier: Apache-2.0
// What a layer is: a class with a constexpr Descriptor and any of the hooks down, up, on.
//
//   class Order {
//    public:
//     static constexpr Descriptor descriptor{…};
//     Order(const OptionValues&, LayerContext&);
//     template <class Below> void down(Message&, Below);   // absent: the layer is skipped on the way down
//     template <class Above> void up(Message&, Above);     // absent: skipped on the way up
//     std::uint32_t place(Bytes front, std::uint32_t bytes, Placement&);  // beside `up`; stack/placement.hpp
//     void on(const Event&, Onward);                       // absent: events pass by
//     void describe(Describer&) const;                     // values a person asks for; optional
//     bool take_state(Order& old);                         // full swap to the same layer; optional
//     static std::unique_ptr<Handshake> handshake(Role, Authority&);  // an encrypting layer's; see there
//   };
//
// Hooks are member templates over the port they hand on to, so that one source is linked at run time (Port)
// and fused at compile time (stack/static_stack.hpp). A hook hands on by `below(message)` as its last act:
// the compiler turns that into a jump, as long as the hook keeps no Message of its own on the stack of calls.
// A hook that does not hand on has consumed the message: moved it out, or left it for its owner to destroy
// (dropped; count it). A layer knows no socket, clock, thread or other layer; everything comes in by
// LayerContext.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include <harness/stack/descriptor.hpp>
#include <harness/stack/direct.hpp>
#include <harness/stack/env.hpp>
#include <harness/stack/event.hpp>
#include <harness/stack/gate.hpp>
#include <harness/stack/handshake.hpp>
#include <harness/stack/message.hpp>
#include <harness/stack/one_sided.hpp>
#include <harness/stack/placement.hpp>

namespace harness {

using Entry = harness_entry;

/// Hands a message to the next hook; a value, one pointer. Not noexcept on purpose: that would forbid the
/// tail call. The entries of a stack lie one behind the other (stack/abi.h).
struct Port {
  const Entry* entry = nullptr;
  void operator()(Message& message) const { entry->fn(entry->self, entry + 1, message.c()); }
};

/// Hands an event to the next layer that wants it, in the event's own direction.
struct Onward {
  void (*fn)(void* self, unsigned position, const Event& event) = nullptr;
  void* self = nullptr;
  unsigned position = 0;
  void operator()(const Event& event) const { fn(self, position, event); }
};

/// Which side opened the link; layers that need an asymmetry use it.
enum class Role : std::uint8_t { initiator, responder };

/// 64 bits of a layer above that ride on every acknowledgement of the layer below that makes the link
/// reliable, so that what they say is known with the acknowledgement and costs no packet. The peer's come
/// up as the event `noted`. One a stack.
struct AckNote {
  std::uint64_t bits = 0;
  std::uint64_t told = 0;  // … of the last acknowledgement that left
  bool rides = false;      // set by the layer that carries it, before any hook runs
};

/// What a layer is given: lives as long as the layer; ports are valid from the first hook on.
struct LayerContext {
  Env& env;
  Pool& pool;
  Gate& gate;
  Quota* quota = nullptr;         // receive quota of the link; charge received copies to it
  Port below{};                   // for messages the layer makes itself, downward (mark them flag_control)
  Port above{};                   // … and upward, outside a hook
  Onward events{};                // for events the layer makes itself
  Properties given{};             // what the layers and the transport below guarantee
  std::uint32_t max_below = 0;    // largest message the layer below takes, this layer's header not counted in
  std::uint32_t max_frame = 0;    // largest frame of the transport, all headers counted in
  std::uint32_t max_message = 0;  // largest message of the link, agreed at open
  std::uint64_t peer_quota_bytes = 0;  // what the peer can hold at once, never 0
  unsigned gate_bit = 0;               // this layer's bit in the gate
  unsigned pump = Gate::no_pump;       // a pump's index for its channel holds
  Gate::Below waits_for{};             // the part of the gate this layer looks at before it emits
  Role role = Role::initiator;
  Handshake* handshake = nullptr;  // of this layer's own making, ended well; null without
  AckNote* ack_note = nullptr;     // never null in a layer
  Regions* regions = nullptr;      // what this end of the link exposes; null: nothing can be
  Direct* direct = nullptr;        // the transport's own way to the peer's memory; or null

  /// True when nothing, or nothing of this channel, may be sent down now; control messages do not ask.
  [[nodiscard]] bool held_below() const noexcept { return gate.held(waits_for); }
  [[nodiscard]] bool held_below(unsigned channel) const noexcept { return gate.held(waits_for, channel); }
};

/// Receives a layer's values for `link show`, JSON and tests; names are stable.
class Describer {
 public:
  virtual ~Describer() = default;
  virtual void value(std::string_view name, std::uint64_t value) = 0;
  virtual void text(std::string_view name, std::string_view value) = 0;
};

template <class L>
concept Layer = requires {
  { L::descriptor } -> std::convertible_to<const Descriptor&>;
} && std::constructible_from<L, const OptionValues&, LayerContext&>;

template <class L>
concept HooksDown = requires(L layer, Message& message, Port port) { layer.down(message, port); };
template <class L>
concept HooksUp = requires(L layer, Message& message, Port port) { layer.up(message, port); };
/// How many of the first bytes of a frame this layer's `up` would take off at once before it hands on, or
/// 0: the frame may not be received where it belongs. Changes nothing but the placement.
template <class L>
concept Places = requires(L layer, Bytes front, std::uint32_t bytes, Placement& to) {
  { layer.place(front, bytes, to) } noexcept -> std::same_as<std::uint32_t>;
};
template <class L>
concept HooksEvents = requires(L layer, const Event& event, Onward onward) { layer.on(event, onward); };
template <class L>
concept Describes = requires(const L layer, Describer& describer) { layer.describe(describer); };
template <class L>
concept TakesState = requires(L layer, L& old) {
  { layer.take_state(old) } -> std::same_as<bool>;
};
template <class L>
concept GoesOneSided = std::derived_from<L, OneSided>;
template <class L>
concept ShakesHands = requires(Authority& authority) {
  { L::handshake(Role::initiator, authority) } -> std::same_as<std::unique_ptr<Handshake>>;
};

/// A layer type without its type: what the catalogue holds and the stack calls.
struct LayerType {
  const Descriptor* descriptor = nullptr;
  std::size_t size = 0;
  std::size_t alignment = 1;
  void (*construct)(void* where, const OptionValues& options, LayerContext& context) = nullptr;
  void (*destroy)(void* self) noexcept = nullptr;
  harness_hook down = nullptr;
  harness_hook up = nullptr;
  void (*on)(void* self, const Event& event, Onward onward) = nullptr;
  void (*describe)(const void* self, Describer& describer) = nullptr;
  bool (*take_state)(void* self, void* old) = nullptr;
  std::unique_ptr<Handshake> (*handshake)(Role role, Authority& authority) = nullptr;
  OneSided* (*one_sided)(void* self) noexcept = nullptr;
  std::uint32_t (*place)(void* self, Bytes front, std::uint32_t bytes, Placement& to) noexcept = nullptr;
};

namespace detail {
template <class L>
void down_thunk(void* self, const Entry* next, harness_message* message) {
  static_cast<L*>(self)->down(Message::from_c(message), Port{next});
}
template <class L>
void up_thunk(void* self, const Entry* next, harness_message* message) {
  static_cast<L*>(self)->up(Message::from_c(message), Port{next});
}
}  // namespace detail

/// The table of layer L; absent hooks stay null and are skipped.
template <Layer L>
LayerType layer_type() {
  LayerType type;
  type.descriptor = &L::descriptor;
  type.size = sizeof(L);
  type.alignment = alignof(L);
  type.construct = [](void* where, const OptionValues& options, LayerContext& context) {
    new (where) L(options, context);
  };
  type.destroy = [](void* self) noexcept { static_cast<L*>(self)->~L(); };
  if constexpr (HooksDown<L>) type.down = &detail::down_thunk<L>;
  if constexpr (HooksUp<L>) type.up = &detail::up_thunk<L>;
  if constexpr (HooksEvents<L>)
    type.on = [](void* self, const Event& event, Onward onward) { static_cast<L*>(self)->on(event, onward); };
  if constexpr (Describes<L>)
    type.describe = [](const void* self, Describer& describer) {
      static_cast<const L*>(self)->describe(describer);
    };
  if constexpr (TakesState<L>)
    type.take_state = [](void* self, void* old) {
      return static_cast<L*>(self)->take_state(*static_cast<L*>(old));
    };
  if constexpr (ShakesHands<L>) type.handshake = &L::handshake;
  if constexpr (GoesOneSided<L>)
    type.one_sided = [](void* self) noexcept -> OneSided* { return static_cast<L*>(self); };
  if constexpr (Places<L>)
    type.place = [](void* self, Bytes front, std::uint32_t bytes, Placement& to) noexcept {
      return static_cast<L*>(self)->place(front, bytes, to);
    };
  return type;
}

}  // namespace harness
