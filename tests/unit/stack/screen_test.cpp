// SPDX-License-Identifier: Apache-2.0
// What a first frame must show: a greeting, and under load a cookie and a place in the bucket of its source.
#include <harness/tests/unit/stack/handshake_fixture.hpp>

namespace harness::tests {
namespace {

TEST_F(HandshakeTest, WhoDoesNotGreetIsTurnedAwayBeforeItsHandshakeIsLookedAt) {
  auto a = prove("a", "north");
  auto b = prove("b", "south");
  auto middle = stand_between("b");
  middle->greeter = nullptr;
  middle->edit = [](bool, setup::Frame frame) -> std::optional<setup::Frame> {
    if (auto* hello = std::get_if<setup::Hello>(&frame)) hello->greeting[3] ^= std::byte{1};
    return frame;
  };
  auto link = dial(*a->node, "b", "middle");
  settle();
  EXPECT_EQ(link->error().code, Errc::denied);
  EXPECT_NE(link->error().because.find("the root is another one"), std::string::npos) << link->error().text();
  middle->edit = [](bool, setup::Frame frame) -> std::optional<setup::Frame> {
    if (auto* hello = std::get_if<setup::Hello>(&frame)) hello->greeting = {};
    return frame;
  };
  link = dial(*a->node, "b", "middle");
  settle();
  EXPECT_NE(link->error().what.find("does not greet"), std::string::npos) << link->error().text();
  b->authority.strangers.insert("north");
  link = dial(*a->node, "b", "b");
  settle();
  EXPECT_NE(link->error().because.find("north is not believed"), std::string::npos) << link->error().text();
  EXPECT_TRUE(b->node->links().empty());
}

class LoadedTest : public HandshakeTest {
 protected:
  /// So many silent strangers that `b` asks for cookies for a second.
  void crowd() {
    for (std::size_t i = 0; i <= Node::waiting_max / 2; ++i) {
      strangers_.push_back(*loop_->dial("b"));
      settle();
    }
  }
  /// Counts the cookies that b gives out, and what comes of the rest is passed on.
  void count_cookies(Middle& middle) {
    middle.edit = [this](bool, setup::Frame frame) -> std::optional<setup::Frame> {
      if (const auto* given = std::get_if<setup::Cookie>(&frame)) ++cookies_, last_ = given->cookie;
      return frame;
    };
  }
  std::vector<std::unique_ptr<Endpoint>> strangers_;
  unsigned cookies_ = 0;
  Code last_{};
};

TEST_F(LoadedTest, AnHonestPeerShowsTheCookieItIsGivenAndComesIn) {
  auto a = prove("a");
  auto b = prove("b");
  auto middle = stand_between("b");
  count_cookies(*middle);
  auto before = dial(*a->node, "b", "middle");
  settle();
  EXPECT_TRUE(before->is_up());
  EXPECT_EQ(cookies_, 0u) << "nobody is asked while it is quiet";
  crowd();
  LinkOptions options = to("middle", "vouch @ loop", "second");
  auto link = *a->node->connect("b", options);
  settle();
  EXPECT_TRUE(link->is_up()) << link->error().text();
  EXPECT_EQ(cookies_, 1u);
}

TEST_F(LoadedTest, ACookieIsGoodForItsOwnAttemptOnly) {
  auto a = prove("a");
  auto b = prove("b");
  auto middle = stand_between("b");
  count_cookies(*middle);
  crowd();
  auto link = dial(*a->node, "b", "middle");
  settle();
  ASSERT_TRUE(link->is_up());
  const Code stolen = last_;
  middle->edit = [&](bool, setup::Frame frame) -> std::optional<setup::Frame> {
    if (auto* hello = std::get_if<setup::Hello>(&frame)) hello->cookie = stolen;
    if (std::holds_alternative<setup::Cookie>(frame)) ++cookies_;
    return frame;
  };
  auto other = *a->node->connect("b", to("middle", "vouch @ loop", "second"));
  settle();
  EXPECT_FALSE(other->is_up());
  EXPECT_GT(cookies_, 1u);
  EXPECT_LT(cookies_, 20u) << "nobody is made to talk without end";
}

TEST_F(LoadedTest, ACookieGrowsOld) {
  auto a = prove("a");
  auto b = prove("b");
  auto middle = stand_between("b");
  std::optional<setup::Hello> shown;
  middle->edit = [&](bool, setup::Frame frame) -> std::optional<setup::Frame> {
    const auto* hello = std::get_if<setup::Hello>(&frame);
    if (hello == nullptr || hello->cookie == Code{}) return frame;
    shown = *hello;
    return std::nullopt;
  };
  crowd();
  auto link = dial(*a->node, "b", "middle");
  settle();
  ASSERT_TRUE(shown);
  std::vector<std::size_t> answers;
  for (unsigned period = 0; period < 3; ++period) {
    crowd();
    auto endpoint = *loop_->dial("b");
    Receiver receiver;
    receiver.self = &answers;
    receiver.setup = [](void* self, Message& frame) {
      static_cast<std::vector<std::size_t>*>(self)->push_back(setup::parse(frame.front())->index());
    };
    endpoint->attach(receiver);
    ASSERT_EQ(endpoint->send_setup(setup::write(engine_.pool(), *shown)), Errc::ok);
    settle();
    engine_.pass(Node::cookie_ns);
  }
  const std::size_t accept = setup::Frame(setup::Accept{}).index();
  const std::size_t cookie = setup::Frame(setup::Cookie{}).index();
  EXPECT_EQ(answers, (std::vector<std::size_t>{accept, accept, cookie}));
}

TEST_F(LoadedTest, WhoGreetsWronglyIsDroppedInSilence) {
  auto a = prove("a");
  auto b = prove("b");
  auto middle = stand_between("b");
  unsigned answers = 0;
  middle->greeter = nullptr;
  middle->edit = [&](bool forth, setup::Frame frame) -> std::optional<setup::Frame> {
    if (auto* hello = std::get_if<setup::Hello>(&frame)) hello->greeting[3] ^= std::byte{1};
    answers += forth ? 0u : 1u;
    return frame;
  };
  crowd();
  const std::uint64_t refused = b->node->refused_count();
  auto link = dial(*a->node, "b", "middle");
  settle();
  EXPECT_FALSE(link->is_up());
  EXPECT_EQ(answers, 0u);
  EXPECT_GT(b->node->refused_count(), refused);
}

TEST_F(LoadedTest, OneSourceBeginsOnlyAsManyHandshakesAsItsBucketHolds) {
  auto a = prove("a");
  auto b = prove("b");
  unsigned up = 0;
  std::string refusal;
  for (unsigned i = 0; i < 2 * FloodGuard::source_burst; ++i) {
    if (i % 50 == 0) crowd();
    LinkOptions options = to("b", "vouch @ loop", "link" + std::to_string(i));
    options.timeout_ns = ms;
    auto link = *a->node->connect("b", options);
    settle();
    up += link->is_up() ? 1u : 0u;
    if (!link->is_up()) refusal = link->error().text();
    link->close();
    settle();
  }
  EXPECT_EQ(up, FloodGuard::source_burst);
  EXPECT_NE(refusal.find("begins no more handshakes"), std::string::npos) << refusal;
}

TEST_F(LoadedTest, SilentStrangersDoNotPushOutWhoIsAboutToProveItself) {
  auto a = prove("a");
  auto b = prove("b");
  auto middle = stand_between("b");
  bool held = true;
  std::optional<setup::Frame> ready;
  middle->edit = [&](bool, setup::Frame frame) -> std::optional<setup::Frame> {
    if (!held || !std::holds_alternative<setup::Ready>(frame)) return frame;
    ready = frame;
    return std::nullopt;
  };
  auto link = dial(*a->node, "b", "middle");
  settle();
  ASSERT_TRUE(ready);
  for (unsigned i = 0; i < 4; ++i) crowd();
  held = false;
  middle->inject(true, *ready);
  settle();
  ASSERT_NE(b->ear.link, nullptr);
  EXPECT_TRUE(b->ear.link->is_up());
}

}  // namespace
}  // namespace harness::tests
