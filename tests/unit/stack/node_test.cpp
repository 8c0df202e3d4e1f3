// SPDX-License-Identifier: Apache-2.0
// Nodes and links over loop: opening, refusing, both sides dialling, closing, losing.
#include <harness/stack/node.hpp>

#include <deque>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <harness/transports/loop.hpp>

#include <harness/tests/support/manual_engine.hpp>

namespace harness {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::uint64_t ms = 1'000'000;

/// What the application at one end of a link hears.
struct Ear {
  void listen_to(const std::shared_ptr<Link>& heard) {
    link = heard;
    link->on_message([this](Message&& message) {
      texts.emplace_back(message.text());
      if (keep) kept.push_back(std::move(message));
    });
    link->on_event([this](const Event& event) { events.push_back(event.kind); });
  }
  [[nodiscard]] int count(EventKind kind) const {
    return static_cast<int>(std::count(events.begin(), events.end(), kind));
  }

  std::shared_ptr<Link> link;
  std::vector<std::string> texts;
  std::vector<EventKind> events;
  std::deque<Message> kept;
  bool keep = false;
};

class NodeTest : public testing::Test {
 protected:
  NodeTest() { catalogue_.add(transports::Loop::type()); }

  struct Host {
    std::unique_ptr<Node> node;
    Ear ear;  // of links that others opened
  };

  std::unique_ptr<Host> start(const std::string& name, const std::string& domain = "lab") {
    auto host = std::make_unique<Host>();
    host->node = std::make_unique<Node>(engine_, catalogue_, NodeOptions{name, domain, "host"});
    host->node->add(loop_);
    host->node->on_link([raw = host.get()](const std::shared_ptr<Link>& link) { raw->ear.listen_to(link); });
    return host;
  }
  std::unique_ptr<Host> serve(const std::string& name, const std::string& domain = "lab") {
    auto host = start(name, domain);
    auto address = host->node->listen("loop:" + name);
    EXPECT_TRUE(address) << address.error().text();
    return host;
  }
  LinkOptions to(const std::string& address, const std::string& stack = "@ loop",
                 const std::string& name = "main") {
    LinkOptions options;
    options.name = name;
    auto spec = stack_from(stack, catalogue_);
    EXPECT_TRUE(spec) << spec.error().text();
    options.offers = {{*spec, address}};
    return options;
  }
  Errc send(Link& link, std::string_view text) {
    Message message = Message::copy_of(engine_.pool(), text);
    return link.send(std::move(message));
  }
  void settle() { engine_.settle(); }

  tests::ManualEngine engine_;
  Catalogue catalogue_;
  std::shared_ptr<transports::Loop> loop_ = [this] {
    auto loop = std::make_shared<transports::Loop>(engine_);
    engine_.add(*loop);
    return loop;
  }();
};

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

TEST_F(NodeTest, AnotherDomainIsRefusedUnlessBothEndsAllowClearText) {
  auto b = serve("b", "lab");
  auto a = start("a", "office");
  auto refused = *a->node->connect("b", to("b"));
  settle();
  EXPECT_EQ(refused->error().code, Errc::denied);
  EXPECT_THAT(refused->error().advice, HasSubstr("allow_clear"));

  b->node->set_admission([](const setup::Identity&, const std::string&) {
    Admission admission;
    admission.floor.allow_clear = true;
    return admission;
  });
  auto one_sided = *a->node->connect("b", to("b"));
  settle();
  EXPECT_EQ(one_sided->state(), Link::State::lost) << "only the responder allows clear text";

  LinkOptions clear = to("b");
  clear.needs.allow_clear = true;
  auto link = *a->node->connect("b", clear);
  settle();
  ASSERT_TRUE(link->is_up()) << link->error().text();
  EXPECT_TRUE(link->is_clear());
  EXPECT_TRUE(b->ear.link->is_clear());
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
