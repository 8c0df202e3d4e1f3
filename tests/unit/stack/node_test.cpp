// SPDX-License-Identifier: Apache-2.0
// Nodes and links over loop: opening, refusing, both sides dialling, closing, losing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <harness/tests/unit/stack/node_fixture.hpp>

namespace harness {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using tests::Ear;
using tests::ms;
using tests::NodeTest;

TEST_F(NodeTest, ALinkOpensAndBothSidesRunTheSameStack) {
  auto b = serve("b");
  auto a = start("a");
  Ear ear;
  ear.listen_to(*a->node->connect("b", to("b")));
  settle();
  ASSERT_TRUE(ear.link->is_up()) << ear.link->error().text();
  ASSERT_TRUE(b->ear.link != nullptr && b->ear.link->is_up());
  EXPECT_EQ(ear.link->stack()->spec().text(), b->ear.link->stack()->spec().text());
  EXPECT_EQ(ear.link->peer().name, "b");
  EXPECT_EQ(b->ear.link->peer().name, "a");
  EXPECT_EQ(ear.link->role(), Role::initiator);
  EXPECT_EQ(b->ear.link->role(), Role::responder);
  EXPECT_THAT(ear.events, ElementsAre(EventKind::up));
  EXPECT_THAT(b->ear.events, ElementsAre(EventKind::up));
}

TEST_F(NodeTest, MessagesArriveBothWaysInOrder) {
  auto b = serve("b");
  auto a = start("a");
  Ear ear;
  ear.listen_to(*a->node->connect("b", to("b")));
  settle();
  for (const char* text : {"one", "two", "three"}) EXPECT_EQ(send(*ear.link, text), Errc::ok);
  EXPECT_EQ(send(*b->ear.link, "back"), Errc::ok);
  settle();
  EXPECT_THAT(b->ear.texts, ElementsAre("one", "two", "three"));
  EXPECT_THAT(ear.texts, ElementsAre("back"));
}

TEST_F(NodeTest, BeforeTheLinkIsUpSendWouldBlockAndKeepsTheMessage) {
  auto b = serve("b");
  auto a = start("a");
  auto link = *a->node->connect("b", to("b"));
  Message message = Message::copy_of(engine_.pool(), "early");
  EXPECT_EQ(link->send(std::move(message)), Errc::would_block);
  ASSERT_TRUE(message);
  settle();
  EXPECT_EQ(link->send(std::move(message)), Errc::ok);
  settle();
  EXPECT_THAT(b->ear.texts, ElementsAre("early"));
}

TEST_F(NodeTest, TheWrongNameIsRefusedWithTheRightOne) {
  auto b = serve("b");
  auto a = start("a");
  auto link = *a->node->connect("c", to("b"));
  settle();
  EXPECT_EQ(link->state(), Link::State::lost);
  EXPECT_EQ(link->error().code, Errc::conflict);
  EXPECT_THAT(link->error().because, HasSubstr("b"));
  EXPECT_TRUE(a->node->links().empty());
}

TEST_F(NodeTest, AnotherDomainIsRefusedUnlessItIsAdmittedAndNeverInClear) {
  auto b = serve("b", "lab");
  auto a = start("a", "office");
  auto refused = *a->node->connect("b", to("b"));
  settle();
  EXPECT_EQ(refused->error().code, Errc::denied);
  EXPECT_THAT(refused->error().what, HasSubstr("the domains office and lab"));

  b->node->set_admission([](const setup::Identity&, const std::string&) { return Admission{}; });
  auto clear = *a->node->connect("b", to("b"));
  settle();
  EXPECT_EQ(clear->state(), Link::State::lost);
  EXPECT_THAT(clear->error().text(), HasSubstr("encrypted"));
}

TEST_F(NodeTest, ASecondLinkNeedsAnotherName) {
  auto b = serve("b");
  auto a = start("a");
  auto first = *a->node->connect("b", to("b"));
  settle();
  auto second = a->node->connect("b", to("b"));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::exists);
  auto other = *a->node->connect("b", to("b", "@ loop", "bulk"));
  settle();
  EXPECT_TRUE(first->is_up());
  EXPECT_TRUE(other->is_up());
  EXPECT_EQ(b->node->links().size(), 2u);
}

