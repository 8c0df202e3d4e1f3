// SPDX-License-Identifier: Apache-2.0
// Links whose set-up carries a handshake: who gets in, and what somebody in between can and cannot do.
#include <harness/tests/unit/stack/handshake_fixture.hpp>

namespace harness::tests {
namespace {

using State = Link::State;

TEST_F(HandshakeTest, ALinkOpensAcrossDomainsAndBothEndsKnowWhoThePeerIs) {
  auto a = prove("a", "north");
  auto b = prove("b", "south");
  auto link = dial(*a->node, "b", "b", "frag / vouch @ loop");
  a->ear.listen_to(link);
  settle();
  ASSERT_EQ(link->state(), State::up) << link->error().text();
  ASSERT_NE(b->ear.link, nullptr);
  ASSERT_NE(link->proven(), nullptr);
  EXPECT_EQ(link->proven()->name, "b");
  EXPECT_EQ(link->proven()->domain, "south");
  ASSERT_NE(b->ear.link->proven(), nullptr);
  EXPECT_EQ(b->ear.link->proven()->name, "a");
  ASSERT_EQ(send(*link, "forth"), Errc::ok);
  ASSERT_EQ(send(*b->ear.link, "back"), Errc::ok);
  settle();
  EXPECT_EQ(b->ear.texts, std::vector<std::string>{"forth"});
  EXPECT_EQ(a->ear.texts, std::vector<std::string>{"back"});
  link->close();
  settle();
  engine_.pass(10 * ms);
  EXPECT_EQ(link->state(), State::closed);
  EXPECT_EQ(b->ear.link->state(), State::closed);
}

TEST_F(HandshakeTest, ThereIsNoLinkBeforeThePeerHasProvedItself) {
  auto a = prove("a");
  auto b = prove("b");
  auto middle = stand_between("b");
  middle->edit = [](bool forth, setup::Frame frame) -> std::optional<setup::Frame> {
    if (forth && std::holds_alternative<setup::Ready>(frame)) return std::nullopt;
    return frame;
  };
  auto link = dial(*a->node, "b", "middle");
  settle();
  EXPECT_EQ(link->state(), State::up);
  EXPECT_TRUE(b->node->links().empty());
  EXPECT_EQ(b->ear.link, nullptr);
  engine_.pass(Node::hello_timeout_ns + ms);
  settle();
  EXPECT_EQ(link->state(), State::lost);  // whoever did not prove itself in time is cut off
}

TEST_F(HandshakeTest, ANodeWithoutACertificateIsToldSoAtBothEnds) {
  auto bare = serve("bare");
  auto a = prove("a");
  auto from_bare = dial(*bare->node, "a", "a");
  settle();
  engine_.pass(600 * ms);
  EXPECT_EQ(from_bare->state(), State::lost);
  EXPECT_EQ(from_bare->error().code, Errc::denied);
  EXPECT_NE(from_bare->error().because.find("certificate"), std::string::npos);
  auto to_bare = dial(*a->node, "bare", "bare");
  settle();
  EXPECT_EQ(to_bare->state(), State::lost);
  EXPECT_EQ(to_bare->error().code, Errc::denied);
}

TEST_F(HandshakeTest, AHelloWithoutAHandshakeOpensNoEncryptedLink) {
  auto a = prove("a");
  auto b = prove("b");
  auto middle = stand_between("b");
  middle->edit = [](bool, setup::Frame frame) -> std::optional<setup::Frame> {
    if (auto* hello = std::get_if<setup::Hello>(&frame)) hello->proof.clear();
    return frame;
  };
  auto link = dial(*a->node, "b", "middle");
  settle();
  engine_.pass(600 * ms);
  EXPECT_EQ(b->ear.link, nullptr) << "not for a moment";
  EXPECT_EQ(link->state(), State::lost);
  EXPECT_NE(link->error().what.find("without a handshake"), std::string::npos) << link->error().text();
}

TEST_F(HandshakeTest, ANameOrADomainThatTheCertificateDoesNotBearIsDenied) {
  const std::unique_ptr<Proven> liars[] = {prove("mallory", "lab", "a"),
                                           prove("c", "north", "c", true, "lab")};
  auto b = prove("b");
  for (const auto& liar : liars) {
    const std::string& claimed = liar->node->identity().name;
    SCOPED_TRACE(claimed);
    auto link = dial(*liar->node, "b", "b");
    settle();
    EXPECT_EQ(b->ear.link, nullptr);
    EXPECT_EQ(link->state(), State::lost);
    auto asked = dial(*b->node, claimed, claimed);
    settle();
    EXPECT_EQ(asked->state(), State::lost);
    EXPECT_EQ(asked->error().code, Errc::denied);
    const Principal& real = liar->authority.self();
    EXPECT_NE(asked->error().because.find(real.name + " of " + real.domain), std::string::npos)
        << asked->error().text();
  }
}

TEST_F(HandshakeTest, ARevokedPeerIsDeniedWithTheReason) {
  auto a = prove("a");
  auto b = prove("b");
  a->authority.revoked.insert("b");
  auto link = dial(*a->node, "b", "b");
  settle();
  EXPECT_EQ(link->state(), State::lost);
  EXPECT_EQ(link->error().code, Errc::denied);
  EXPECT_NE(link->error().what.find("revoked"), std::string::npos);
}

TEST_F(HandshakeTest, WhoIsNotLetInHearsWhy) {
  auto a = prove("a");
  auto b = prove("b");
  b->authority.revoked.insert("a");
  auto link = dial(*a->node, "b", "b");
  settle();
  EXPECT_EQ(link->state(), State::lost);
  EXPECT_EQ(link->error().code, Errc::denied);
  EXPECT_NE(link->error().what.find("revoked"), std::string::npos) << link->error().text();
  EXPECT_EQ(b->ear.link, nullptr);
}

TEST_F(HandshakeTest, ALinkThatIsClosedAsItOpensIsThereAtNeitherEnd) {
  auto a = prove("a");
  auto b = prove("b");
  b->node->on_link([](const std::shared_ptr<Link>& link) { link->close(); });
  for (const char* stack : {"vouch @ loop", "frag @ loop"}) {
    auto link = dial(*a->node, "b", "b", stack);
    settle();
    EXPECT_EQ(link->state(), State::lost) << stack;
    EXPECT_NE(link->error().what.find("closed link"), std::string::npos) << link->error().text();
    EXPECT_TRUE(a->node->links().empty() && b->node->links().empty());
  }
}

// A change of one field of one kind of frame.
struct Change {
  template <class F>
  Change(const char* field, void (*change)(F&))
      : name(field), apply([change](setup::Frame& frame) {
          if (F* found = std::get_if<F>(&frame)) change(*found);
        }) {}
  const char* name;
  std::function<void(setup::Frame&)> apply;
};

// Every field that a handshake binds, and the handshake itself.
std::vector<Change> changes() {
  using setup::Accept;
  using setup::Hello;
  using setup::Ready;
  return {{"hello.from.host", +[](Hello& hello) { hello.from.host += "x"; }},
          {"hello.from.user", +[](Hello& hello) { hello.from.user += "x"; }},
          {"hello.from.name", +[](Hello& hello) { hello.from.name = "c"; }},
          {"hello.from.incarnation", +[](Hello& hello) { ++hello.from.incarnation; }},
          {"hello.to", +[](Hello& hello) { hello.to.clear(); }},
          {"hello.link", +[](Hello& hello) { hello.link = "other"; }},
          {"hello.quota", +[](Hello& hello) { ++hello.limits.quota_bytes; }},
          {"hello.max_message", +[](Hello& hello) { --hello.limits.max_message; }},
          {"hello.floor", +[](Hello& hello) { hello.floor.bits ^= 1; }},
          {"one offer less", +[](Hello& hello) { hello.offers.pop_back(); }},
          {"only the clear offer", +[](Hello& hello) { hello.offers.erase(hello.offers.begin()); }},
          {"offers turned round", +[](Hello& hello) { std::swap(hello.offers[0], hello.offers[1]); }},
          {"hello.proof", +[](Hello& hello) { hello.proof[0] ^= std::byte{1}; }},
          {"hello.proof gone", +[](Hello& hello) { hello.proof.clear(); }},
          {"hello.from.domain", +[](Hello& hello) { hello.from.domain += "x"; }},
          {"accept.from.host", +[](Accept& accept) { accept.from.host += "x"; }},
          {"accept.choice", +[](Accept& accept) { accept.choice ^= 1; }},
          {"accept.quota", +[](Accept& accept) { ++accept.limits.quota_bytes; }},
          {"accept.floor", +[](Accept& accept) { accept.floor.bits ^= 1; }},
          {"accept.proof", +[](Accept& accept) { accept.proof[9] ^= std::byte{1}; }},
          {"accept.proof gone", +[](Accept& accept) { accept.proof.clear(); }},
          {"ready.proof", +[](Ready& ready) { ready.proof[3] ^= std::byte{1}; }},
          {"ready.proof gone", +[](Ready& ready) { ready.proof.clear(); }}};
}

TEST_F(HandshakeTest, AnythingChangedOnTheWayEndsTheAttempt) {
  auto a = prove("a");
  auto b = prove("b");
  auto middle = stand_between("b");
  for (const Change& change : changes()) {
    SCOPED_TRACE(change.name);
    bool changed = false;
    middle->edit = [&](bool, setup::Frame frame) -> std::optional<setup::Frame> {
      const setup::Frame before = frame;
      change.apply(frame);
      changed = changed || !(frame == before);
      return frame;
    };
    // The clear stack is allowed within a domain; that it was not chosen must not depend on who is between.
    LinkOptions options = to("middle", "frag / vouch @ loop", "main");
    options.offers.push_back({*stack_from("frag @ loop", catalogue_), "middle"});
    options.timeout_ns = 200 * ms;
    auto link = a->node->connect("b", options);
    ASSERT_TRUE(link);
    settle();
    EXPECT_TRUE(changed);
    if ((*link)->is_up()) {
      EXPECT_EQ(send(**link, "never"), Errc::ok);
    }
    engine_.pass(Node::hello_timeout_ns + ms);
    settle();
    EXPECT_NE((*link)->state(), State::up);
    EXPECT_TRUE(b->ear.texts.empty());
    EXPECT_TRUE(b->node->links().empty());
  }
}

TEST_F(HandshakeTest, AHelloInThePeersNameEndsNoLink) {
  auto a = prove("a");
  auto b = prove("b");
  auto link = dial(*a->node, "b", "b");
  settle();
  ASSERT_TRUE(link->is_up());
  auto liar = prove("mallory", "lab", "a2");
  auto middle = stand_between("b");
  middle->edit = [](bool, setup::Frame frame) -> std::optional<setup::Frame> {
    if (auto* hello = std::get_if<setup::Hello>(&frame)) hello->from.name = "a";
    return frame;
  };
  auto forged = dial(*liar->node, "b", "middle");
  settle();
  engine_.pass(600 * ms);
  EXPECT_FALSE(forged->is_up());
  EXPECT_TRUE(link->is_up());
  ASSERT_EQ(send(*link, "still here"), Errc::ok);
  settle();
  EXPECT_EQ(b->ear.texts, std::vector<std::string>{"still here"});
}

TEST_F(HandshakeTest, AHelloInClearEndsNoEncryptedLink) {
  auto a = prove("a");
  auto b = prove("b");
  auto link = dial(*a->node, "b", "b");
  settle();
  ASSERT_TRUE(link->is_up());
  auto liar = start("a");  // no certificate, and the stack that it offers asks for none
  auto forged = dial(*liar->node, "b", "b", "frag @ loop");
  settle();
  EXPECT_EQ(forged->state(), State::lost);
  EXPECT_EQ(forged->error().code, Errc::denied);
  EXPECT_NE(forged->error().because.find("proves nothing"), std::string::npos) << forged->error().text();
  EXPECT_TRUE(link->is_up());
  ASSERT_EQ(send(*link, "still here"), Errc::ok);
  settle();
  EXPECT_EQ(b->ear.texts, std::vector<std::string>{"still here"});
}

TEST_F(HandshakeTest, AHelloInClearTakesNoEncryptedAttemptOver) {
  auto a = prove("a");
  auto link = dial(*a->node, "b", "nobody yet");
  settle();
  auto liar = start("b");
  auto forged = dial(*liar->node, "a", "a", "frag @ loop");
  settle();
  EXPECT_EQ(forged->state(), State::lost);
  EXPECT_EQ(link->state(), State::dialing);
}

TEST_F(HandshakeTest, APeerThatComesBackReplacesItsFormerSelfOnceItHasProvedItself) {
  auto b = prove("b");
  auto first = prove("a", "lab", "a", false);
  auto link = dial(*first->node, "b", "b");
  settle();
  const std::shared_ptr<Link> old = b->ear.link;
  auto second = prove("a", "lab", "a", false);  // while b still believes in the first
  auto again = dial(*second->node, "b", "b");
  engine_.pass(50 * ms);
  EXPECT_TRUE(again->is_up()) << again->error().text();
  EXPECT_EQ(old->state(), State::lost);
  EXPECT_EQ(b->node->links().size(), 1u);
}

TEST_F(HandshakeTest, AFinOfSomebodyElseClosesNothing) {
  auto a = prove("a");
  auto b = prove("b");
  auto middle = stand_between("b");
  std::uint64_t attempt = 0;
  middle->edit = [&](bool, setup::Frame frame) -> std::optional<setup::Frame> {
    if (auto* hello = std::get_if<setup::Hello>(&frame)) attempt = hello->attempt;
    return frame;
  };
  auto link = dial(*a->node, "b", "middle");
  settle();
  ASSERT_TRUE(link->is_up());
  for (const bool forth : {true, false}) {
    middle->inject(forth, setup::Fin{attempt, 0, 0, 0, {}});
    middle->inject(forth, setup::Fin{attempt, 0, 0, 0, setup::Proof(16)});
    settle();
    engine_.pass(10 * ms);
    EXPECT_TRUE(link->is_up());
    EXPECT_TRUE(b->ear.link->is_up());
  }
  std::optional<setup::Fin> seen;
  middle->edit = [&](bool forth, setup::Frame frame) -> std::optional<setup::Frame> {
    if (const auto* fin = std::get_if<setup::Fin>(&frame); fin != nullptr && forth) seen = *fin;
    if (std::holds_alternative<setup::Fin>(frame)) return std::nullopt;
    return frame;
  };
  link->close();
  engine_.pass(10 * ms);
  ASSERT_TRUE(seen);
  EXPECT_TRUE(b->ear.link->is_up());
  middle->inject(true, *seen);  // b answers it, and its own FIN is lost
  settle();
  engine_.pass(10 * ms);
  EXPECT_NE(b->ear.link->state(), State::up);
  middle->inject(false, *seen);  // a reflected one is not the peer's
  settle();
  engine_.pass(10 * ms);
  EXPECT_EQ(link->state(), State::closing);
}

TEST_F(HandshakeTest, WhenBothSidesDialOneLinkRemains) {
  auto a = prove("a");
  auto b = prove("b");
  auto forth = dial(*a->node, "b", "b");
  auto back = dial(*b->node, "a", "a");
  settle();
  engine_.pass(400 * ms);
  EXPECT_EQ(a->node->links().size(), 1u);
  EXPECT_EQ(b->node->links().size(), 1u);
  const auto mine = a->node->find("b", "main");
  const auto theirs = b->node->find("a", "main");
  ASSERT_NE(mine, nullptr);
  ASSERT_NE(theirs, nullptr);
  EXPECT_TRUE(mine->is_up());
  EXPECT_TRUE(theirs->is_up());
  ASSERT_EQ(send(*mine, "one"), Errc::ok);
}

TEST_F(HandshakeTest, AFloorOfTheAuthorityRefusesAStackBelowIt) {
  auto a = prove("a");
  auto b = prove("b");
  b->authority.floor_word = property::encrypted;
  auto link = dial(*a->node, "b", "b", "frag @ loop");
  settle();
  EXPECT_EQ(link->state(), State::lost);
  EXPECT_NE(link->error().text().find("encrypted"), std::string::npos) << link->error().text();
  b->authority.floor_word = {};
  a->authority.floor_word = property::encrypted;
  link = dial(*a->node, "b", "b", "frag @ loop");
  settle();
  engine_.pass(600 * ms);
  EXPECT_EQ(link->state(), State::lost);
  EXPECT_NE(link->error().text().find("encrypted"), std::string::npos) << link->error().text();
}

// Each time an honest attempt is under way a forged one comes in first.
TEST_F(HandshakeTest, ForgedAttemptsDoNotKeepANodeFromDialling) {
  auto c = prove("c");
  auto b = prove("b");
  auto liar = prove("mallory", "lab", "d");
  auto forger = stand_between("c", "forger");
  forger->edit = [](bool, setup::Frame frame) -> std::optional<setup::Frame> {
    if (auto* hello = std::get_if<setup::Hello>(&frame)) hello->from.name = "b";
    return frame;
  };
  auto slow = stand_between("b");
  std::optional<setup::Frame> under_way;
  slow->edit = [&](bool, setup::Frame frame) -> std::optional<setup::Frame> {
    if (!std::holds_alternative<setup::Hello>(frame)) return frame;
    under_way = std::move(frame);
    return std::nullopt;
  };
  auto link = *c->node->connect("b", to("middle", "vouch @ loop"));
  for (int i = 0; i < 5 && !link->is_up(); ++i) {
    engine_.pass(120 * ms);
    auto forged = dial(*liar->node, "c", "forger");
    settle();
    if (under_way) slow->inject(true, *std::exchange(under_way, {}));
    settle();
    forged->close();
  }
  EXPECT_TRUE(link->is_up()) << link->error().text();
}

}  // namespace
}  // namespace harness::tests
