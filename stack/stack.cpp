// SPDX-License-Identifier: Apache-2.0
// Building, linking and tapping a stack; the paths that are not a message's.
#include <harness/stack/stack.hpp>

#include <algorithm>
#include <new>

namespace harness {

namespace {

constexpr std::size_t round_up(std::size_t value, std::size_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

// What a layer passes on: its contract applied to what it stands on.
Properties after(const Contract& contract, Properties below) {
  return below.without(contract.clears) | contract.adds;
}

std::uint32_t largest_above(const Descriptor& layer, std::uint32_t below) {
  if (layer.contract.unlimited_message) return message_bytes_max;
  return below > layer.header_bytes_max ? below - layer.header_bytes_max : 0;
}

// What is the same for every layer.
LayerContext base_context(const Foundation& foundation) {
  LayerContext context{.env = foundation.engine, .pool = foundation.engine.pool(), .gate = foundation.gate};
  context.quota = foundation.quota;
  context.role = foundation.role;
  context.handshake = foundation.handshake;
  context.regions = foundation.regions;
  context.direct = foundation.direct;
  context.max_frame = foundation.facts.max_message;
  context.peer_quota_bytes = foundation.peer_quota_bytes;
  if (context.peer_quota_bytes == 0)
    context.peer_quota_bytes =
        foundation.quota != nullptr ? foundation.quota->limit_bytes() : ~std::uint64_t{0};
  return context;
}

tl::unexpected<Error> does_not_fit(const Descriptor& layer, std::uint32_t largest) {
  return fail(Errc::unsupported, std::string(layer.name) + " does not fit here",
              "its header needs " + std::to_string(layer.header_bytes_max) + " bytes and below it only " +
                  std::to_string(largest) + " fit",
              "put frag below it, or use a transport with larger frames");
}

tl::unexpected<Error> no_keys(const Descriptor& layer) {
  return fail(Errc::denied, std::string(layer.name) + " has no keys",
              "the two ends have not shaken hands: no identity was given to this node",
              "give the node an identity, or leave " + std::string(layer.name) + " out of the stack");
}

tl::unexpected<Error> too_many_pumps(const Descriptor& layer) {
  return fail(
      Errc::unsupported, "too many pumps in one stack",
      std::string(layer.name) + " is one more than the " + std::to_string(Gate::pumps_max) + " allowed",
      "leave one of them out");
}

}  // namespace

Stack::Stack(const StackSpec& spec, const Foundation& foundation, Deliver deliver, Notify notify, void* self)
    : gate_(foundation.gate), deliver_(deliver), notify_(notify), self_(self), bottom_(foundation.bottom),
      spec_(spec) {}

Result<std::unique_ptr<Stack>> Stack::build(const StackSpec& spec, const Foundation& foundation,
                                            Deliver deliver, Notify notify, void* self) {
  std::unique_ptr<Stack> stack(new Stack(spec, foundation, deliver, notify, self));
  if (auto built = stack->construct(foundation); !built) return tl::unexpected<Error>(built.error());
  stack->link();
  return stack;
}

// One block for all: slots and layer states, top first; returns its aligned start.
std::byte* Stack::reserve_block() {
  for (const BoundLayer& layer : spec_.layers) {
    block_bytes_ = round_up(block_bytes_, alignof(Slot)) + sizeof(Slot);
    block_bytes_ = round_up(block_bytes_, layer.type->alignment) + layer.type->size;
  }
  block_ = std::make_unique<std::byte[]>(block_bytes_ + 64);
  return block_.get() + (64 - reinterpret_cast<std::uintptr_t>(block_.get()) % 64) % 64;
}

Result<> Stack::construct(const Foundation& foundation) {
  const std::size_t count = spec_.layers.size();
  std::byte* const start = reserve_block();
  std::byte* at = start;
  auto take = [&](std::size_t size, std::size_t alignment) {
    const std::size_t offset = round_up(static_cast<std::size_t>(at - start), alignment);
    at = start + offset + size;
    return start + offset;
  };

  // Sizes and properties are known from below; the slots are stored top first.
  slots_.resize(count);
  Properties given = foundation.facts.word;
  std::uint32_t largest = foundation.facts.max_message;
  Gate::Below waits_for;
  unsigned pumps = 0;
  for (std::size_t i = count; i-- > 0;) {
    const BoundLayer& layer = spec_.layers[i];
    const Descriptor& descriptor = *layer.type->descriptor;
    const auto bit = static_cast<unsigned>(Gate::first_layer_bit + (count - 1 - i));
    auto* slot = new (take(sizeof(Slot), alignof(Slot))) Slot{layer.type, base_context(foundation)};
    slot->state = take(layer.type->size, layer.type->alignment);
    slots_[i] = slot;
    slot->context.given = given;
    slot->context.max_below =
        largest > descriptor.header_bytes_max ? largest - descriptor.header_bytes_max : 0;
    slot->context.gate_bit = bit;
    slot->context.waits_for = waits_for;
    slot->context.ack_note = &ack_note_;
    if (slot->context.max_below == 0) return does_not_fit(descriptor, largest);
    if (layer.type->handshake != nullptr && foundation.handshake == nullptr) return no_keys(descriptor);
    given = after(descriptor.contract, given);
    largest = largest_above(descriptor, largest);
    header_bytes_ += descriptor.contract.cost.header_bytes;
    head_room_ += descriptor.header_bytes_max;
    if (descriptor.pump) {
      if (pumps == Gate::pumps_max) return too_many_pumps(descriptor);
      slot->context.pump = pumps;
      waits_for = {0, pumps++};
    }
    waits_for.bits |= std::uint64_t{1} << bit;
  }
  // Above the topmost pump everything holds the top, and the link itself always does.
  gate_.set_top_mask(static_cast<std::uint32_t>(waits_for.bits) | 1u << Gate::link_bit);
  max_message_ = foundation.max_message == 0 ? largest : std::min(largest, foundation.max_message);
  for (std::size_t i = count; i-- > 0;) {
    Slot& slot = *slots_[i];
    slot.context.max_message = max_message_;
    slot.type->construct(slot.state, spec_.layers[i].options, slot.context);
    if (slot.type->one_sided != nullptr) one_sided_ = slot.type->one_sided(slot.state);
  }
  return {};
}

Stack::~Stack() {
  for (Slot* slot : slots_) {
    if (slot == nullptr) continue;
    if (slot->context.below.entry != nullptr) slot->type->destroy(slot->state);  // linked means constructed
    slot->~Slot();
  }
}

// Lays the hooks that exist, and the taps between them, one behind the other, first those of the way down,
// then those of the way up; called again whenever a tap comes or goes.
void Stack::link() {
  const std::size_t count = slots_.size();
  chain_.clear();
  chain_.reserve(2 * (count + taps_.size() + 1));  // nothing moves below
  const auto next_entry = [&] { return chain_.data() + chain_.size(); };
  const auto add = [&](harness_hook hook, void* self) {
    if (hook != nullptr) chain_.push_back({hook, self, next_entry() + 1});
  };
  const auto add_taps = [&](std::size_t boundary, harness_hook hook) {
    for (const auto& [where, tap] : taps_)
      if (where == boundary) add(hook, tap);
  };

  down_first_ = next_entry();
  for (std::size_t i = 0; i < count; ++i) {
    add_taps(i, &Tap::down_thunk);
    Slot& slot = *slots_[i];
    add(slot.type->down, slot.state);
    slot.context.below = Port{next_entry()};
  }
  add_taps(count, &Tap::down_thunk);
  chain_.push_back(bottom_);

  up_first_ = next_entry();
  add_taps(count, &Tap::up_thunk);
  const std::size_t end = successor_ != nullptr ? session_layers_ : 0;
  for (std::size_t i = count; i-- > end;) {
    if (i + 1 == session_layers_) session_up_ = next_entry();
    Slot& slot = *slots_[i];
    add(slot.type->up, slot.state);
    slot.context.above = Port{next_entry()};
    slot.context.events = Onward{[](void* self, unsigned position, const Event& event) {
                                   static_cast<Stack*>(self)->run_event(position, event);
                                 },
                                 this, static_cast<unsigned>(i)};
    add_taps(i, &Tap::up_thunk);
  }
  chain_.push_back(successor_ != nullptr ? Entry{&hand_to_successor, this, nullptr} : top());
}

void Stack::hand_to_successor(void* self, const Entry*, harness_message* message) {
  Port{static_cast<Stack*>(self)->successor_->session_up_}(Message::from_c(message));
}

void Stack::deliver_thunk(void* self, const Entry*, harness_message* message) {
  auto* stack = static_cast<Stack*>(self);
  ++stack->delivered_messages_;
  stack->delivered_bytes_ += Message::from_c(message).body_size();
  stack->deliver_(stack->self_, Message::from_c(message));
}

Errc Stack::refuse(const Message& message) noexcept {
  return message && message.note().channel < Gate::channels_max ? Errc::too_large : Errc::invalid;
}

void Stack::event(const Event& event) {
  // An event enters beyond the last position of its direction: run_event looks at the next one.
  run_event(event.goes_up() ? static_cast<unsigned>(slots_.size()) : ~0u, event);
}

// Runs the next `on` after `position` in the event's direction; position counts slots top first. Session
// layers whose state has gone on to a successor hear nothing more; those that run on are up already.
void Stack::run_event(unsigned position, const Event& event) {
  const auto count = static_cast<unsigned>(slots_.size());
  const bool shared = successor_ != nullptr || event.kind == EventKind::up;
  const auto top = shared ? static_cast<unsigned>(session_layers_) : 0u;
  unsigned at = position;
  for (;;) {
    if (event.goes_up()) {
      if (at == top) return arrived(event);
      --at;
    } else {
      at = std::max(at + 1, top);  // ~0u + 1 = 0
      if (at >= count) return fell_through(event);
    }
    Slot& slot = *slots_[at];
    if (slot.type->on == nullptr) continue;
    slot.type->on(slot.state, event, Onward{slot.context.events.fn, this, at});
    return;
  }
}

// Nobody above the endpoint stops the flow: whoever owns the endpoint does.
void Stack::fell_through(const Event& event) {
  if (event.kind == EventKind::pause || event.kind == EventKind::resume) notify_(self_, event);
}

void Stack::arrived(const Event& event) {
  if (event.kind != EventKind::writable) return notify_(self_, event);
  const std::uint32_t channels = gate_.take_refusals();
  if (channels != 0) notify_(self_, Event{EventKind::writable, Errc::ok, {}, channels});
}

// Layers from the top through the one that adds `resumable`; 0: none does.
std::size_t Stack::session_depth(const StackSpec& spec) noexcept {
  for (std::size_t i = 0; i < spec.layers.size(); ++i)
    if (spec.layers[i].type->descriptor->contract.adds.covers(property::resumable)) return i + 1;
  return 0;
}

std::size_t Stack::shares_session(const StackSpec& old, const StackSpec& next) noexcept {
  std::size_t count = 0;
  for (std::size_t i = 0; i < next.layers.size(); ++i)
    if (next.layers[i].type->descriptor->contract.adds.covers(property::reliable)) count = i + 1;
  const auto below = next.layers.begin() + static_cast<std::ptrdiff_t>(count);
  const bool same = count <= old.layers.size() &&
                    std::equal(next.layers.begin(), below, old.layers.begin(),
                               [](const BoundLayer& a, const BoundLayer& b) {
                                 return a.type->descriptor == b.type->descriptor && a.options == b.options &&
                                        a.type->take_state != nullptr &&
                                        a.type->descriptor->segment == Segment::session;
                               });
  const auto is_epoch = [](const BoundLayer& layer) {
    return layer.type->descriptor->segment == Segment::epoch;
  };
  if (!same || !std::all_of(below, next.layers.end(), is_epoch) ||
      !std::all_of(old.layers.begin() + static_cast<std::ptrdiff_t>(count), old.layers.end(), is_epoch))
    return 0;
  return (encrypting_layer(old) != nullptr) == (encrypting_layer(next) != nullptr) ? count : 0;
}

bool Stack::hands_on(const StackSpec& old, const StackSpec& next) noexcept {
  const std::size_t count = session_depth(next);
  return count != 0 && count == session_depth(old) &&
         std::equal(next.layers.begin(), next.layers.begin() + static_cast<std::ptrdiff_t>(count),
                    old.layers.begin(), [](const BoundLayer& a, const BoundLayer& b) {
                      return a.type->descriptor == b.type->descriptor && a.type->take_state != nullptr;
                    });
}

Result<> Stack::take_session(Stack& old) {
  if (!hands_on(old.spec_, spec_))
    return fail(Errc::unsupported, spec_.text() + " cannot go on from " + old.spec_.text(),
                "their layers from the top through resume are not the same, or cannot hand their state on",
                "write the stacks of one link alike down to resume");
  return take_states(old, session_depth(spec_));
}

Result<> Stack::run_on_from(Stack& old) {
  const std::size_t count = shares_session(old.spec_, spec_);
  if (count == 0)
    return fail(Errc::unsupported, spec_.text() + " cannot run on from " + old.spec_.text(),
                "their layers through reliable are not the same", "swap with a drained stack instead");
  old.session_layers_ = session_layers_ = count;
  old.successor_ = this;
  auto taken = take_states(old, count);
  for (std::size_t i = 0; i < count; ++i) {  // what they still wait for, they wait for here
    old.gate_.release(old.slots_[i]->context.gate_bit);
    old.gate_.owe_delivery(old.slots_[i]->context.gate_bit, false);
  }
  link();
  old.link();
  return taken;
}

Result<> Stack::take_states(Stack& old, std::size_t layers) {
  for (std::size_t i = 0; i < layers; ++i) {
    const LayerType& type = *slots_[i]->type;
    if (!type.take_state(slots_[i]->state, old.slots_[i]->state))
      return fail(Errc::unsupported, std::string(type.descriptor->name) + " cannot hand its state on",
                  "the session of the link stands from the top through resume or reliable",
                  "put it below them in every stack of the link");
  }
  count_sent_on(old);
  count_delivered_on(old);
  take_taps(old);
  return {};
}

void Stack::count_sent_on(const Stack& old) noexcept {
  sent_messages_ += old.sent_messages_;
  sent_bytes_ += old.sent_bytes_;
}

void Stack::count_delivered_on(const Stack& old) noexcept {
  delivered_messages_ += old.delivered_messages_;
  delivered_bytes_ += old.delivered_bytes_;
}

void Stack::take_taps(const Stack& old) {
  for (const auto& [where, tap] : old.taps_)  // on the wire it stays there, however high the stack
    taps_.emplace_back(where == old.slots_.size() ? slots_.size() : std::min(where, slots_.size()), tap);
  if (!taps_.empty()) link();
}

void Stack::cut_off() noexcept {
  bottom_ = {&Receiver::ignore_data, nullptr, nullptr};
  chain_[static_cast<std::size_t>(up_first_ - chain_.data()) - 1] = bottom_;
}

void* Stack::layer(std::size_t index) const noexcept { return slots_[index]->state; }

unsigned Stack::active_hooks_down() const noexcept {
  return static_cast<unsigned>(
      std::count_if(slots_.begin(), slots_.end(), [](Slot* slot) { return slot->type->down != nullptr; }));
}
unsigned Stack::active_hooks_up() const noexcept {
  return static_cast<unsigned>(
      std::count_if(slots_.begin(), slots_.end(), [](Slot* slot) { return slot->type->up != nullptr; }));
}

void Stack::describe(
    const std::function<void(std::string_view, const std::function<void(Describer&)>&)>& visit) const {
  for (const Slot* slot : slots_)
    visit(slot->type->descriptor->name, [slot](Describer& describer) {
      if (slot->type->describe != nullptr) slot->type->describe(slot->state, describer);
    });
}

Result<> Stack::add_tap(std::size_t boundary, Tap& tap) {
  if (boundary > slots_.size())
    return fail(Errc::not_found, "no boundary " + std::to_string(boundary),
                "the stack has " + std::to_string(slots_.size()) + " layers", "name one of its layers");
  taps_.emplace_back(boundary, &tap);
  link();
  return {};
}

void Stack::remove_tap(Tap& tap) noexcept {
  std::erase_if(taps_, [&](const auto& at) { return at.second == &tap; });
  link();
}

}  // namespace harness
