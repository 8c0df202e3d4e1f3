// SPDX-License-Identifier: Apache-2.0
// Lies of an ofi peer, one by one: what it calls itself, and the keys of its memory.
#include <gtest/gtest.h>

#include <harness/tests/support/ofi_world.hpp>

namespace harness::tests {
namespace {

struct OfiLies : testing::Test {
  void SetUp() override {
    if (const auto loaded = transports::ofi::load(); !loaded) GTEST_SKIP() << loaded.error().text();
  }
};

TEST_F(OfiLies, AnHonestPeerIsLinked) {
  for (unsigned kind = 0; kind < OfiWorld::kinds; ++kind) {
    OfiWorld world(kind);
    OfiLiar peer(world);
    ASSERT_TRUE(peer.meet(peer.right_hello()));
    EXPECT_TRUE(peer.open);
    Bytes got;
    peer.victim.up = [&](Bytes bytes) { got = bytes; };
    EXPECT_TRUE(peer.send({peer.cookie, 3, wire::OfiKind::data}, as_bytes("abc")));
    EXPECT_TRUE(world.until([&] { return !got.empty(); }));
    for (unsigned times = 0; times < 3; ++times) {
      peer.said = true;
      ASSERT_TRUE(peer.settle());
    }
  }
}

// The provider reads it up to there, and behind it is what else lies in memory.
TEST_F(OfiLies, ANameWithoutAnEndIsNotGivenToTheProvider) {
  OfiWorld world(0);
  const OfiLiar::Body whole = world.peer->name;
  OfiLiar::Body longer = whole;
  longer.back() = std::byte{'x'};
  OfiLiar::Body shorter = whole;
  while (shorter.back() == std::byte{0}) shorter.pop_back();
  for (const auto& name : {OfiLiar::Body(), shorter, longer}) {
    OfiLiar liar(world);
    OfiLiar::Hello hello = liar.right_hello();
    hello.name = name;
    ASSERT_TRUE(liar.meet(hello));
    EXPECT_EQ(liar.victim.codes.back(), Errc::unreachable) << name.size();
  }
}

// Bytes behind the end of a text change the name, and not the address.
TEST_F(OfiLies, TheAddressOfALinkIsNotForgottenWithAnotherOfTheSame) {
  OfiWorld world(1);
  OfiLiar stays(world);
  ASSERT_TRUE(stays.meet(stays.right_hello()));
  unsigned got = 0;
  world.peer->received = [&](Bytes) { ++got; };
  for (const bool first : {true, false}) {
    OfiLiar goes(world);
    OfiLiar::Hello hello = goes.right_hello();
    if (first) hello.name[hello.name.size() - 2] = std::byte{'x'};
    ASSERT_TRUE(goes.meet(hello));
    ASSERT_TRUE(goes.open);
    goes.victim.endpoint.reset();
    goes.control.endpoint.reset();
    world.turns(8);
    stays.victim.send(Message::copy_of(world.engine->pool(), "here"));
    EXPECT_TRUE(world.until([&] { return got != 0 || stays.victim.is_over(); }));
    EXPECT_FALSE(stays.victim.is_over());
    got = 0;
  }
}

OfiLiar::Share share_of(const OfiWorld& world, OfiLiar::Body key) {
  const Shown& memory = *world.peer->memory;
  OfiLiar::Share share{.what = {7, 4096}, .place = {memory.base, memory.base}};
  share.key_bytes = share.page_key_bytes = static_cast<std::uint8_t>(key.size());
  share.key = share.page_key = std::move(key);
  return share;
}

TEST_F(OfiLies, AKeyOfAnotherFormIsNotGivenToTheProvider) {
  for (unsigned kind = 0; kind < OfiWorld::kinds; ++kind) {
    OfiWorld world(kind);
    const OfiLiar::Body right = world.peer->memory->key;
    for (const std::size_t bytes : {right.size(), std::size_t{7}, std::size_t{8}, right.size() + 1}) {
      OfiLiar liar(world);
      ASSERT_TRUE(liar.meet(liar.right_hello()));
      OfiLiar::Body key = right;
      key.resize(bytes);
      liar.say({.kind = wire::OfiNote::Kind::share}, OfiLiar::tail_of(share_of(world, key)));
      ASSERT_TRUE(liar.settle());
      EXPECT_EQ(liar.victim.is_over(), bytes != right.size()) << bytes << " of " << right.size();
    }
  }
}

// Its provider lost the last frame, and nothing comes behind it: both would ring and ask for ever.
TEST_F(OfiLies, WhoSleepsAgainWithoutTheLastFrameIsToldHowManyThereAre) {
  OfiWorld world(0);
  OfiLiar peer(world);
  ASSERT_TRUE(peer.meet(peer.right_hello()));
  std::uint64_t counted = 0;
  peer.on_note = [&](const wire::OfiNote& note) {
    if (note.kind == wire::OfiNote::Kind::count) counted = note.value;
  };
  peer.victim.send(Message::copy_of(world.engine->pool(), "lost"));
  peer.say({.kind = wire::OfiNote::Kind::sleep, .value = 0});
  ASSERT_TRUE(world.until([&] { return peer.bells == 1; }));
  EXPECT_EQ(counted, 0u);
  peer.say({.kind = wire::OfiNote::Kind::sleep, .value = 0});
  ASSERT_TRUE(world.until([&] { return peer.bells == 2; }));
  EXPECT_EQ(counted, 1u);
}

TEST_F(OfiLies, WhoSleepsAgainWithoutTheLastFrameIsToldSoWhileTheLinkCloses) {
  OfiWorld world(0);
  OfiLiar peer(world);
  ASSERT_TRUE(peer.meet(peer.right_hello()));
  peer.victim.send(Message::copy_of(world.engine->pool(), "lost"));
  peer.victim.send(Message::make(world.engine->pool(), 100'000));  // an offer, so it does not say bye
  peer.victim.endpoint->close(10'000'000'000);
  peer.say({.kind = wire::OfiNote::Kind::sleep, .value = 0});
  ASSERT_TRUE(world.until([&] { return peer.bells == 1; }));
  peer.say({.kind = wire::OfiNote::Kind::sleep, .value = 0});
  ASSERT_TRUE(world.until([&] { return peer.bells == 2; }));
  EXPECT_EQ(peer.counts, 1u);
}

// A peer that said how many frames there are and went: they may be on a wire, and this side may be stopped
// for as long as it takes.
struct OfiLiesGone : OfiLies {
  void go(bool with_the_last_frame) {
    OfiWorld world(0);
    OfiLiar peer(world);
    ASSERT_TRUE(peer.meet(peer.right_hello()));
    peer.say({.kind = wire::OfiNote::Kind::bye, .value = 1});
    peer.control.endpoint->close(0);
    const auto pass = [&](std::uint64_t seconds) {
      world.turns(64);
      world.engine->timers().advance(world.engine->now_ns() + (seconds_ += seconds) * 1'000'000'000);
    };
    pass(10);
    pass(10);
    world.turns(64);
    ASSERT_FALSE(peer.victim.is_over()) << peer.victim.details[0];
    if (with_the_last_frame) {
      EXPECT_TRUE(peer.send({peer.cookie, 4, wire::OfiKind::data}, as_bytes("last")));
      EXPECT_TRUE(world.until([&] { return peer.victim.is_over(); }));
      EXPECT_EQ(peer.victim.codes, std::vector{Errc::closed});
      EXPECT_EQ(peer.victim.got, std::vector{4u});
      return;
    }
    for (unsigned looks = 0; looks < 4 && !peer.victim.is_over(); ++looks) pass(1);
    world.turns(8);
    EXPECT_EQ(peer.victim.codes, std::vector{Errc::peer_lost});
  }
  std::uint64_t seconds_ = 0;
};

TEST_F(OfiLiesGone, WhoWasStoppedStillTakesTheLastFrameOfAPeerThatWent) { go(true); }
TEST_F(OfiLiesGone, EndsALinkWhoseLastFrameNeverComes) { go(false); }

// No lie: the two cross. What was sent before the close still arrives.
TEST_F(OfiLies, ARegionThatIsSharedWithALinkThatClosesDoesNotCutItsLastFrames) {
  OfiWorld world(0);
  OfiLiar peer(world);
  ASSERT_TRUE(peer.meet(peer.right_hello()));
  bool offered = false, over = false;
  world.peer->received = [&](Bytes frame) {
    offered = wire::decode<wire::OfiFrame>(frame.data()).kind == wire::OfiKind::offer;
  };
  peer.on_note = [&](const wire::OfiNote& note) { over = over || note.kind == wire::OfiNote::Kind::bye; };
  peer.victim.send(Message::make(world.engine->pool(), 100'000));
  ASSERT_TRUE(world.until([&] { return offered; }));
  peer.victim.endpoint->close(10'000'000'000);
  peer.say({.kind = wire::OfiNote::Kind::share}, OfiLiar::tail_of(share_of(world, world.peer->memory->key)));
  ASSERT_TRUE(peer.settle());
  ASSERT_FALSE(peer.control.is_over());
  EXPECT_FALSE(over);
  EXPECT_TRUE(peer.send({peer.cookie, 1, wire::OfiKind::taken}, as_bytes(std::string_view("\0", 1))));
  EXPECT_TRUE(world.until([&] { return over; }));
  world.peer->received = {};
}

}  // namespace
}  // namespace harness::tests