TEST_F(NodeTest, WhenBothSidesDialOneLinkRemains) {
  auto a = serve("a");
  auto b = serve("b");
  Ear at_a, at_b;
  at_a.listen_to(*a->node->connect("b", to("b")));
  at_b.listen_to(*b->node->connect("a", to("a")));
  engine_.pass(100 * ms);
  settle();
  ASSERT_EQ(a->node->links().size(), 1u);
  ASSERT_EQ(b->node->links().size(), 1u);
  ASSERT_TRUE(at_a.link->is_up()) << at_a.link->error().text();
  ASSERT_TRUE(at_b.link->is_up()) << at_b.link->error().text();
  EXPECT_EQ(at_a.link->role(), Role::initiator) << "the smaller name's attempt stands";
  EXPECT_EQ(at_b.link->role(), Role::responder);
  send(*at_a.link, "from a");
  send(*at_b.link, "from b");
  settle();
  EXPECT_THAT(at_b.texts, ElementsAre("from a"));
  EXPECT_THAT(at_a.texts, ElementsAre("from b"));
}

TEST_F(NodeTest, TheOtherSidesAttemptIsTakenWhenOursGetsNowhere) {
  auto b = serve("b");
  auto a = serve("a");
  Ear at_a, at_b;
  // Somebody listens at the address a was given, but never answers.
  struct Deaf : Acceptor {
    void accepted(std::unique_ptr<Endpoint> endpoint) override { kept.push_back(std::move(endpoint)); }
    std::vector<std::unique_ptr<Endpoint>> kept;
  } deaf;
  ASSERT_TRUE(loop_->listen("deaf", deaf));
  at_a.listen_to(*a->node->connect("b", to("deaf")));
  at_b.listen_to(*b->node->connect("a", to("a")));
  engine_.pass(3000 * ms);
  EXPECT_TRUE(at_a.link->is_up()) << at_a.link->error().text();
  EXPECT_TRUE(at_b.link->is_up()) << at_b.link->error().text();
  deaf.kept.clear();
}

TEST_F(NodeTest, ALinkHeldLongerThanItsNodeIsLostAndSilent) {
  auto b = serve("b");
  auto a = start("a");
  Ear ear;
  ear.listen_to(*a->node->connect("b", to("b")));
  settle();
  ear.events.clear();
  a.reset();
  settle();
  EXPECT_EQ(ear.link->state(), Link::State::lost);
  EXPECT_EQ(send(*ear.link, "x"), Errc::closed);
  EXPECT_TRUE(ear.events.empty());
}

TEST_F(NodeTest, CloseDeliversWhatWasSentAndBothSidesHearClosed) {
  auto b = serve("b");
  auto a = start("a");
  Ear ear;
  ear.listen_to(*a->node->connect("b", to("b")));
  settle();
  for (int i = 0; i < 10; ++i) send(*ear.link, std::to_string(i));
  ear.link->close();
  EXPECT_EQ(send(*ear.link, "late"), Errc::closed);
  engine_.pass(10 * ms);
  EXPECT_EQ(b->ear.texts.size(), 10u);
  EXPECT_EQ(ear.link->state(), Link::State::closed);
  EXPECT_EQ(b->ear.link->state(), Link::State::closed);
  EXPECT_EQ(ear.count(EventKind::closed), 1);
  EXPECT_EQ(b->ear.count(EventKind::closed), 1);
  EXPECT_EQ(ear.count(EventKind::peer_lost) + b->ear.count(EventKind::peer_lost), 0);
  EXPECT_TRUE(a->node->links().empty() && b->node->links().empty());
}

TEST_F(NodeTest, WhenBothSidesCloseAtOnceBothHearClosed) {
  auto b = serve("b");
  auto a = start("a");
  Ear ear;
  ear.listen_to(*a->node->connect("b", to("b")));
  settle();
  ear.link->close();
  b->ear.link->close();
  engine_.pass(10 * ms);
  EXPECT_EQ(ear.link->state(), Link::State::closed);
  EXPECT_EQ(b->ear.link->state(), Link::State::closed);
}

TEST_F(NodeTest, APeerThatVanishesIsReportedOnce) {
  auto b = serve("b");
  auto a = start("a");
  Ear ear;
  ear.listen_to(*a->node->connect("b", to("b")));
  settle();
  b.reset();
  settle();
  EXPECT_EQ(ear.link->state(), Link::State::lost);
  EXPECT_EQ(ear.count(EventKind::peer_lost), 1);
  EXPECT_EQ(send(*ear.link, "x"), Errc::closed);
}

TEST_F(NodeTest, PauseStopsTheFlowAndResumeLosesNothing) {
  auto b = serve("b");
  auto a = start("a");
  Ear ear;
  ear.listen_to(*a->node->connect("b", to("b")));
  settle();
  b->ear.link->pause();
  send(*ear.link, "waits");
  settle();
  EXPECT_TRUE(b->ear.texts.empty());
  b->ear.link->resume();
  settle();
  EXPECT_THAT(b->ear.texts, ElementsAre("waits"));
}

