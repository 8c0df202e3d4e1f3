// SPDX-License-Identifier: Apache-2.0
// Whom a link dials: offers in their order, every address, again when nobody answers.
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

TEST_F(NodeTest, DiallingNobodyIsTriedAgainUntilTheTimeIsUp) {
  auto a = start("a");
  LinkOptions options = to("nobody");
  options.timeout_ns = 300 * ms;
  Ear ear;
  ear.listen_to(*a->node->connect("b", options));
  engine_.pass(200 * ms);
  EXPECT_EQ(ear.link->state(), Link::State::dialing);
  engine_.pass(2000 * ms);
  EXPECT_EQ(ear.link->state(), Link::State::lost);
  EXPECT_EQ(ear.link->error().code, Errc::unreachable);
  EXPECT_THAT(ear.events, ElementsAre(EventKind::peer_lost));
}

TEST_F(NodeTest, ALinkOpensWhenTheListenerComesLater) {
  auto a = start("a");
  auto link = *a->node->connect("b", to("b"));
  engine_.pass(100 * ms);
  EXPECT_EQ(link->state(), Link::State::dialing);
  auto b = serve("b");
  engine_.pass(2000 * ms);
  EXPECT_TRUE(link->is_up()) << link->error().text();
}

TEST_F(NodeTest, ThePeerTakesTheFirstOfferItKnows) {
  auto b = serve("b");
  auto a = start("a");
  Catalogue richer = catalogue_;
  LayerType extra;
  static constexpr Descriptor descriptor{.name = "extra", .summary = "unknown to b"};
  extra.descriptor = &descriptor;
  extra.size = 1;
  extra.construct = [](void*, const OptionValues&, LayerContext&) {};
  extra.destroy = [](void*) noexcept {};
  richer.add(extra);
  LinkOptions options = to("b");
  options.offers.insert(options.offers.begin(), {*stack_from("extra @ loop", richer), "b"});
  auto link = *a->node->connect("b", options);
  settle();
  ASSERT_TRUE(link->is_up()) << link->error().text();
  EXPECT_EQ(link->stack()->spec().text(), "@ loop");

  LinkOptions only = to("b", "@ loop", "second");
  only.offers = {{*stack_from("extra @ loop", richer), "b"}};
  auto refused = *a->node->connect("b", only);
  settle();
  EXPECT_EQ(refused->state(), Link::State::lost);
  EXPECT_THAT(refused->error().text(), HasSubstr("extra"));
}

TEST_F(NodeTest, EveryAddressIsTriedInTurnAndEachFailureKeptWithItsReason) {
  auto b = serve("b");
  auto a = start("a");
  LinkOptions options = to("nobody");
  options.offers.push_back(to("nobody either").offers[0]);
  options.offers.push_back(to("b").offers[0]);
  options.offers.push_back(to("b too").offers[0]);
  auto link = *a->node->connect("b", std::move(options));
  for (int i = 0; i < 4; ++i) settle(), engine_.pass(ms);  // the next address is dialled by a timer
  ASSERT_TRUE(link->is_up()) << link->error().text();
  EXPECT_EQ(link->chosen(), 2u);
  for (const std::size_t failed : {0u, 1u}) {
    ASSERT_NE(link->failure(failed), nullptr);
    EXPECT_THAT(link->failure(failed)->text(), HasSubstr(failed == 0 ? "nobody" : "nobody either"));
  }
  EXPECT_EQ(link->failure(2), nullptr);
  EXPECT_EQ(link->failure(3), nullptr);
}

TEST_F(NodeTest, ALinkToWhoeverAnswersIsFoundUnderTheNameThatAnswered) {
  auto b = serve("b");
  auto a = start("a");
  auto link = *a->node->connect("", to("b"));
  EXPECT_EQ(a->node->find("", "main"), link);
  settle();
  EXPECT_EQ(a->node->find("b", "main"), link);
  EXPECT_EQ(a->node->find("", "main"), nullptr);
  ASSERT_FALSE(a->node->connect("b", to("b")));
  link->close();
  settle();
  EXPECT_TRUE(a->node->links().empty());
}

}  // namespace
}  // namespace harness
