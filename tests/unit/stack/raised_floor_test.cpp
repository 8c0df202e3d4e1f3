// SPDX-License-Identifier: Apache-2.0
// A floor that is raised while links run: nothing of the application leaves below it any more.
#include <harness/kernel/identity/refusal.hpp>
#include <harness/tests/unit/stack/handshake_fixture.hpp>

namespace harness::tests {
namespace {

class RaisedFloorTest : public HandshakeTest {
 protected:
  /// A floor of `a` that it did not have before.
  void raise(Properties word) {
    a_->authority.floor_word = word;
    a_->node->authority_changed();
  }
  std::unique_ptr<Proven> a_ = prove("a");
  std::unique_ptr<Proven> b_ = prove("b");
};

TEST_F(RaisedFloorTest, ALinkBelowItSendsNothingMoreAndIsLostWithTheReason) {
  auto link = dial(*a_->node, "b", "b", "frag @ loop");
  a_->ear.listen_to(link);
  settle();
  ASSERT_EQ(send(*link, "before"), Errc::ok);
  settle();
  raise(property::encrypted);
  EXPECT_NE(send(*link, "after"), Errc::ok) << "at once, not in the next turn";
  settle();
  engine_.pass(10 * ms);
  EXPECT_EQ(b_->ear.texts, std::vector<std::string>{"before"});
  EXPECT_EQ(link->state(), Link::State::lost);
  EXPECT_EQ(identity::refusal_of(link->error()), identity::Refusal::floor_not_met) << link->error().text();
  EXPECT_NE(link->error().because.find("encrypted"), std::string::npos) << link->error().text();
  EXPECT_FALSE(link->error().advice.empty());
  EXPECT_EQ(a_->ear.count(EventKind::peer_lost), 1);
}

TEST_F(RaisedFloorTest, WhatWaitsInALayerDoesNotLeaveEither) {
  auto link = dial(*a_->node, "b", "b", "frag @ loop(frame=1KiB, slots=4)");
  settle();
  const std::string large(100'000, 'x');
  ASSERT_EQ(send(*link, large), Errc::ok) << "frag holds most of it";
  raise(property::encrypted);
  settle();
  engine_.pass(10 * ms);
  EXPECT_TRUE(b_->ear.texts.empty());
  EXPECT_EQ(link->state(), Link::State::lost);
}

TEST_F(RaisedFloorTest, ALinkThatGivesItGoesOn) {
  auto link = dial(*a_->node, "b", "b", "frag / vouch @ loop");
  settle();
  raise(property::encrypted);
  ASSERT_EQ(send(*link, "after"), Errc::ok);
  settle();
  EXPECT_EQ(b_->ear.texts, std::vector<std::string>{"after"});
}

TEST_F(RaisedFloorTest, ALinkToAPeerThatIsRevokedIsLostWithTheReasonAndOthersGoOn) {
  auto c = prove("c");
  auto link = dial(*a_->node, "b", "b", "frag / vouch @ loop");
  auto other = dial(*a_->node, "c", "c", "frag / vouch @ loop");
  settle();
  ASSERT_TRUE(link->is_up() && other->is_up());
  a_->authority.revoked.insert("b");
  a_->node->authority_changed();
  EXPECT_NE(send(*link, "after"), Errc::ok);
  settle();
  EXPECT_EQ(link->state(), Link::State::lost);
  EXPECT_NE(link->error().what.find("revoked"), std::string::npos) << link->error().text();
  EXPECT_TRUE(b_->ear.texts.empty());
  EXPECT_TRUE(other->is_up());
}

TEST_F(RaisedFloorTest, TheSamePeerComesInAgainAboveItAndNotBelow) {
  auto link = dial(*a_->node, "b", "b", "frag @ loop");
  settle();
  raise(property::encrypted);
  settle();
  auto below = dial(*a_->node, "b", "b", "frag @ loop");
  settle();
  engine_.pass(600 * ms);
  EXPECT_EQ(identity::refusal_of(below->error()), identity::Refusal::floor_not_met) << below->error().text();
  auto above = dial(*a_->node, "b", "b", "frag / vouch @ loop");
  settle();
  EXPECT_TRUE(above->is_up()) << above->error().text();
}

TEST_F(RaisedFloorTest, WhoIsDialledBelowItsFloorSaysSo) {
  b_->authority.floor_word = property::encrypted;
  auto link = dial(*a_->node, "b", "b", "frag @ loop");
  settle();
  EXPECT_EQ(identity::refusal_of(link->error()), identity::Refusal::floor_not_met) << link->error().text();
}

}  // namespace
}  // namespace harness::tests
