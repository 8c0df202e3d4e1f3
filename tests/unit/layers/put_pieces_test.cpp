// SPDX-License-Identifier: Apache-2.0
// put: operations of many pieces, in any order, with refusals among them; and what is counted and bounded.
#include <harness/tests/unit/layers/put_fixture.hpp>

namespace harness::layers {
namespace {

using tests::bytes_of, tests::datagrams, tests::layer, tests::Medium;

class PutPiecesTest : public tests::PutTest {
 protected:
  static BoundLayer in_pieces(std::int64_t bytes) { return layer<Put>({{Put::option_piece, bytes}}); }
  void open_pieces(std::uint64_t seed) {
    open({in_pieces(100), layer<Reliable>()}, {.word = datagrams,
                                               .max_message = 1400,
                                               .drop_ppm = 150'000,
                                               .duplicate_ppm = 50'000,
                                               .reorder_ppm = 200'000,
                                               .seed = seed});
  }
};

TEST_F(PutPiecesTest, AGetIsPutTogetherWhateverOrderItsAnswersComeIn) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    open_pieces(seed);
    const std::string filled = bytes_of(memory_.size(), static_cast<char>('a' + seed % 3));
    std::copy(filled.begin(), filled.end(), memory_.begin());
    std::string into(5000, '\0');
    Operation get;
    ASSERT_EQ(origin_->get(get, region_, 1234, as_writable(into)), Errc::ok);
    settle(20'000'000'000);
    ASSERT_FALSE(get.busy()) << seed;
    EXPECT_EQ(get.code(), Errc::ok);
    EXPECT_EQ(into, memory_.substr(1234, 5000)) << seed;
    EXPECT_EQ(pair_->ends[0].count(EventKind::corrupt), 0u) << seed;
  }
}

TEST_F(PutPiecesTest, AGetEndsWhenItsRegionIsRevokedOnItsWay) {
  open({in_pieces(100)}, {.max_message = 8192, .capacity_frames = 4});
  std::string into(5000, '\0');
  Operation get;
  ASSERT_EQ(origin_->get(get, region_, 0, as_writable(into)), Errc::ok);
  for (unsigned i = 0; i < 3; ++i) pair_->step();
  ASSERT_TRUE(get.busy());
  ASSERT_EQ(pair_->ends[1].regions->revoke(region_), Errc::ok);
  std::uint32_t last_bytes = 0;
  pair_->wires[1].filter = [&](Message& frame) { return last_bytes = frame.size(), true; };
  pair_->run();
  EXPECT_FALSE(get.busy());
  EXPECT_EQ(get.code(), Errc::not_found);
  EXPECT_EQ(last_bytes, Put::answer_bytes) << "no byte goes with a refusal";
}

TEST_F(PutPiecesTest, ASignalWaitsForEveryPieceOfItsPut) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    open_pieces(seed);
    memory_.assign(memory_.size(), '\0');
    bool seen = false;
    pair_->ends[1].regions->on_signal([&](std::uint64_t, std::uint16_t) {
      seen = true;
      EXPECT_EQ(memory_.substr(0, 3000), bytes_of(3000)) << seed;
    });
    Operation put;
    const Signal signal{.kind = Signal::Kind::immediate, .immediate = 1};
    ASSERT_EQ(origin_->put(put, region_, 0, keep(bytes_of(3000)), {.signal = signal}), Errc::ok);
    settle(20'000'000'000);
    EXPECT_TRUE(seen) << seed;
  }
}

TEST_F(PutPiecesTest, AFlushAmongRefusedPutsLetsNoneOfThemCountAsDelivered) {
  for (const bool held : {false, true}) {
    open({in_pieces(100), layer<Reliable>()}, {.word = datagrams, .max_message = 1400});
    RegionHandle forged = region_;
    forged.key ^= 1u << 20;
    pair_->hold(1, held);
    const PutOptions delivered{.done = Done::delivered};
    Operation first, flush, second, good;
    ASSERT_EQ(origin_->put(first, forged, 0, keep("one"), delivered), Errc::ok);
    ASSERT_EQ(origin_->flush(flush), Errc::ok);
    ASSERT_EQ(origin_->put(second, forged, 0, keep("two"), delivered), Errc::ok);
    ASSERT_EQ(origin_->put(good, region_, 0, keep("three"), delivered), Errc::ok);
    pair_->run();
    pair_->hold(1, false);
    settle();
    EXPECT_EQ(first.code(), Errc::not_found);
    EXPECT_EQ(second.code(), Errc::not_found);
    EXPECT_EQ(good.code(), Errc::ok);
    EXPECT_FALSE(flush.busy());
  }
}

