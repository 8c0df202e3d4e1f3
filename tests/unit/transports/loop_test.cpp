// SPDX-License-Identifier: Apache-2.0
// What only loop promises; what every transport promises is tests/conformance.
#include <harness/tests/support/manual_engine.hpp>
#include <harness/transports/loop.hpp>

#include <gtest/gtest.h>

namespace harness::transports {
namespace {

struct Keep final : Acceptor {
  void accepted(std::unique_ptr<Endpoint> endpoint) override { got.push_back(std::move(endpoint)); }
  std::vector<std::unique_ptr<Endpoint>> got;
};

struct Loops : testing::Test {
  tests::ManualEngine engine;
  Loop loop{engine};
  Keep keep;
  std::unique_ptr<Endpoint> near, far;

  void connect() {
    ASSERT_TRUE(loop.listen("there", keep).has_value());
    near = *loop.dial("there");
    engine.settle();
    ASSERT_EQ(keep.got.size(), 1u);
    far = std::move(keep.got[0]);
  }
  static void send(Endpoint& from, Message& message) {
    const Entry down = from.down();
    down.fn(down.self, down.next, message.c());
  }
};

TEST_F(Loops, DeliversTheVeryBytesOfTheSenderWithoutACopy) {
  connect();
  const std::byte* seen = nullptr;
  Receiver receiver;
  receiver.up = {[](void* self, const Entry*, harness_message* m) {
                   *static_cast<const std::byte**>(self) = Message::from_c(m).front().data();
                 },
                 &seen, nullptr};
  far->attach(receiver);
  Message message = Message::copy_of(engine.pool(), "the same place");
  const std::byte* sent = message.front().data();
  send(*near, message);
  EXPECT_FALSE(message);
  EXPECT_EQ(seen, nullptr) << "delivered inside send";
  engine.settle();
  EXPECT_EQ(seen, sent);
  EXPECT_EQ(engine.pool().alive_count(), 0u);
}

TEST_F(Loops, GivesAListenerWithoutANameAFreeOne) {
  ASSERT_TRUE(loop.listen("1", keep).has_value());
  EXPECT_EQ(loop.listen("", keep).value(), "2");
  EXPECT_EQ(loop.listen("1", keep).error().code, Errc::exists);
}

TEST_F(Loops, ConfiguresItsRingWhileASetupFrameIsHandedUp) {
  connect();
  Receiver receiver;
  receiver.self = far.get();
  receiver.setup = [](void* self, Message& frame) {
    OptionValues options(Loop::type().options);
    options.set(Loop::option_slots, 1);
    options.set(Loop::option_frame, 64);
    EXPECT_EQ(static_cast<Endpoint*>(self)->configure(options), Errc::ok);
    EXPECT_EQ(frame.text(), "hello");
  };
  far->attach(receiver);
  ASSERT_EQ(near->send_setup(Message::copy_of(engine.pool(), "hello")), Errc::ok);
  ASSERT_EQ(near->send_setup(Message::copy_of(engine.pool(), "hello")), Errc::ok);
  engine.settle();
  EXPECT_EQ(far->facts().max_message, 64u);
  EXPECT_TRUE(near->drained());
}

}  // namespace
}  // namespace harness::transports
