// SPDX-License-Identifier: Apache-2.0
// The link policy: the same answer at both ends, floors that only raise, clear text only by permission and
// shown, and a reason for everything refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include <harness/policies/link.hpp>
#include <harness/stack/node.hpp>
#include <harness/stack/random.hpp>
#include <harness/tests/support/contract_layers.hpp>
#include <harness/tests/support/seed.hpp>

namespace harness::policies {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using namespace property;

class LinkPolicyTest : public testing::Test {
 protected:
  Candidate over(std::string_view transport) const {
    const TransportType* type = catalogue_.transport(transport);
    return {type, OptionValues(type->options), std::string(transport) + ":7001"};
  }
  std::vector<Candidate> over(std::initializer_list<std::string_view> transports) const {
    std::vector<Candidate> all;
    for (std::string_view transport : transports) all.push_back(over(transport));
    return all;
  }
  StackSpec stack(std::string_view text) const { return *stack_from(text, catalogue_); }
  Decision decide(const Place& to, const Wish& wish, const std::vector<Candidate>& candidates) const {
    return decide_link(here_, to, wish, floors_, candidates, catalogue_);
  }
  static std::vector<std::string> texts(const Decision& decision) {
    std::vector<std::string> all;
    for (const Choice& choice : decision.offers) all.push_back(choice.stack.text());
    return all;
  }

