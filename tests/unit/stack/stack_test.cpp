// SPDX-License-Identifier: Apache-2.0
// The running stack: hooks in order, absent ones skipped, the gate before everything, events, taps, one
// block.
#include <harness/stack/stack.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <harness/tests/support/manual_engine.hpp>

namespace harness {
namespace {

using testing::ElementsAre;

// Writes its letter before each message and takes it off again; remembers the events it saw in a shared log.
std::vector<std::string>* event_log = nullptr;

template <char Letter, bool Down = true, bool Up = true>
class Stamp {
 public:
  static constexpr char name_[2] = {Letter, 0};
  static constexpr Descriptor descriptor{.name = {name_, 1},
                                         .summary = "writes a letter",
                                         .header_bytes_max = 1,
                                         .contract = {.cost = {.header_bytes = 1}},
                                         .place = static_cast<std::uint8_t>(Letter)};
  Stamp(const OptionValues&, LayerContext& context) : context_(context) {}
  template <class Below>
  void down(Message& message, Below below)
    requires Down
  {
    *message.push(1) = std::byte{Letter};
    below(message);
  }
  template <class Above>
  void up(Message& message, Above above)
    requires Up
  {
    const std::byte* letter = message.pull(1);
    if (letter == nullptr || *letter != std::byte{Letter}) return;
    ++taken_;
    above(message);
  }
  void on(const Event& event, Onward onward) {
    if (event_log != nullptr)
      event_log->push_back(std::string(1, Letter) + ":" + std::string(to_string(event.kind)));
    onward(event);
  }
  void describe(Describer& describer) const { describer.value("taken", taken_); }

 private:
  LayerContext& context_;
  std::uint64_t taken_ = 0;
};

// A layer without any hook.
class Silent {
 public:
  static constexpr Descriptor descriptor{.name = "silent", .summary = "does nothing", .place = 1};
  Silent(const OptionValues&, LayerContext&) {}
};

// Bytes that arrived at the bottom, and what came out on top.
struct Ends {
  std::vector<std::string> frames;
  std::vector<std::string> delivered;
  std::vector<EventKind> events;
  static void bottom(void* self, const Entry*, harness_message* message) {
    const Message& frame = Message::from_c(message);
    std::string bytes(frame.size(), 0);
    frame.copy_to(reinterpret_cast<std::byte*>(bytes.data()));
    static_cast<Ends*>(self)->frames.push_back(bytes);
  }
  static void deliver(void* self, Message& message) {
    static_cast<Ends*>(self)->delivered.emplace_back(message.text());
  }
  static void notify(void* self, const Event& event) {
    static_cast<Ends*>(self)->events.push_back(event.kind);
  }
};

class StackTest : public testing::Test {
 protected:
  template <class... Layers>
  std::unique_ptr<Stack> build(std::uint32_t frame = 1000, std::uint32_t max_message = 0) {
    types_ = {layer_type<Layers>()...};
    StackSpec spec;
    for (const LayerType& type : types_) spec.layers.push_back({&type, {}});
    static constexpr TransportType nowhere{.name = "nowhere"};
    spec.transport = &nowhere;
    Foundation foundation{engine_, {&Ends::bottom, &ends_, nullptr}, {property::message, frame, {}}, gate_};
    foundation.max_message = max_message;
    auto stack = Stack::build(spec, foundation, &Ends::deliver, &Ends::notify, &ends_);
    if (!stack) {
      error_ = stack.error();
      return nullptr;
    }
    return std::move(*stack);
  }
  Errc send(Stack& stack, std::string_view text, unsigned channel = 0) {
    Message message = Message::copy_of(engine_.pool(), text);
    message.note().channel = static_cast<std::uint16_t>(channel);
    return stack.send(std::move(message));
  }
  void arrive(Stack& stack, std::string_view bytes) {
    Message frame = Message::copy_of(engine_.pool(), bytes);
    frame.as_received(engine_.pool());
    const Entry up = stack.up();
    up.fn(up.self, up.next, frame.c());
  }

