// SPDX-License-Identifier: Apache-2.0
// mux: channels by name, urgency, credit, paused receivers, peers that ignore all that.
#include <algorithm>

#include <gtest/gtest.h>

#include <harness/layers/frag.hpp>
#include <harness/layers/mux.hpp>
#include <harness/layers/order.hpp>
#include <harness/tests/support/pair.hpp>

namespace harness::layers {
namespace {

using tests::layer;
using tests::Medium;
using tests::Pair;

constexpr std::uint64_t quota = 64 << 20;
constexpr std::size_t small_window = 4096;

Pair::End& pause(Pair& pair, unsigned channel, bool paused) {
  pair.ends[1].stack->event({paused ? EventKind::pause : EventKind::resume, Errc::ok, {}, channel + 1});
  return pair.ends[1];
}

std::string message(unsigned channel, std::string_view body, wire::MuxForm form = wire::MuxForm::message) {
  std::string frame(1, '\0');
  wire::encode(wire::MuxMessage{form, static_cast<std::uint8_t>(channel)},
               reinterpret_cast<std::byte*>(frame.data()));
  return frame.append(body);
}

TEST(Mux, NamesTheChannelInOneByte) {
  Pair pair({layer<Mux>()});
  for (unsigned channel : {0u, 7u, 31u}) ASSERT_EQ(pair.ends[0].send("abc", channel), Errc::ok);
  EXPECT_EQ(pair.wires[0].data_bytes, 3u * 4);
  pair.run();
  ASSERT_EQ(pair.ends[1].delivered.size(), 3u);
  EXPECT_EQ(pair.ends[1].delivered[1], (tests::Delivered{"abc", 7}));
  EXPECT_EQ(pair.ends[1].delivered[2], (tests::Delivered{"abc", 31}));
}

TEST(Mux, APausedChannelWaitsAndStopsNoOther) {
  Pair pair({layer<Mux>({{Mux::window, small_window}})}, {.quota_bytes = quota});
  pause(pair, 3, true);
  unsigned taken = 0;
  while (pair.ends[0].send(std::string(100, 'p'), 3) == Errc::ok) {
    ++taken;
    pair.run();
    ASSERT_LT(taken, 1000u);
  }
  EXPECT_GE(taken, small_window / 164);
  EXPECT_LE(taken, small_window / 164 + 2);  // the credit, one beyond, and the one that the sender keeps
  for (int i = 0; i < 500; ++i) {
    ASSERT_EQ(pair.ends[0].send(std::string(100, 'f'), 4), Errc::ok);
    pair.run();
  }
  ASSERT_EQ(pair.ends[1].delivered.size(), 500u);

  pause(pair, 3, false);
  pair.run();
  EXPECT_EQ(pair.ends[1].delivered.size(), 500u + taken);
  EXPECT_EQ(pair.ends[0].count(EventKind::writable), 1u);
  EXPECT_EQ(pair.ends[1].value("mux", "waiting_messages"), 0u);
  EXPECT_EQ(pair.ends[1].quota->used_bytes(), 0u);
}

TEST(Mux, KeepsTheOrderOfAChannelThatWasPaused) {
  Pair pair({layer<Mux>()}, {.quota_bytes = quota});
  pair.ends[0].send("0", 1);
  pair.run();
  pause(pair, 1, true);
  for (char c = '1'; c < '6'; ++c) pair.ends[0].send(std::string(1, c), 1);
  pair.run();
  pause(pair, 1, false);
  for (char c = '6'; c < '9'; ++c) pair.ends[0].send(std::string(1, c), 1);
  pair.run();
  std::string all;
  for (const auto& delivered : pair.ends[1].delivered) all += delivered.body;
  EXPECT_EQ(all, "012345678");
}

TEST(Mux, AReceiverThatPausesInsideADeliveryGetsNoMore) {
  Pair pair({layer<Mux>()}, {.quota_bytes = quota});
  pause(pair, 1, true);
  for (int i = 0; i < 5; ++i) ASSERT_EQ(pair.ends[0].send("x", 1), Errc::ok);
  pair.run();
  unsigned got = 0;
  pair.ends[1].on_message = [&](Message&) {
    ++got;
    pause(pair, 1, true);
  };
  pause(pair, 1, false);
  EXPECT_EQ(got, 1u);
  pause(pair, 1, false);
  EXPECT_EQ(got, 2u);
}

TEST(Mux, GrantsCreditForeverWhileMessagesAreTaken) {
  Pair pair({layer<Mux>({{Mux::window, small_window}})}, {.quota_bytes = quota});
  pair.send_all(0, 2000, [](unsigned i) { return std::string(i % 700, 'x'); }, 9);
  EXPECT_EQ(pair.ends[1].delivered.size(), 2000u);
  EXPECT_GT(pair.ends[1].value("mux", "grants_sent"), 100u);
}

TEST(Mux, AMessageLargerThanTheWindowPassesAndReturnsItsCredit) {
  Pair pair({layer<Mux>({{Mux::window, small_window}}), layer<Frag>()}, {.quota_bytes = quota});
  pair.send_all(0, 5, [](unsigned i) { return std::string(100'000 + i, 'x'); }, 2);
  EXPECT_EQ(pair.ends[1].delivered.size(), 5u);
}

TEST(Mux, EmptyMessagesCostCreditToo) {
  Pair pair({layer<Mux>({{Mux::window, small_window}})}, {.quota_bytes = quota});
  pause(pair, 0, true);
  unsigned taken = 0;
  while (pair.ends[0].send("", 0) == Errc::ok && ++taken < 1000) pair.run();
  EXPECT_EQ(taken, small_window / Mux::message_cost_bytes + 1);
  EXPECT_EQ(pair.ends[1].count(EventKind::corrupt), 0u);
}

TEST(Mux, ThirtyOnePausedChannelsLeaveTheLinkMoving) {
  Pair pair({layer<Mux>(), layer<Order>(), layer<Frag>()},
            {.quota_bytes = 1 << 20, .max_link_message = 8000});
  for (unsigned channel = 1; channel < 32; ++channel) pause(pair, channel, true);
  for (unsigned channel = 1; channel < 32; ++channel)
    for (unsigned i = 0; i < 1000 && pair.ends[0].send(std::string(1000, 'x'), channel) == Errc::ok; ++i)
      pair.run();
  EXPECT_TRUE(pair.ends[1].delivered.empty());
  EXPECT_FALSE(pair.ends[1].quota->exhausted());
  for (int i = 0; i < 200; ++i) {
    ASSERT_EQ(pair.ends[0].send("moves", 0), Errc::ok);
    pair.run();
  }
  EXPECT_EQ(pair.ends[1].delivered.size(), 200u);
}

TEST(Mux, SendsTheMostUrgentChannelFirstWhenThereIsRoomAgain) {
  Pair pair({layer<Mux>({{Mux::priority, 1}})});
  pair.hold(0, true);
  for (unsigned channel : {9u, 4u, 0u, 17u}) ASSERT_EQ(pair.ends[0].send("x", channel), Errc::ok);
  pair.hold(0, false);
  pair.run();
  ASSERT_EQ(pair.ends[1].delivered.size(), 4u);
  EXPECT_EQ(pair.ends[1].delivered[0].channel, 0u);
  EXPECT_EQ(pair.ends[1].delivered[1].channel, 4u);
  EXPECT_EQ(pair.ends[1].delivered[2].channel, 9u);
}

TEST(Mux, MakesTheLowerChannelMoreUrgentForFragBelow) {
  Pair pair({layer<Mux>({{Mux::priority, 1}}), layer<Frag>()}, {.quota_bytes = quota, .capacity_frames = 8});
  ASSERT_EQ(pair.ends[0].send(std::string(100'000, 'b'), 5), Errc::ok);
  ASSERT_EQ(pair.ends[0].send("urgent", 1), Errc::ok);
  pair.run();
  ASSERT_EQ(pair.ends[1].delivered.size(), 2u);
  EXPECT_EQ(pair.ends[1].body(0), "urgent");
}

TEST(Mux, WaitsOverAPumpForTheChannelAlone) {
  Pair pair({layer<Mux>(), layer<Frag>()}, {.quota_bytes = quota, .capacity_frames = 4});
  ASSERT_EQ(pair.ends[0].send(std::string(100'000, 'a'), 1), Errc::ok);  // frag keeps the rest
  EXPECT_EQ(pair.ends[0].send("b", 1), Errc::would_block);
  EXPECT_EQ(pair.ends[0].send("c", 2), Errc::ok);
  pair.run();
  EXPECT_EQ(pair.ends[0].count(EventKind::writable), 1u);
  EXPECT_EQ(pair.ends[1].delivered.size(), 2u);
  EXPECT_EQ(pair.wires[0].sent_while_held, 0u);
}

TEST(Mux, CountsAndDropsAChannelItDoesNotKnow) {
  Pair pair({layer<Mux>()});
  pair.inject(1, as_bytes(message(32, "x")));
  pair.inject(1, as_bytes(message(63, "x")));
  pair.inject(1, as_bytes(message(31, "y")));
  EXPECT_EQ(pair.ends[1].value("mux", "unknown_channels"), 2u);
  ASSERT_EQ(pair.ends[1].delivered.size(), 1u);
}

TEST(Mux, ClosesTheLinkOfAPeerThatIgnoresItsCredit) {
  Pair pair({layer<Mux>({{Mux::window, small_window}})}, {.quota_bytes = quota});
  pause(pair, 0, true);
  for (int i = 0; i < 100; ++i) pair.inject(1, as_bytes(message(0, std::string(900, 'x'))));
  ASSERT_EQ(pair.ends[1].count(EventKind::corrupt), 1u);
  EXPECT_EQ(pair.ends[1].events[0].second, Errc::corrupt);
  EXPECT_LT(pair.ends[1].quota->used_bytes(), 20'000u);
}

TEST(Mux, ClosesTheLinkOnAFormItDoesNotKnow) {
  for (const std::string& bad :
       {std::string(), message(0, "x", wire::MuxForm{3}), message(0, "xx", wire::MuxForm::credit)}) {
    Pair pair({layer<Mux>()});
    pair.inject(1, as_bytes(bad));
    EXPECT_EQ(pair.ends[1].count(EventKind::corrupt), 1u) << bad.size();
  }
}

TEST(Mux, IgnoresAnOldGrantThatComesLate) {
  Pair pair({layer<Mux>({{Mux::window, small_window}})}, {.quota_bytes = quota});
  std::string grant(8, '\0');
  wire::encode(wire::MuxCredit{wire::MuxForm::credit, 0, 10}, reinterpret_cast<std::byte*>(grant.data()));
  pair.inject(0, as_bytes(grant));
  EXPECT_EQ(pair.ends[0].send(std::string(500, 'x')), Errc::ok);
  EXPECT_EQ(pair.ends[0].send(std::string(500, 'x')), Errc::ok);
  EXPECT_EQ(pair.ends[0].value("mux", "kept_messages"), 0u) << "one without credit would wait here";
}

TEST(Mux, AChannelThatWasPausedOftenHasAllItsRoomAgain) {
  Pair pair({layer<Mux>({{Mux::window, small_window}})}, {.quota_bytes = quota});
  for (unsigned round = 0; round < 10; ++round) {
    pause(pair, 3, true);
    for (unsigned i = 0; i < 8; ++i) ASSERT_EQ(pair.ends[0].send(std::string(100, 'p'), 3), Errc::ok);
    pair.run();
    pause(pair, 3, false);
    pair.run();
  }
  EXPECT_EQ(pair.ends[1].delivered.size(), 80u);
  EXPECT_EQ(pair.ends[1].count(EventKind::corrupt), 0u);
}

TEST(Mux, HasNoCreditOverALossyLayerAndDropsWhatAPausedChannelCannotKeep) {
  Pair pair({layer<Mux>({{Mux::window, small_window}})}, {.word = property::message, .quota_bytes = quota});
  pause(pair, 0, true);
  for (int i = 0; i < 200; ++i) {
    ASSERT_EQ(pair.ends[0].send(std::string(100, 'x')), Errc::ok);
    pair.run();
  }
  EXPECT_EQ(pair.ends[1].value("mux", "waiting_messages"), 25u);
  EXPECT_EQ(pair.ends[1].value("mux", "overrun_messages"), 175u);
  EXPECT_EQ(pair.ends[1].count(EventKind::corrupt), 0u);
  pause(pair, 0, false);
  EXPECT_EQ(pair.ends[1].delivered.size(), 25u);
}

TEST(Mux, LetsControlPassWithoutCreditAndWhenHeld) {
  Pair pair({layer<Mux>()});
  pair.hold(0, true);
  Message control = Message::copy_of(pair.engine.pool(), "ack");
  control.note().flags = flag_control;
  control.note().channel = 6;
  ASSERT_EQ(pair.ends[0].stack->send(std::move(control)), Errc::ok);
  pair.run();
  ASSERT_EQ(pair.ends[1].delivered.size(), 1u);
  EXPECT_EQ(pair.ends[1].delivered[0].channel, 6u);
}

TEST(Mux, FlushesBeforeItPassesACloseOn) {
  Pair pair({layer<Mux>()});
  pair.hold(0, true);
  ASSERT_EQ(pair.ends[0].send("last", 5), Errc::ok);
  pair.ends[0].stack->event({EventKind::close});
  EXPECT_NE(pair.ends[0].gate.word() >> 32, 0u);
  pair.hold(0, false);
  pair.run();
  EXPECT_EQ(pair.ends[0].gate.word() >> 32, 0u);
  EXPECT_EQ(pair.ends[1].delivered.size(), 1u);
}

TEST(Mux, GivesEverythingBackWhenThePeerIsLost) {
  Pair pair({layer<Mux>()}, {.quota_bytes = quota});
  pause(pair, 0, true);
  pair.inject(1, as_bytes(message(0, "waits")));
  pair.hold(1, true);
  ASSERT_EQ(pair.ends[1].send("kept"), Errc::ok);
  pair.ends[1].stack->event({EventKind::peer_lost, Errc::peer_lost});
  EXPECT_EQ(pair.ends[1].quota->used_bytes(), 0u);
  EXPECT_EQ(pair.ends[1].gate.word() >> 32, 0u);
}

}  // namespace
}  // namespace harness::layers