TEST_F(NodeTest, NothingIsReceivedBeforeSomebodyListens) {
  auto b = serve("b");
  b->node->on_link(nullptr);
  auto a = start("a");
  auto link = *a->node->connect("b", to("b"));
  settle();
  send(*link, "kept for later");
  settle();
  b->ear.listen_to(b->node->find("a", "main"));
  settle();
  EXPECT_THAT(b->ear.texts, ElementsAre("kept for later"));
}

TEST_F(NodeTest, AReceiverThatKeepsMessagesHoldsTheSenderAndThenLetsItGo) {
  auto b = serve("b");
  b->node->set_admission([](const setup::Identity&, const std::string&) {
    Admission admission;
    admission.quota_bytes = 64 * 1024;
    return admission;
  });
  b->ear.keep = true;
  auto a = start("a");
  Ear ear;
  ear.listen_to(*a->node->connect("b", to("b", "@ loop(slots=8)")));
  settle();
  int sent = 0;
  const std::string text(4000, 'x');
  while (sent < 1000 && send(*ear.link, text) == Errc::ok) {
    ++sent;
    settle();
  }
  EXPECT_LT(sent, 64) << "the quota of 64 KiB and the ring bound what is taken";
  EXPECT_EQ(ear.count(EventKind::writable), 0);
  b->ear.keep = false;
  b->ear.kept.clear();
  settle();
  EXPECT_EQ(ear.count(EventKind::writable), 1);
  EXPECT_EQ(send(*ear.link, "again"), Errc::ok);
  settle();
  EXPECT_EQ(b->ear.texts.size(), static_cast<std::size_t>(sent) + 1) << "nothing was lost while it was held";
}

TEST_F(NodeTest, APeerThatComesBackReplacesItsFormerSelf) {
  auto b = serve("b");
  auto first = start("a");
  auto link = *first->node->connect("b", to("b"));
  settle();
  std::shared_ptr<Link> old = b->ear.link;
  auto second = start("a");  // the same name, while b still believes in the first
  auto again = *second->node->connect("b", to("b"));
  engine_.pass(50 * ms);
  EXPECT_TRUE(again->is_up()) << again->error().text();
  EXPECT_EQ(old->state(), Link::State::lost);
  EXPECT_EQ(b->node->links().size(), 1u);
}

TEST_F(NodeTest, StrangersAreBoundedAndTurnedAway) {
  auto b = serve("b");
  std::vector<std::unique_ptr<Endpoint>> strangers;
  for (std::size_t i = 0; i < 2 * Node::waiting_max; ++i) {
    auto endpoint = loop_->dial("b");
    ASSERT_TRUE(endpoint) << endpoint.error().text();
    strangers.push_back(std::move(*endpoint));
    settle();
  }
  auto a = start("a");
  auto link = *a->node->connect("b", to("b"));
  settle();
  EXPECT_TRUE(link->is_up()) << "silent strangers do not keep others out";
  Message garbage = Message::copy_of(engine_.pool(), "GET / HTTP/1.1");
  ASSERT_EQ(strangers.back()->send_setup(std::move(garbage)), Errc::ok);
  settle();
  EXPECT_EQ(b->node->refused_count(), 1u);
  engine_.pass(2 * Node::hello_timeout_ns);
  EXPECT_EQ(b->node->links().size(), 1u);
}

TEST_F(NodeTest, ClosingALinkThatIsNotUpYetCancelsIt) {
  auto a = start("a");
  Ear ear;
  ear.listen_to(*a->node->connect("b", to("nobody")));
  ear.link->close();
  EXPECT_EQ(ear.link->state(), Link::State::closed);
  EXPECT_EQ(ear.link->error().code, Errc::cancelled);
  engine_.pass(100 * ms);
  EXPECT_TRUE(a->node->links().empty());
}

TEST_F(NodeTest, NothingIsLeftAliveAfterEverythingIsClosed) {
  {
    auto b = serve("b");
    auto a = start("a");
    Ear ear;
    ear.listen_to(*a->node->connect("b", to("b")));
    settle();
    for (int i = 0; i < 100; ++i) {
      send(*ear.link, "text");
      settle();
    }
    ear.link->close();
    engine_.pass(100 * ms);
  }
  EXPECT_EQ(engine_.pool().alive_count(), 0u);
}

}  // namespace
}  // namespace harness