  Catalogue catalogue_ = tests::contract_catalogue();
  Place here_{"lab", "host1", "1000", "p1"};
  Place beside_{"lab", "host1", "1000", "p2"};
  Place stranger_{"lab", "host1", "1001", "p2"};  // of another user
  Place near_{"lab", "host2", "1000", "p3"};
  Place far_{"office", "host3", "1000", "p4"};
  Place guest_{"office", "host1", "1000", "p5"};  // of another domain, on the same host
  std::vector<Floor> floors_;
};

TEST_F(LinkPolicyTest, TrustFollowsFromWhatTwoPlacesHaveInCommon) {
  EXPECT_EQ(trust_between(here_, here_), same_process);
  EXPECT_EQ(trust_between(here_, beside_), same_user);
  EXPECT_EQ(trust_between(here_, stranger_), same_host);
  EXPECT_EQ(trust_between(here_, near_), same_domain);
  EXPECT_EQ(trust_between(here_, far_), none);
  EXPECT_EQ(trust_between(here_, guest_), none);
  EXPECT_EQ(trust_between({"lab", "", "1000", "p"}, {"lab", "", "1000", "p"}), same_domain)
      << "an unknown host is no host in common";
  EXPECT_EQ(trust_between({"lab", "h", "", "p"}, {"lab", "h", "", "p"}), same_host) << "nor an unknown user";
  EXPECT_EQ(trust_between({"", "h", "1000", "p"}, {"", "h", "1000", "p"}), none) << "nor an unknown domain";
}

// Every way to the peer, by what the two have in common: what is offered, and what stands against the rest.
TEST_F(LinkPolicyTest, TheFactsAboutTwoNodesDecideWhichTransportsTheyMeetOver) {
  struct Row {
    std::string_view what;
    Place to;
    std::vector<std::string> offers;
    std::vector<std::string> refusals;
  };
  const std::string other_host = "shm does not reach the peer: it joins two ends with the same user; their ";
  const Row rows[] = {
      {"this process", here_, {"@ loop", "@ shm", "reliable @ udp", "@ tcp"}, {}},
      {"same user",
       beside_,
       {"@ shm", "reliable @ udp", "@ tcp"},
       {"loop does not reach the peer: it joins two ends with the same process; their processes are p1 and "
        "p2"}},
      {"another user",
       stranger_,
       {"reliable @ udp", "@ tcp"},
       {"loop does not reach the peer: it joins two ends with the same process; their users are 1000 and "
        "1001",
        other_host + "users are 1000 and 1001"}},
      {"another host",
       near_,
       {"reliable @ udp", "@ tcp"},
       {"loop does not reach the peer: it joins two ends with the same process; their hosts are host1 and "
        "host2",
        other_host + "hosts are host1 and host2"}},
      {"unknown host",
       {"lab", "", "1000", ""},
       {"reliable @ udp", "@ tcp"},
       {"loop does not reach the peer: it joins two ends with the same process; it is not known that they "
        "have "
        "one host",
        "shm does not reach the peer: it joins two ends with the same user; it is not known that they have "
        "one "
        "host"}},
      {"another domain, although on this host",
       guest_,
       {"reliable / encrypt @ udp", "encrypt @ tcp"},
       {"loop does not reach the peer: it joins two ends with the same process; their domains are lab and "
        "office",
        other_host + "domains are lab and office"}},
  };
  for (const Row& row : rows) {
    const Decision decision = decide(row.to, {{reliable}, {}, {}}, over({"tcp", "udp", "shm", "loop"}));
    EXPECT_EQ(texts(decision), row.offers) << row.what;
    std::vector<std::string> refusals;
    for (const Refusal& one : decision.refused) {
      refusals.push_back(one.why.what + ": " + one.why.because);
      EXPECT_FALSE(one.why.advice.empty()) << row.what;
      EXPECT_FALSE(one.address.empty()) << row.what;
    }
    EXPECT_EQ(refusals, row.refusals) << row.what;
    ASSERT_EQ(decision.unasked.size(), 1u) << row.what << ": of a transport without an address";
    EXPECT_EQ(decision.unasked[0].what, "rdma");
    EXPECT_EQ(decision.unasked[0].why.what, "the peer has no address for rdma");
  }
}

TEST_F(LinkPolicyTest, APreferenceFallsThroughToWhatItNamesAndToNothingElse) {
  const auto all = over({"tcp", "udp", "shm"});
  const Decision allowed = decide(near_, {{reliable}, {"shm", "tcp"}, {}}, all);
  EXPECT_THAT(texts(allowed), ElementsAre("@ tcp"));
  ASSERT_EQ(allowed.refused.size(), 1u);
  EXPECT_EQ(allowed.refused[0].what, "shm");
  ASSERT_EQ(allowed.unasked.size(), 3u);
  EXPECT_EQ(allowed.unasked[0].what, "reliable @ udp");
  EXPECT_EQ(allowed.unasked[0].why.because, "the link prefers shm, tcp, and nothing else is tried");

  const Decision strict = decide(near_, {{reliable}, {"shm"}, {}}, all);
  EXPECT_THAT(strict.offers, IsEmpty());
  const Error error = why_no_link(strict);
  EXPECT_EQ(error.code, Errc::unreachable);
  EXPECT_EQ(error.what, "shm does not reach the peer");
  EXPECT_EQ(error.because, "it joins two ends with the same user; their hosts are host1 and host2");
  EXPECT_EQ(error.advice, "add udp to prefer: reliable @ udp would do");
}

TEST_F(LinkPolicyTest, WrittenStacksFallThroughToEachOtherAndToNothingElse) {
  const auto all = over({"tcp", "shm"});
  const Wish both{{reliable}, {}, {stack("@ shm"), stack("@ tcp")}};
  EXPECT_THAT(texts(decide(beside_, both, all)), ElementsAre("@ shm", "@ tcp"));
  EXPECT_THAT(texts(decide(near_, both, all)), ElementsAre("@ tcp"));
  const Decision strict = decide(near_, {{reliable}, {}, {stack("@ shm")}}, all);
  EXPECT_THAT(strict.offers, IsEmpty());
  EXPECT_EQ(why_no_link(strict).advice, "add | @ tcp to its stack");
}

TEST_F(LinkPolicyTest, EveryAddressOfTheTransportIsOffered) {
  std::vector<Candidate> two = over({"tcp", "tcp"});
  two[1].address = "tcp:7002";
  for (const Wish& wish :
       {Wish{{reliable}, {}, {}}, Wish{{reliable}, {"tcp"}, {}}, Wish{{reliable}, {}, {stack("@ tcp")}}}) {
    const Decision decision = decide(near_, wish, two);
    ASSERT_EQ(decision.offers.size(), 2u);
    EXPECT_EQ(decision.offers[0].address, "tcp:7001");
    EXPECT_EQ(decision.offers[1].address, "tcp:7002");
  }
}

TEST_F(LinkPolicyTest, AStackThatIsDisturbedOnPurposeSaysSo) {
  const Wish wish{{reliable}, {}, {stack("reliable / fault_drop @ udp"), stack("check_fifo @ tcp")}};
  const Decision decision = decide(near_, wish, over({"udp", "tcp"}));
  ASSERT_EQ(decision.offers.size(), 2u);
  EXPECT_EQ(decision.offers[0].why, "written; disturbed on purpose by fault_drop");
  EXPECT_EQ(decision.offers[1].why, "written") << "a checker disturbs nothing";
}

TEST_F(LinkPolicyTest, OffersTheCheapestStackFirstWhenNobodyPrefersATransport) {
  const Decision decision =
      decide(beside_, {{reliable | fifo, 1 << 20}, {}, {}}, over({"tcp", "udp", "shm"}));
  EXPECT_THAT(texts(decision), ElementsAre("frag @ shm", "order / frag / reliable @ udp", "frag @ tcp"));
  EXPECT_EQ(decision.offers[0].why, "cheapest for reliable, fifo over shm, as both have the same user");
  EXPECT_THAT(decision.offers[2].why, HasSubstr("cheapest for reliable, fifo over tcp"));
  EXPECT_EQ(decision.offers[0].address, "shm:7001");
}

TEST_F(LinkPolicyTest, OffersInTheOrderOfThePreferredTransportsAndNoOthers) {
  const Decision decision =
      decide(beside_, {{reliable}, {"tcp", "udp", "rdma"}, {}}, over({"shm", "udp", "tcp"}));
  EXPECT_THAT(texts(decision), ElementsAre("@ tcp", "reliable @ udp"));
  ASSERT_EQ(decision.refused.size(), 1u);
  EXPECT_EQ(decision.refused[0].what, "rdma");
  EXPECT_THAT(decision.refused[0].why.text(), HasSubstr("the peer has no address for rdma"));
}

TEST_F(LinkPolicyTest, BothEndsDecideTheSameInWhateverOrderTheFactsCome) {
  const std::uint64_t seed = tests::seed(5);
  SCOPED_TRACE(testing::Message() << "HARNESS_SEED=" << seed);
  Random random(seed);
  floors_ = {{"lab", "office", encrypted}, {"office", "lab", reliable}};
  const Place places[] = {here_, beside_, stranger_, near_, far_, guest_};
  const Properties wishes[] = {none, reliable | fifo, channels | compact, put_emulated | reliable,
                               checked32 | fifo};
  for (int i = 0; i < 300; ++i) {
    const Place& to = places[random.below(std::size(places))];
    const Wish wish{{wishes[random.below(5)], random.below(2) != 0 ? 1u << 20 : 0}, {}, {}};
    std::vector<Candidate> candidates = over({"udp", "tcp", "shm", "rdma", "loop"});
    const Decision one = decide_link(here_, to, wish, floors_, candidates, catalogue_);
    for (std::size_t j = candidates.size(); j > 1; --j)
      std::swap(candidates[j - 1], candidates[random.below(j)]);
    std::reverse(floors_.begin(), floors_.end());
    const Decision other = decide_link(to, here_, wish, floors_, candidates, catalogue_);
    EXPECT_EQ(texts(one), texts(other));
    EXPECT_EQ(one.needs.word, other.needs.word);
    EXPECT_EQ(one.refused.size(), other.refused.size());
  }
}

TEST_F(LinkPolicyTest, ALinkBetweenDomainsIsEncryptedWhoeverAsks) {
  const Decision decision = decide(far_, {{reliable | fifo}, {}, {}}, over({"tcp", "udp"}));
  EXPECT_THAT(texts(decision), ElementsAre("order / reliable / encrypt @ udp", "encrypt @ tcp"));
  EXPECT_EQ(with_domain_floor({reliable | fifo}, decision.trust).word, decision.needs.word)
      << "what Node demands";
}

TEST_F(LinkPolicyTest, WithoutAnEncryptingLayerThereIsNoLinkBetweenDomains) {
  Catalogue plain;
  for (const LayerType& layer : catalogue_.layers())
    if (!layer.descriptor->contract.encrypts) plain.add(layer);
  for (const TransportType& transport : catalogue_.transports()) plain.add(transport);
  const Wish wish{{reliable | fifo}, {"udp"}, {}};
  const Decision refused = decide_link(here_, far_, wish, {}, over({"udp"}), plain);
  EXPECT_THAT(refused.offers, IsEmpty());
  EXPECT_THAT(why_no_link(refused).text(), HasSubstr("no layer here gives encrypted"));
  const Wish written{{reliable}, {}, {*stack_from("reliable @ udp", plain)}};
  EXPECT_THAT(decide_link(here_, far_, written, {}, over({"udp"}), plain).offers, IsEmpty());
  EXPECT_THAT(why_no_link(decide(far_, {{reliable}, {}, {stack("reliable @ udp")}}, over({"udp"}))).advice,
              HasSubstr("reliable / encrypt @ udp"))
      << "where encryption is possible, that is the advice";
}

TEST_F(LinkPolicyTest, WhoWritesOnlyStacksThatEncryptNeedsThatOfThePeersOffersToo) {
  const auto needs_of = [&](std::vector<StackSpec> stacks) {
    return decide_link(here_, here_, {{reliable}, {}, std::move(stacks)}, {}, over({"tcp"}), catalogue_)
        .needs.word;
  };
  EXPECT_TRUE(needs_of({stack("frag / encrypt @ tcp")}).covers(encrypted | authenticated));
  EXPECT_FALSE(needs_of({stack("frag / encrypt @ tcp"), stack("frag @ tcp")}).intersects(encrypted));
}

TEST_F(LinkPolicyTest, FloorsOfTheTwoDomainsRaiseTheNeedsAndOthersDoNot) {
  floors_ = {{"office", "lab", no_duplicates}, {"lab", "lab", checked32}, {"lab", "elsewhere", views}};
  EXPECT_TRUE(decide(far_, {{}, {}, {}}, over({"udp"})).needs.word.covers(no_duplicates));
  EXPECT_EQ(decide(near_, {{reliable}, {}, {}}, over({"udp"})).needs.word, reliable | checked32);
  EXPECT_THAT(texts(decide(near_, {{reliable}, {}, {}}, over({"udp"}))),
              ElementsAre("reliable / checksum @ udp"));
}

TEST_F(LinkPolicyTest, ALinkThatOnlyAFloorForbidsSaysThatTheFloorIsNotMet) {
  floors_ = {{"lab", "lab", encrypted}, {"lab", "lab", views}};
  const Error derived = why_no_link(decide(near_, {{reliable}, {}, {}}, over({"udp"})));
  EXPECT_EQ(derived.what, "the floor is not met");
  EXPECT_EQ(derived.code, Errc::denied);
  EXPECT_THAT(derived.because, HasSubstr("links within lab must give encrypted"));
  EXPECT_THAT(derived.because, HasSubstr("no stack over udp gives"));
  floors_.pop_back();
  const Error written = why_no_link(decide(near_, {{reliable}, {}, {stack("@ tcp")}}, over({"tcp"})));
  EXPECT_EQ(written.what, "the floor is not met");
  EXPECT_THAT(written.advice, HasSubstr("encrypt @ tcp"));
  const Error wish =
      why_no_link(decide(near_, {{reliable | fifo}, {}, {stack("reliable @ udp")}}, over({"udp"})));
  EXPECT_NE(wish.what, "the floor is not met") << "it does not give what was wished either";
}

TEST_F(LinkPolicyTest, AWrittenStackIsCheckedAgainstNeedsAndFloors) {
  Wish wish{{reliable | fifo},
            {},
            {stack("reliable @ udp"), stack("order / reliable @ udp"), stack("@ tcp"), stack("@ shm")}};
  const Decision decision = decide(near_, wish, over({"udp", "tcp"}));
  EXPECT_THAT(texts(decision), ElementsAre("order / reliable @ udp", "@ tcp"));
  EXPECT_EQ(decision.offers[0].why, "written");
  ASSERT_EQ(decision.refused.size(), 2u);
  EXPECT_THAT(decision.refused[0].why.text(), HasSubstr("the link needs fifo"));
  EXPECT_THAT(decision.refused[1].why.text(), HasSubstr("shm does not reach the peer"));
}

TEST_F(LinkPolicyTest, ATransportThatDoesNotReachSoFarIsRefusedWithThatReason) {
  const Decision decision = decide(near_, {{reliable}, {}, {}}, over({"shm"}));
  EXPECT_THAT(decision.offers, IsEmpty());
  EXPECT_THAT(why_no_link(decision).text(), HasSubstr("shm does not reach the peer"));
  EXPECT_THAT(why_no_link(decide(near_, {{reliable}, {}, {}}, {})).text(), HasSubstr("no address"));
}

TEST_F(LinkPolicyTest, WhyNoLinkNamesEveryRefusal) {
  const Error error = why_no_link(decide(near_, {{views}, {"tcp", "udp"}, {}}, over({"udp", "tcp"})));
  EXPECT_EQ(error.code, Errc::unsupported);
  EXPECT_THAT(error.text(), HasSubstr("no stack over tcp gives views"));
  EXPECT_THAT(error.text(), HasSubstr("also refused: udp: no stack over udp gives views"));
}

}  // namespace
}  // namespace harness::policies