  tests::ManualEngine engine_;
  Gate gate_;
  Ends ends_;
  std::vector<LayerType> types_;
  Error error_;
};

TEST_F(StackTest, HeadersArePushedFromTheTopAndPulledFromTheBottom) {
  auto stack = build<Stamp<'a'>, Stamp<'b'>, Stamp<'c'>>();
  EXPECT_EQ(send(*stack, "x"), Errc::ok);
  EXPECT_THAT(ends_.frames, ElementsAre("cbax"));
  arrive(*stack, "cbay");
  EXPECT_THAT(ends_.delivered, ElementsAre("y"));
}

TEST_F(StackTest, AnAbsentHookIsNotInTheChain) {
  auto stack = build<Stamp<'a', true, false>, Silent, Stamp<'b', false, true>>();
  EXPECT_EQ(stack->active_hooks_down(), 1u);
  EXPECT_EQ(stack->active_hooks_up(), 1u);
  send(*stack, "x");
  EXPECT_THAT(ends_.frames, ElementsAre("ax"));
  arrive(*stack, "by");
  EXPECT_THAT(ends_.delivered, ElementsAre("y"));
}

TEST_F(StackTest, AnEmptyStackHandsEverythingThrough) {
  auto stack = build<>();
  send(*stack, "x");
  EXPECT_THAT(ends_.frames, ElementsAre("x"));
  arrive(*stack, "y");
  EXPECT_THAT(ends_.delivered, ElementsAre("y"));
}

TEST_F(StackTest, AFrameThatALayerRefusesIsNotDelivered) {
  auto stack = build<Stamp<'a'>, Stamp<'b'>>();
  arrive(*stack, "bXy");
  arrive(*stack, "");
  EXPECT_TRUE(ends_.delivered.empty());
  EXPECT_EQ(engine_.pool().alive_count(), 0u);
}

TEST_F(StackTest, AHeldGateRefusesBeforeAnyHookRunsAndTheMessageIsStillOurs) {
  auto stack = build<Stamp<'a'>>();
  gate_.hold(Gate::transport_bit);
  Message message = Message::copy_of(engine_.pool(), "x");
  EXPECT_EQ(stack->send(std::move(message)), Errc::would_block);
  EXPECT_TRUE(message);
  EXPECT_EQ(message.header_size(), 0u);
  gate_.release(Gate::transport_bit);
  EXPECT_EQ(stack->send(std::move(message)), Errc::ok);
}

TEST_F(StackTest, OneWritableFollowsARefusalAndNoneWithoutOne) {
  auto stack = build<Stamp<'a'>>();
  stack->event({EventKind::writable});
  EXPECT_TRUE(ends_.events.empty()) << "nobody was refused";
  gate_.hold(Gate::transport_bit);
  send(*stack, "x");
  send(*stack, "x");
  stack->event({EventKind::writable});
  EXPECT_TRUE(ends_.events.empty()) << "still held";
  gate_.release(Gate::transport_bit);
  stack->event({EventKind::writable});
  stack->event({EventKind::writable});
  EXPECT_THAT(ends_.events, ElementsAre(EventKind::writable));
}

TEST_F(StackTest, TooLargeInvalidAndEmptyMessagesAreRefusedAndStillOurs) {
  auto stack = build<Stamp<'a'>>(100);
  EXPECT_EQ(stack->max_message(), 99u);
  EXPECT_EQ(send(*stack, std::string(100, 'x')), Errc::too_large);
  EXPECT_EQ(send(*stack, std::string(99, 'x')), Errc::ok);
  EXPECT_EQ(send(*stack, "x", Gate::channels_max), Errc::invalid);
  EXPECT_EQ(stack->send(Message()), Errc::invalid);
}

TEST_F(StackTest, TheAgreedMaxMessageBindsWhenItIsSmaller) {
  auto stack = build<Stamp<'a'>>(1000, 10);
  EXPECT_EQ(send(*stack, "12345678901"), Errc::too_large);
  EXPECT_EQ(send(*stack, "1234567890"), Errc::ok);
}

TEST_F(StackTest, AHeaderThatDoesNotFitIsRefusedWhenTheStackIsBuilt) {
  EXPECT_EQ(build<Stamp<'a'>>(1), nullptr);
  EXPECT_EQ(error_.code, Errc::unsupported);
  EXPECT_THAT(error_.because, testing::HasSubstr("1 bytes"));
}

TEST_F(StackTest, EventsClimbOrSinkThroughTheLayersInOrder) {
  std::vector<std::string> log;
  event_log = &log;
  auto stack = build<Stamp<'a'>, Silent, Stamp<'b'>>();
  stack->event({EventKind::up});
  EXPECT_THAT(log, ElementsAre("b:up", "a:up"));
  EXPECT_THAT(ends_.events, ElementsAre(EventKind::up));
  log.clear();
  stack->event({EventKind::close});
  EXPECT_THAT(log, ElementsAre("a:close", "b:close"));
  EXPECT_THAT(ends_.events, ElementsAre(EventKind::up)) << "close ends at the bottom";
  event_log = nullptr;
}

struct Seen {
  std::vector<std::string> lines;
  Tap tap{[](void* self, Tap::Direction direction, const Message& message) {
            std::string bytes(message.size(), 0);
            message.copy_to(reinterpret_cast<std::byte*>(bytes.data()));
            static_cast<Seen*>(self)->lines.push_back((direction == Tap::Direction::down ? "down " : "up ") +
                                                      bytes);
          },
          this};
};

TEST_F(StackTest, TapsSeeEveryBoundaryAndLeaveWithoutATrace) {
  auto stack = build<Stamp<'a'>, Stamp<'b'>>();
  Seen top, middle, bottom;
  ASSERT_TRUE(stack->add_tap(0, top.tap));
  ASSERT_TRUE(stack->add_tap(1, middle.tap));
  ASSERT_TRUE(stack->add_tap(2, bottom.tap));
  send(*stack, "x");
  arrive(*stack, "bay");
  EXPECT_THAT(top.lines, ElementsAre("down x", "up y"));
  EXPECT_THAT(middle.lines, ElementsAre("down ax", "up ay"));
  EXPECT_THAT(bottom.lines, ElementsAre("down bax", "up bay"));
  stack->remove_tap(middle.tap);
  stack->remove_tap(top.tap);
  stack->remove_tap(bottom.tap);
  send(*stack, "x");
  EXPECT_EQ(middle.lines.size(), 2u);
  EXPECT_THAT(ends_.frames, ElementsAre("bax", "bax"));
  Seen nowhere;
  EXPECT_EQ(stack->add_tap(3, nowhere.tap).error().code, Errc::not_found);
}

TEST_F(StackTest, CountsWhatIsSentAndDelivered) {
  auto stack = build<Stamp<'a'>>();
  send(*stack, "12345");
  arrive(*stack, "a123");
  EXPECT_EQ(stack->sent_messages(), 1u);
  EXPECT_EQ(stack->sent_bytes(), 5u);
  EXPECT_EQ(stack->delivered_messages(), 1u);
  EXPECT_EQ(stack->delivered_bytes(), 3u);
}

TEST_F(StackTest, AReceivedMessageCanBeSentOnThoughItHasNoHeadroom) {
  auto stack = build<Stamp<'a'>, Stamp<'b'>>();
  Message frame = Message::copy_of(engine_.pool(), "x");
  frame.as_received(engine_.pool());
  EXPECT_EQ(frame.head_room(), 0u);
  EXPECT_EQ(stack->send(std::move(frame)), Errc::ok);
  EXPECT_THAT(ends_.frames, ElementsAre("bax"));
}

TEST_F(StackTest, NothingIsAllocatedAfterTheFirstMessages) {
  auto stack = build<Stamp<'a'>, Stamp<'b'>>();
  ends_.frames.reserve(200);
  send(*stack, "warm");
  const std::uint64_t grown = engine_.pool().grown_count();
  for (int i = 0; i < 100; ++i) send(*stack, "x");
  EXPECT_EQ(engine_.pool().grown_count(), grown);
}

}  // namespace
}  // namespace harness