TEST_F(PutPiecesTest, RefusalsOneByOneAreToldOneByOne) {
  open({layer<Put>()}, {.max_message = 8192});
  const RegionHandle readable = expose(Access::read);
  RegionHandle looser = readable;
  looser.access = Access::all;
  std::deque<Operation> puts(600);
  pair_->hold(1, true);
  for (unsigned i = 0; i < 600; ++i)
    ASSERT_EQ(origin_->put(puts[i], i % 2 == 0 ? looser : region_, i * 8, keep("12345678"),
                           {.done = Done::delivered}),
              Errc::ok);
  pair_->run();
  pair_->hold(1, false);
  pair_->run();
  EXPECT_EQ(pair_->ends[0].count(EventKind::corrupt) + pair_->ends[1].count(EventKind::corrupt), 0u);
  for (unsigned i = 0; i < 600; ++i) {
    ASSERT_FALSE(puts[i].busy()) << i;
    EXPECT_EQ(puts[i].code(), i % 2 == 0 ? Errc::denied : Errc::ok) << i;
  }
}

TEST_F(PutPiecesTest, AWordMustBeExposedForAtomicsAndAligned) {
  open({layer<Put>()}, {.max_message = 8192});
  memory_.assign(memory_.size(), '\0');
  const RegionHandle writable = expose(Access::write);
  RegionHandle looser = writable;
  looser.access = Access::all;
  const RegionHandle odd =
      *pair_->ends[1].regions->expose(as_writable(memory_).subspan(1, 1001), Access::all);
  const auto put_with = [&](const RegionHandle& word) {
    Operation put;
    const Signal signal{.kind = Signal::Kind::word, .region = word, .offset = 8, .value = ~0ull};
    EXPECT_EQ(origin_->put(put, region_, 500, keep("data"), {.done = Done::delivered, .signal = signal}),
              Errc::ok);
    pair_->run();
    return put.code();
  };
  EXPECT_EQ(put_with(looser), Errc::denied);
  EXPECT_EQ(put_with(odd), Errc::invalid);
  Operation add;
  ASSERT_EQ(origin_->atomic(add, AtomicOp::add, odd, 8, 1), Errc::ok);
  pair_->run();
  EXPECT_EQ(add.code(), Errc::invalid);
  EXPECT_EQ(memory_, std::string(memory_.size(), '\0')) << "nothing of a put that may not signal is placed";
}

