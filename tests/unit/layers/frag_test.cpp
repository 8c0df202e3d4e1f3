// SPDX-License-Identifier: Apache-2.0
// frag: splitting, reassembly in any order, interleaving by urgency, back-pressure, hostile parts.
#include <algorithm>

#include <gtest/gtest.h>

#include <harness/layers/frag.hpp>
#include <harness/tests/support/pair.hpp>
#include <harness/tests/support/seed.hpp>

namespace harness::layers {
namespace {

using tests::layer;
using tests::Medium;
using tests::Pair;

std::string text(std::size_t bytes, char first = 'a') {
  std::string made(bytes, ' ');
  for (std::size_t i = 0; i < bytes; ++i)
    made[i] = static_cast<char>(first + static_cast<char>((i * 7 + i / 251) % 26));
  return made;
}

std::string part(std::uint32_t id, std::uint32_t offset, std::uint32_t total, std::string_view bytes) {
  std::string frame(wire::bytes_of<wire::FragPart>, '\0');
  wire::encode(wire::FragPart{.id = id, .offset = offset, .total = total},
               reinterpret_cast<std::byte*>(frame.data()));
  return frame.append(bytes);
}

TEST(Frag, SendsAMessageThatFitsInOneFrameBehindFourBytes) {
  Pair pair({layer<Frag>()});
  EXPECT_EQ(pair.ends[0].send("hello"), Errc::ok);
  EXPECT_EQ(pair.wires[0].data_bytes, 9u);
  pair.run();
  ASSERT_EQ(pair.ends[1].delivered.size(), 1u);
  EXPECT_EQ(pair.ends[1].body(0), "hello");
}

TEST(Frag, CarriesAnEmptyMessage) {
  Pair pair({layer<Frag>()});
  EXPECT_EQ(pair.ends[0].send(""), Errc::ok);
  pair.run();
  ASSERT_EQ(pair.ends[1].delivered.size(), 1u);
  EXPECT_EQ(pair.ends[1].body(0), "");
}

TEST(Frag, SplitsEverySizeAroundTheFrameSizeAndJoinsItAgain) {
  for (std::size_t bytes = 900; bytes < 2200; ++bytes) {
    Pair pair({layer<Frag>()});
    ASSERT_EQ(pair.ends[0].send(text(bytes)), Errc::ok);
    pair.run();
    ASSERT_EQ(pair.ends[1].delivered.size(), 1u) << bytes;
    ASSERT_EQ(pair.ends[1].body(0), text(bytes)) << bytes;
    ASSERT_EQ(pair.wires[0].too_large, 0u) << bytes;
  }
}

TEST(Frag, LeavesSlackInEveryFrameForATallerStack) {
  Pair pair({layer<Frag>()}, {.max_message = 1024});
  std::uint32_t largest = 0;
  pair.wires[0].filter = [&](Message& frame) {
    largest = std::max(largest, frame.size());
    return true;
  };
  EXPECT_EQ(pair.ends[0].send(text(5000)), Errc::ok);
  EXPECT_EQ(pair.ends[0].send(text(948)), Errc::ok);
  pair.run();
  EXPECT_EQ(pair.ends[1].delivered.size(), 2u);
  EXPECT_EQ(largest, 1024u - Frag::slack_bytes);
}

TEST(Frag, SharesTheBodyInsteadOfCopyingIt) {
  Pair pair({layer<Frag>()}, {.max_message = 4096, .copies = false});
  Message message = Message::make(pair.engine.pool(), 40'000);
  std::fill(message.writable().begin(), message.writable().end(), std::byte{'x'});
  const std::byte* first = message.front().data();
  const std::byte* last = first + message.body_size();
  unsigned inside = 0;
  pair.ends[1].on_message = [&](Message& received) {
    received.each_run([&](Bytes run) {
      inside += run.data() >= first && run.data() + run.size() <= last ? 1u : 0u;
      return true;
    });
    EXPECT_EQ(received.body_size(), 40'000u);
  };
  ASSERT_EQ(pair.ends[0].stack->send(std::move(message)), Errc::ok);
  pair.run();
  EXPECT_EQ(inside, 10u);  // ceil(40000 / (4096 - 12 - 64)), every one a view of the sender's slab
}

TEST(Frag, CopiesShortPartsSoThatTheMessageGoesWithItsLast) {
  Pair pair({layer<Frag>()}, {.max_message = 1500, .copies = false});
  const std::uint64_t alive = pair.engine.pool().alive_count();
  unsigned parts = 0;
  pair.wires[0].filter = [&](Message& frame) {
    EXPECT_TRUE(frame.contiguous());
    ++parts;
    return true;
  };
  ASSERT_EQ(pair.ends[0].send(text(300'000)), Errc::ok);
  pair.run();
  ASSERT_EQ(pair.ends[1].delivered.size(), 1u);
  EXPECT_EQ(pair.ends[1].body(0), text(300'000));
  pair.ends[1].delivered.clear();
  EXPECT_EQ(pair.engine.pool().alive_count(), alive);
  EXPECT_EQ(parts, 211u);  // ceil(300000 / (1500 - 12 - 64))
}

TEST(Frag, CutsTheHeadersOfTheLayersAboveLikeTheBody) {
  Pair pair({layer<Frag>({{0, 100}}),
             layer<Frag>()});  // the upper frag's header is part of the lower one's message
  ASSERT_EQ(pair.ends[0].send(text(5000)), Errc::ok);
  pair.run();
  ASSERT_EQ(pair.ends[1].delivered.size(), 1u);
  EXPECT_EQ(pair.ends[1].body(0), text(5000));
}

TEST(Frag, JoinsPartsThatArriveInAnyOrder) {
  Random random(tests::seed(7));
  for (int round = 0; round < 200; ++round) {
    Pair pair({layer<Frag>({{0, 40}})});
    pair.wires[0].stuck = true;
    for (unsigned channel = 0; channel < 3; ++channel)
      ASSERT_EQ(pair.ends[0].send(text(300 + random.below(500), static_cast<char>('a' + channel)), channel),
                Errc::ok);
    auto& frames = pair.wires[0].frames;
    for (std::size_t i = frames.size(); i > 1; --i) std::swap(frames[i - 1], frames[random.below(i)]);
    pair.wires[0].stuck = false;
    pair.run();
    ASSERT_EQ(pair.ends[1].delivered.size(), 3u);
    EXPECT_EQ(pair.ends[1].value("frag", "reassemblies"), 0u);
    EXPECT_EQ(pair.ends[1].value("frag", "reassembly_bytes"), 0u);
    for (const auto& delivered : pair.ends[1].delivered)
      EXPECT_EQ(delivered.body, text(delivered.body.size(), delivered.body[0]));
  }
}

TEST(Frag, KeepsOneMessageOfAHeldLinkAndRefusesTheNextOfThatChannel) {
  Pair pair({layer<Frag>()});
  pair.hold(0, true);
  EXPECT_EQ(pair.ends[0].send("one", 3), Errc::ok);
  EXPECT_EQ(pair.ends[0].send("two", 3), Errc::would_block);
  EXPECT_EQ(pair.ends[0].send("three", 4), Errc::ok);
  pair.run();
  EXPECT_TRUE(pair.ends[1].delivered.empty());
  EXPECT_EQ(pair.ends[0].count(EventKind::writable), 0u);
  pair.hold(0, false);
  pair.run();
  EXPECT_EQ(pair.ends[0].count(EventKind::writable), 1u);
  EXPECT_EQ(pair.ends[0].send("two", 3), Errc::ok);
  pair.run();
  ASSERT_EQ(pair.ends[1].delivered.size(), 3u);
  EXPECT_EQ(pair.ends[1].body(2), "two");
  EXPECT_EQ(pair.wires[0].sent_while_held, 0u);
}

TEST(Frag, NeverSendsIntoAHeldLinkAndLosesNothing) {
  Pair pair({layer<Frag>()}, {.capacity_frames = 3});
  pair.send_all(0, 50, [](unsigned i) { return text(i * 97); });
  ASSERT_EQ(pair.ends[1].delivered.size(), 50u);
  for (unsigned i = 0; i < 50; ++i) EXPECT_EQ(pair.ends[1].body(i), text(i * 97));
  EXPECT_EQ(pair.wires[0].sent_while_held, 0u);
  EXPECT_EQ(pair.wires[0].too_large, 0u);
}

TEST(Frag, TellsAFreeChannelWhileAnotherIsStillBusy) {
  Pair pair({layer<Frag>()}, {.quota_bytes = 64 << 20, .capacity_frames = 4});
  ASSERT_EQ(pair.ends[0].send(text(1'000'000), 1, 9), Errc::ok);
  ASSERT_EQ(pair.ends[0].send(text(10), 0, 0), Errc::ok);
  ASSERT_EQ(pair.ends[0].send("next", 0, 0), Errc::would_block);
  pair.step();
  EXPECT_EQ(pair.ends[0].count(EventKind::writable), 1u);
  EXPECT_EQ(pair.ends[0].send("next", 0, 0), Errc::ok);
  EXPECT_EQ(pair.ends[0].value("frag", "unfinished_messages"), 2u);
}

TEST(Frag, LetsAnUrgentMessagePassALargeOne) {
  Pair pair({layer<Frag>()}, {.capacity_frames = 8});
  ASSERT_EQ(pair.ends[0].send(text(200'000), 1, 5), Errc::ok);
  ASSERT_EQ(pair.ends[0].send("urgent", 0, 0), Errc::ok);
  pair.run();
  ASSERT_EQ(pair.ends[1].delivered.size(), 2u);
  EXPECT_EQ(pair.ends[1].body(0), "urgent");
  EXPECT_EQ(pair.ends[1].body(1), text(200'000));
}

TEST(Frag, GivesEquallyUrgentMessagesTurns) {
  Pair pair({layer<Frag>()}, {.capacity_frames = 8});
  ASSERT_EQ(pair.ends[0].send(text(300'000), 1, 5), Errc::ok);
  ASSERT_EQ(pair.ends[0].send(text(20'000), 2, 5), Errc::ok);
  pair.run();
  ASSERT_EQ(pair.ends[1].delivered.size(), 2u);
  EXPECT_EQ(pair.ends[1].body(0).size(), 20'000u);
}

TEST(Frag, BeginsALargeMessageOnlyWhenThePeerHasRoomForAllThatAreBegun) {
  Pair pair({layer<Frag>()}, {.quota_bytes = 1'000'000, .capacity_frames = 4});
  ASSERT_EQ(pair.ends[0].send(text(400'000), 1, 5), Errc::ok);
  ASSERT_EQ(pair.ends[0].send(text(400'000), 2, 0),
            Errc::ok);  // more urgent, but the peer could not hold both
  std::uint64_t most = 0;
  while (pair.step() != 0) most = std::max(most, pair.ends[1].value("frag", "reassemblies"));
  EXPECT_EQ(most, 1u);
  ASSERT_EQ(pair.ends[1].delivered.size(), 2u);
}

TEST(Frag, SendsControlAtOnceAlsoWhenHeld) {
  Pair pair({layer<Frag>()});
  pair.hold(0, true);
  Message control = Message::copy_of(pair.engine.pool(), "ack");
  control.note().flags = flag_control;
  ASSERT_EQ(pair.ends[0].stack->send(std::move(control)), Errc::ok);
  pair.run();
  ASSERT_EQ(pair.ends[1].delivered.size(), 1u);
}

// ---- what a peer may not send ----

struct BadFrame {
  const char* name;
  std::vector<std::string> frames;
  std::string_view detail;
};

class FragRefuses : public ::testing::TestWithParam<BadFrame> {};

TEST_P(FragRefuses, TheFrameAndClosesTheLinkOnce) {
  Pair pair({layer<Frag>()}, {.quota_bytes = 1'000'000});
  for (const std::string& frame : GetParam().frames) pair.inject(1, as_bytes(frame));
  pair.inject(1, as_bytes(GetParam().frames.back()));
  ASSERT_EQ(pair.ends[1].count(EventKind::corrupt), 1u);
  EXPECT_EQ(pair.ends[1].details[0], GetParam().detail);
  EXPECT_TRUE(pair.ends[1].delivered.empty());
  EXPECT_LT(pair.ends[1].quota->used_bytes(), 10'000u);
}

INSTANTIATE_TEST_SUITE_P(
    Frag, FragRefuses,
    ::testing::Values(
        BadFrame{"empty", {""}, "a frame is shorter than the header of frag"},
        BadFrame{"short", {"\x01zz"}, "a frame is shorter than the header of frag"},
        BadFrame{
            "short_part", {part(1, 0, 100, "").substr(0, 11)}, "a frame is shorter than the header of frag"},
        BadFrame{
            "unknown_form", {std::string("\x07zzzzzzzzzzzzzzzz", 17)}, "a frame has an unknown form of frag"},
        BadFrame{"huge", {part(1, 0, 1u << 28, "x")}, "a part names a total above the largest message"},
        BadFrame{"empty_part", {part(1, 0, 100, "")}, "a part lies outside its message"},
        BadFrame{"outside", {part(1, 99, 100, "xx")}, "a part lies outside its message"},
        BadFrame{"wraps", {part(1, 0xffffffff, 100, "xx")}, "a part lies outside its message"},
        BadFrame{"total_zero", {part(1, 0, 0, "x")}, "a part lies outside its message"},
        BadFrame{"totals", {part(1, 0, 100, "x"), part(1, 1, 101, "x")}, "two parts name different totals"},
        BadFrame{"twice", {part(1, 10, 100, "x"), part(1, 10, 100, "x")}, "two parts of a message overlap"},
        BadFrame{"overlaps_before",
                 {part(1, 10, 100, "xxxx"), part(1, 12, 100, "xxxx")},
                 "two parts of a message overlap"},
        BadFrame{"overlaps_after",
                 {part(1, 10, 100, "xxxx"), part(1, 8, 100, "xxx")},
                 "two parts of a message overlap"}),
    [](const auto& param) { return param.param.name; });

TEST(Frag, RefusesAPartThatOverlapsTheOneBeforeItByAByte) {
  Pair pair({layer<Frag>()});
  for (const std::string& frame : {part(1, 10, 100, "xxxx"), part(1, 13, 100, "x")})
    pair.inject(1, as_bytes(frame));
  EXPECT_EQ(pair.ends[1].count(EventKind::corrupt), 1u);
}

TEST(Frag, BoundsTheMessagesUnderWay) {
  Pair pair({layer<Frag>()}, {.quota_bytes = 64 << 20});
  for (std::uint32_t id = 0; id < Frag::reassemblies_max; ++id)
    pair.inject(1, as_bytes(part(id, 0, 100, "x")));
  EXPECT_EQ(pair.ends[1].count(EventKind::corrupt), 0u);
  pair.inject(1, as_bytes(part(Frag::reassemblies_max, 0, 100, "x")));
  ASSERT_EQ(pair.ends[1].count(EventKind::corrupt), 1u);
  EXPECT_EQ(pair.ends[1].events[0].second, Errc::exhausted);
}

TEST(Frag, BoundsTheBytesUnderWayByTheQuota) {
  Pair pair({layer<Frag>()}, {.quota_bytes = 100'000, .max_link_message = 1000});
  for (std::uint32_t id = 0; id < 99; ++id) pair.inject(1, as_bytes(part(id, 0, 1001, text(1000))));
  EXPECT_EQ(pair.ends[1].count(EventKind::corrupt), 0u);
  pair.inject(1, as_bytes(part(99, 0, 1001, text(1000))));
  pair.inject(1, as_bytes(part(100, 0, 1001, text(1000))));
  EXPECT_EQ(pair.ends[1].count(EventKind::corrupt), 1u);
}

// ---- end and change of a link ----

TEST(Frag, GivesEverythingBackWhenThePeerIsLost) {
  Pair pair({layer<Frag>()}, {.capacity_frames = 2});
  ASSERT_EQ(pair.ends[0].send(text(20'000)), Errc::ok);
  pair.inject(0, as_bytes(part(9, 50, 100, "x")));
  pair.wires[0].frames.clear();
  pair.ends[0].stack->event({EventKind::peer_lost, Errc::peer_lost});
  EXPECT_EQ(pair.ends[0].gate.word() >> 32, 0u);
  EXPECT_EQ(pair.ends[0].quota->used_bytes(), 0u);
  EXPECT_EQ(pair.engine.pool().alive_count(), 0u);
  EXPECT_EQ(pair.ends[0].count(EventKind::peer_lost), 1u);
}

TEST(Frag, SurvivesAPeerThatIsLostInsideASend) {
  Pair pair({layer<Frag>()});
  unsigned frames = 0;
  pair.wires[0].filter = [&](Message&) {
    if (++frames == 3) pair.ends[0].stack->event({EventKind::peer_lost, Errc::peer_lost});
    return frames < 3;
  };
  EXPECT_EQ(pair.ends[0].send(text(20'000)), Errc::ok);
  EXPECT_EQ(frames, 3u);
}

// Two frags under one context, as a full swap has them for a moment.
struct Alone {
  tests::ManualEngine engine{1, 1 << 20};
  Gate gate;
  Quota::Owner quota = Quota::make(1 << 20);
  std::vector<Message> frames;
  std::vector<std::string> delivered;
  std::size_t capacity = ~std::size_t{0};
  Entry below{[](void* self, const Entry*, harness_message* message) {
                auto& alone = *static_cast<Alone*>(self);
                alone.frames.push_back(std::move(Message::from_c(message)));
                alone.frames.back().as_received(alone.engine.pool());
                if (alone.frames.size() == alone.capacity) alone.gate.hold(Gate::transport_bit);
              },
              this, nullptr};
  Entry above{[](void* self, const Entry*, harness_message* message) {
                const Message& got = Message::from_c(message);
                std::string body(got.size(), ' ');
                got.copy_to(reinterpret_cast<std::byte*>(body.data()));
                static_cast<Alone*>(self)->delivered.push_back(body);
              },
              this, nullptr};
  LayerContext context{.env = engine,
                       .pool = engine.pool(),
                       .gate = gate,
                       .quota = quota.get(),
                       .below = {&below},
                       .above = {&above},
                       .events = {[](void*, unsigned, const Event&) {}, nullptr, 0},
                       .given = property::message | property::reliable | property::no_duplicates,
                       .max_below = 500,
                       .max_message = 100'000,
                       .peer_quota_bytes = 1 << 20,
                       .gate_bit = 2,
                       .pump = 0,
                       .waits_for = {},
                       .role = Role::initiator};
};

TEST(Frag, WaitsForMemoryAndGoesOnWhenItComesBack) {
  Alone alone;
  Frag frag(OptionValues(Frag::options), alone.context);
  alone.below.fn = [](void* self, const Entry*, harness_message* message) {
    static_cast<Alone*>(self)->delivered.emplace_back(Message::from_c(message).size(), 'x');
  };
  Message message = Message::copy_of(alone.engine.pool(), text(2000));
  std::vector<Message> hoard;
  alone.gate.hold(Gate::transport_bit);
  frag.down(message, Port{&alone.below});  // kept
  while (Message taken = Message::make(alone.engine.pool(), 60)) hoard.push_back(std::move(taken));
  alone.gate.release(Gate::transport_bit);
  frag.on({EventKind::writable}, alone.context.events);
  EXPECT_TRUE(alone.delivered.empty());
  EXPECT_TRUE(alone.gate.held_channel(0, 0));
  hoard.clear();
  alone.engine.pass(2'000'000);
  EXPECT_EQ(alone.delivered.size(), 5u);
  EXPECT_FALSE(alone.gate.held_channel(0, 0));
}

TEST(Frag, HandsUnfinishedMessagesOfBothDirectionsToItsSuccessor) {
  Alone alone;
  Frag first(OptionValues(Frag::options), alone.context);
  Frag second(OptionValues(Frag::options), alone.context);
  alone.capacity = 3;
  Message message = Message::copy_of(alone.engine.pool(), text(2000));
  message.note().channel = 4;
  first.down(message, Port{&alone.below});
  ASSERT_EQ(alone.frames.size(), 3u);
  for (Message& frame : alone.frames) first.up(frame, Port{&alone.above});
  alone.frames.clear();

  ASSERT_TRUE(second.take_state(first));
  EXPECT_TRUE(alone.gate.held_channel(0, 4));
  alone.gate.release(Gate::transport_bit);
  alone.capacity = ~std::size_t{0};
  second.on({EventKind::writable}, alone.context.events);
  EXPECT_FALSE(alone.gate.held_channel(0, 4));
  for (Message& frame : alone.frames) second.up(frame, Port{&alone.above});
  ASSERT_EQ(alone.delivered.size(), 1u);
  EXPECT_EQ(alone.delivered[0], text(2000));
  alone.frames.clear();
}

}  // namespace
}  // namespace harness::layers
