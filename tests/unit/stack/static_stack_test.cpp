// SPDX-License-Identifier: Apache-2.0
// The fused form of a stack is the linked one in everything that can be seen from outside.
#include <harness/stack/static_stack.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <harness/layers/frag.hpp>
#include <harness/layers/order.hpp>
#include <harness/tests/support/manual_engine.hpp>

namespace harness {
namespace {

using layers::Frag;
using layers::Order;
using testing::ElementsAre;

// No hook on the way down; on the way up it lets every second message pass.
class EverySecond {
 public:
  static constexpr Descriptor descriptor{.name = "every_second", .summary = "drops half", .place = 1};
  EverySecond(const OptionValues&, LayerContext&) {}
  template <class Above>
  void up(Message& message, Above above) {
    if (++seen_ % 2 == 0) above(message);
  }

 private:
  unsigned seen_ = 0;
};

struct Ends {
  std::vector<std::string> frames;
  std::vector<std::string> delivered;
  static void bottom(void* self, const Entry*, harness_message* message) {
    const Message& frame = Message::from_c(message);
    std::string bytes(frame.size(), 0);
    frame.copy_to(reinterpret_cast<std::byte*>(bytes.data()));
    static_cast<Ends*>(self)->frames.push_back(bytes);
  }
  static void deliver(void* self, Message& message) {
    static_cast<Ends*>(self)->delivered.emplace_back(message.text());
  }
};

struct StaticStackTest : testing::Test {
  [[nodiscard]] Foundation foundation(Gate& gate, Ends& ends) {
    const auto word = property::message | property::reliable | property::no_duplicates;
    Foundation given{engine, {&Ends::bottom, &ends, nullptr}, {word, 300, {}}, gate};
    given.max_message = 1 << 20;
    return given;
  }
  template <class Stack>
  void exercise(Stack& stack, const Ends& ends) {
    for (const std::string& text : {std::string("small"), std::string(1000, 'x'), std::string("last")}) {
      Message message = Message::copy_of(engine.pool(), text);
      EXPECT_EQ(stack.send(std::move(message)), Errc::ok);
    }
    for (const std::string& frame : ends.frames) {
      Message message = Message::copy_of(engine.pool(), frame);
      message.as_received(engine.pool());
      const Entry up = stack.up();
      up.fn(up.self, up.next, message.c());
    }
  }
  static void ignore(void*, const Event&) {}

  tests::ManualEngine engine;
};

TEST_F(StaticStackTest, PutsTheSameFramesOnTheWireAsTheLinkedFormAndDeliversTheSame) {
  Gate linked_gate, fused_gate;
  Ends linked_ends, fused_ends;
  StackSpec spec;
  const LayerType types[] = {layer_type<Order>(), layer_type<EverySecond>(), layer_type<Frag>()};
  for (const LayerType& type : types) spec.layers.push_back({&type, OptionValues(type.descriptor->options)});
  auto linked =
      *Stack::build(spec, foundation(linked_gate, linked_ends), &Ends::deliver, &ignore, &linked_ends);
  auto fused = *StaticStack<Order, EverySecond, Frag>::build(foundation(fused_gate, fused_ends),
                                                             &Ends::deliver, &ignore, &fused_ends);
  exercise(*linked, linked_ends);
  exercise(*fused, fused_ends);
  EXPECT_GT(fused_ends.frames.size(), 5u) << "the long one went in parts";
  EXPECT_EQ(fused_ends.frames, linked_ends.frames);
  EXPECT_EQ(fused_ends.delivered, linked_ends.delivered);
  EXPECT_EQ(fused->stack().sent_messages(), 3u);
  EXPECT_EQ(fused->stack().delivered_bytes(), linked->delivered_bytes());
}

TEST_F(StaticStackTest, StandsBehindTheSameGate) {
  Gate gate;
  Ends ends;
  auto fused = *StaticStack<Order>::build(foundation(gate, ends), &Ends::deliver, &ignore, &ends);
  gate.hold(Gate::transport_bit);
  Message message = Message::copy_of(engine.pool(), "x");
  EXPECT_EQ(fused->send(std::move(message)), Errc::would_block);
  EXPECT_TRUE(message);
  EXPECT_TRUE(ends.frames.empty());
  gate.release(Gate::transport_bit);
  EXPECT_EQ(fused->send(std::move(message)), Errc::ok);
  EXPECT_EQ(ends.frames.size(), 1u);
}

TEST_F(StaticStackTest, TakesOptionsInTheOrderOfItsLayers) {
  Gate gate;
  Ends ends;
  OptionValues size(Frag::descriptor.options);
  size.set(0, 100);  // frag(size=100)
  auto fused = *StaticStack<Order, Frag>::build(foundation(gate, ends), &Ends::deliver, &ignore, &ends,
                                                {OptionValues(Order::descriptor.options), size});
  Message message = Message::copy_of(engine.pool(), std::string(250, 'x'));
  EXPECT_EQ(fused->send(std::move(message)), Errc::ok);
  EXPECT_EQ(ends.frames.size(), 3u);
}

}  // namespace
}  // namespace harness