TEST_F(PutPiecesTest, ManyPutsThatNobodyWaitsForAllLeave) {
  open({layer<Put>()}, {.max_message = 8192});
  std::deque<Operation> puts(20'000);
  const Bytes source = keep("12345678");
  for (unsigned i = 0; i < puts.size(); ++i) {
    ASSERT_EQ(origin_->put(puts[i], region_, 8 * (i % 1000), source), Errc::ok);
    if (i % 32 == 0) pair_->run();
  }
  Operation flush;
  ASSERT_EQ(origin_->flush(flush), Errc::ok);
  pair_->run();
  EXPECT_FALSE(flush.busy());
  EXPECT_EQ(origin_->operations(), 0u);
  EXPECT_EQ(pair_->ends[1].value("put", "pieces_received"), 20'001u);
}

TEST_F(PutPiecesTest, WhatWaitsBehindAFenceIsBounded) {
  open({layer<Put>(), layer<Reliable>({{Reliable::cc, 0}})},
       {.word = datagrams, .max_message = 1400, .quota_bytes = 256 << 20, .capacity_frames = 1 << 20});
  settle();
  bool lost = false;  // the first piece, once
  pair_->wires[0].filter = [&](Message& frame) { return frame.size() < 40 || std::exchange(lost, true); };
  std::deque<Operation> puts(40'000);
  const Bytes source = keep("12345678");
  ASSERT_EQ(origin_->put(puts[0], region_, 0, source), Errc::ok);
  origin_->fence();
  for (unsigned i = 1; i < puts.size(); ++i)
    ASSERT_EQ(origin_->put(puts[i], region_, 8 * (i % 1000), source), Errc::ok);
  settle(30'000'000'000);
  EXPECT_EQ(origin_->operations(), 0u);
  EXPECT_EQ(pair_->ends[1].count(EventKind::corrupt), 0u);
}

TEST_F(PutPiecesTest, WhatADestroyedGetHeldUpGoesOn) {
  open({layer<Put>()}, {.max_message = 8192});
  std::string into(64, '\0');
  Operation last;
  {
    std::deque<Operation> most(Put::reads_max);
    for (Operation& one : most) ASSERT_EQ(origin_->get(one, region_, 0, as_writable(into)), Errc::ok);
    ASSERT_EQ(origin_->get(last, region_, 0, as_writable(into)), Errc::ok);
  }
  pair_->run();
  EXPECT_FALSE(last.busy());
  EXPECT_EQ(last.code(), Errc::ok);
}

TEST_F(PutPiecesTest, WhatAHandlerAnswersDoesNotDelayDelivered) {
  open({layer<Put>(), layer<Reliable>()}, {.word = datagrams, .max_message = 1400});
  settle();
  pair_->ends[1].regions->on_signal([&](std::uint64_t, std::uint16_t) { pair_->ends[1].send("thank you"); });
  Operation put;
  const Signal signal{.kind = Signal::Kind::immediate, .immediate = 1};
  ASSERT_EQ(origin_->put(put, region_, 0, keep("data"), {.done = Done::delivered, .signal = signal}),
            Errc::ok);
  settle(3'000'000);
  EXPECT_FALSE(put.busy());
  EXPECT_EQ(pair_->ends[1].value("put", "placed_sent"), 0u) << "what it sent took the floor along";
}

TEST_F(PutPiecesTest, AFloorThatMovesBehindItsAcknowledgementIsToldSoon) {
  open({in_pieces(100), layer<Reliable>()}, {.word = datagrams, .max_message = 1400});
  settle();
  std::string into(5000, '\0');
  Operation get, flush;
  ASSERT_EQ(origin_->get(get, region_, 0, as_writable(into)), Errc::ok);
  ASSERT_EQ(origin_->flush(flush), Errc::ok);
  settle(50'000'000);
  EXPECT_FALSE(get.busy());
  EXPECT_FALSE(flush.busy());
}

TEST_F(PutPiecesTest, PiecesFitTheLargestMessageOfTheLink) {
  open({layer<Put>(), layer<Frag>(), layer<Reliable>()},
       {.word = datagrams, .max_message = 1400, .quota_bytes = 64 << 10, .max_link_message = 4096});
  Operation put;
  ASSERT_EQ(origin_->put(put, region_, 0, keep(bytes_of(60'000)), {.done = Done::delivered}), Errc::ok);
  settle(20'000'000'000);
  EXPECT_FALSE(put.busy());
  EXPECT_EQ(put.code(), Errc::ok);
  EXPECT_EQ(pair_->ends[1].count(EventKind::corrupt), 0u);
}

TEST_F(PutPiecesTest, APauseOfAChannelStopsNothingHere) {
  open({layer<Put>()}, {.max_message = 8192});
  pair_->ends[1].stack->event({EventKind::pause, Errc::ok, {}, 2});
  ASSERT_EQ(pair_->ends[0].send("goes on", 0), Errc::ok);
  pair_->run();
  EXPECT_EQ(pair_->ends[1].delivered.size(), 1u);
}

TEST_F(PutPiecesTest, ACloseIsHeldUntilAGetIsAnswered) {
  open({layer<Put>()}, {.max_message = 8192});
  const unsigned bit = Gate::first_layer_bit;
  std::string into(64, '\0');
  Operation get;
  pair_->wires[0].stuck = true;
  ASSERT_EQ(origin_->get(get, region_, 0, as_writable(into)), Errc::ok);
  pair_->ends[0].stack->event({EventKind::close});
  pair_->run();
  EXPECT_TRUE(pair_->ends[0].gate.held(bit));
  pair_->wires[0].stuck = false;
  pair_->run();
  EXPECT_FALSE(get.busy());
  EXPECT_FALSE(pair_->ends[0].gate.held(bit));
}

TEST_F(PutPiecesTest, AFlushWaitsForTheAnswersBeforeIt) {
  open({layer<Put>(), layer<Reliable>()}, {.word = datagrams, .max_message = 1400});
  settle();
  std::string into(1000, '\0');
  Operation get, flush;
  bool lost = false;  // the answer, once
  pair_->wires[1].filter = [&](Message& frame) { return frame.size() < 900 || std::exchange(lost, true); };
  ASSERT_EQ(origin_->get(get, region_, 0, as_writable(into)), Errc::ok);
  ASSERT_EQ(origin_->flush(flush), Errc::ok);
  pair_->run();
  ASSERT_EQ(pair_->ends[0].send("acknowledged with the floor"), Errc::ok);
  for (unsigned i = 0; i < 20'000 && flush.busy(); ++i) pair_->advance(100'000);
  EXPECT_TRUE(lost);
  EXPECT_FALSE(flush.busy());
  EXPECT_FALSE(get.busy()) << "what was begun before the flush had not ended";
}

TEST_F(PutPiecesTest, AGarbledFrameEndsEveryOperation) {
  open({layer<Put>()}, {.max_message = 8192});
  std::string into(64, '\0');
  Operation get;
  pair_->wires[0].stuck = true;
  ASSERT_EQ(origin_->get(get, region_, 0, as_writable(into)), Errc::ok);
  pair_->inject(0, keep(std::string(1, '\x7f')));
  EXPECT_FALSE(get.busy());
  EXPECT_EQ(get.code(), Errc::peer_lost);
  EXPECT_EQ(pair_->ends[0].count(EventKind::corrupt), 1u);
}

}  // namespace
}  // namespace harness::layers
