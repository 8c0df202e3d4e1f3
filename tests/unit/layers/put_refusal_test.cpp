// SPDX-License-Identifier: Apache-2.0
// put: what is refused, and what bad luck does.
#include <harness/tests/unit/layers/put_fixture.hpp>

namespace harness::layers {
namespace {

using tests::bytes_of, tests::PutTest;

// ---- refusals ----

TEST_F(PutTest, WhatTheHandleForbidsIsToldAtOnce) {
  open_ordered();
  const RegionHandle readable = expose(Access::read);
  Operation op;
  const std::string source = bytes_of(16);
  std::string into(16, '\0');
  EXPECT_EQ(origin_->put(op, readable, 0, as_bytes(source)), Errc::denied);
  EXPECT_EQ(origin_->put(op, region_, memory_.size() - 8, as_bytes(source)), Errc::invalid);
  EXPECT_EQ(origin_->put(op, region_, ~std::uint64_t{0}, as_bytes(source)), Errc::invalid);
  EXPECT_EQ(origin_->get(op, region_, memory_.size(), as_writable(into)), Errc::invalid);
  EXPECT_EQ(origin_->atomic(op, AtomicOp::add, region_, 12, 1), Errc::invalid);
  EXPECT_EQ(origin_->atomic(op, AtomicOp::add, readable, 8, 1), Errc::denied);
  EXPECT_FALSE(op.busy());
  EXPECT_EQ(pair_->wires[0].frames.size(), 0u);
}

TEST_F(PutTest, WhatTheTargetRefusesEndsWithItsCodeAndChangesNothing) {
  for (const bool lossy : {false, true}) {
    if (lossy) {
      open_lossy();
    } else {
      open_ordered();
    }
    RegionHandle forged = region_;
    forged.key ^= 1u << 20;
    RegionHandle wider = region_;
    wider.bytes *= 2;
    RegionHandle looser = expose(Access::read);
    looser.access = Access::all;
    const std::string before = memory_;
    const std::string source = bytes_of(3000);
    const PutOptions delivered{.done = Done::delivered};
    Operation ops[6];
    std::string into(16, '\0');
    ASSERT_EQ(origin_->put(ops[0], forged, 0, as_bytes(source), delivered), Errc::ok);
    ASSERT_EQ(origin_->put(ops[1], wider, memory_.size() - 8, as_bytes(source), delivered), Errc::ok);
    ASSERT_EQ(origin_->put(ops[2], looser, 0, as_bytes(source), delivered), Errc::ok);
    ASSERT_EQ(origin_->get(ops[3], forged, 0, as_writable(into)), Errc::ok);
    ASSERT_EQ(origin_->atomic(ops[4], AtomicOp::add, wider, memory_.size(), 1), Errc::ok);
    ASSERT_EQ(origin_->atomic(ops[5], AtomicOp::add, looser, 0, 1), Errc::ok);
    settle(20'000'000'000);
    EXPECT_EQ(ops[0].code(), Errc::not_found);
    EXPECT_EQ(ops[1].code(), Errc::invalid);
    EXPECT_EQ(ops[2].code(), Errc::denied);
    EXPECT_EQ(ops[3].code(), Errc::not_found);
    EXPECT_EQ(ops[4].code(), Errc::invalid);
    EXPECT_EQ(ops[5].code(), Errc::denied);
    EXPECT_EQ(memory_, before);
    EXPECT_EQ(origin_->operations(), 0u);
    EXPECT_EQ(pair_->ends[0].count(EventKind::corrupt), 0u);
  }
}

TEST_F(PutTest, AFlushTellsWhatWasRefusedAfterItsPutHadEnded) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    open_lossy(seed, 200'000);
    RegionHandle forged = region_;
    forged.key ^= 1u << 20;
    std::deque<Operation> puts(50);
    for (Operation& put : puts) ASSERT_EQ(origin_->put(put, forged, 0, keep(bytes_of(10))), Errc::ok);
    Operation first, second;
    ASSERT_EQ(origin_->flush(first), Errc::ok);
    settle(20'000'000'000);
    ASSERT_FALSE(first.busy());
    EXPECT_EQ(first.code(), Errc::not_found) << seed;
    ASSERT_EQ(origin_->flush(second), Errc::ok);
    settle();
    EXPECT_EQ(second.code(), Errc::ok);
  }
}

TEST_F(PutTest, NothingIsWrittenAfterARevoke) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    open_lossy(seed);
    std::deque<Operation> puts(60);
    for (unsigned i = 0; i < 60; ++i)
      ASSERT_EQ(origin_->put(puts[i], region_, i * 1000u, keep(bytes_of(1000)), {.done = Done::delivered}),
                Errc::ok);
    for (unsigned turn = 0; turn < seed; ++turn) pair_->step();
    ASSERT_EQ(pair_->ends[1].regions->revoke(region_), Errc::ok);
    const std::string before = memory_;
    settle(20'000'000'000);
    EXPECT_EQ(memory_, before) << seed;
    for (unsigned i = 0; i < 60; ++i) {
      ASSERT_FALSE(puts[i].busy());
      if (puts[i].code() == Errc::ok) {
        EXPECT_EQ(memory_.substr(i * 1000u, 1000), bytes_of(1000)) << seed;
      } else {
        EXPECT_EQ(puts[i].code(), Errc::not_found);
      }
    }
  }
}

// ---- bad luck ----

TEST_F(PutTest, OneSidedOperationsGoOnWhileTheApplicationPauses) {
  for (const bool lossy : {false, true}) {
    if (lossy) {
      open_lossy();
    } else {
      open_ordered();
    }
    pair_->ends[1].stack->event({EventKind::pause});
    ASSERT_EQ(pair_->ends[0].send("first"), Errc::ok);
    Operation put;
    ASSERT_EQ(origin_->put(put, region_, 0, keep(bytes_of(900)), {.done = Done::delivered}), Errc::ok);
    ASSERT_EQ(pair_->ends[0].send("second"), Errc::ok);
    settle();
    EXPECT_FALSE(put.busy());
    EXPECT_EQ(memory_.substr(0, 900), bytes_of(900));
    EXPECT_TRUE(pair_->ends[1].delivered.empty());
    EXPECT_TRUE(pair_->ends[1].gate.owes_delivery());
    pair_->ends[1].stack->event({EventKind::resume});
    settle();
    ASSERT_EQ(pair_->ends[1].delivered.size(), 2u);
    EXPECT_EQ(pair_->ends[1].body(0), "first");
    EXPECT_FALSE(pair_->ends[1].gate.owes_delivery());
  }
}

TEST_F(PutTest, OperationsWaitWhileTheMediumIsFullAndThenGoOn) {
  open_ordered();
  pair_->hold(0, true);
  std::deque<Operation> puts(200);
  for (unsigned i = 0; i < 200; ++i)
    ASSERT_EQ(origin_->put(puts[i], region_, i * 300u, keep(bytes_of(300))), Errc::ok);
  EXPECT_TRUE(puts[5].busy());
  EXPECT_EQ(pair_->wires[0].frames.size(), 0u);
  pair_->hold(0, false);
  pair_->run();
  EXPECT_EQ(origin_->operations(), 0u);
  EXPECT_EQ(memory_.substr(199 * 300, 300), bytes_of(300));
  EXPECT_EQ(pair_->wires[0].sent_while_held, 0u);
}

TEST_F(PutTest, EverythingEndsWithThePeer) {
  open_ordered();
  Operation put, get, flush;
  std::string into(16, '\0');
  pair_->wires[0].stuck = true;
  ASSERT_EQ(origin_->put(put, region_, 0, keep(bytes_of(10)), {.done = Done::delivered}), Errc::ok);
  ASSERT_EQ(origin_->get(get, region_, 0, as_writable(into)), Errc::ok);
  ASSERT_EQ(origin_->flush(flush), Errc::ok);
  pair_->ends[0].stack->event({EventKind::peer_lost, Errc::peer_lost});
  EXPECT_EQ(put.code(), Errc::peer_lost);
  EXPECT_EQ(get.code(), Errc::peer_lost);
  EXPECT_EQ(flush.code(), Errc::peer_lost);
  EXPECT_EQ(origin_->operations(), 0u);
  EXPECT_EQ(origin_->put(put, region_, 0, keep(bytes_of(10))), Errc::closed);
}

TEST_F(PutTest, AnOperationThatIsDestroyedIsForgotten) {
  open_ordered();
  std::string into(5000, '\0');
  {
    Operation put, get;
    ASSERT_EQ(origin_->put(put, region_, 0, keep(bytes_of(10)), {.done = Done::delivered}), Errc::ok);
    ASSERT_EQ(origin_->get(get, region_, 0, as_writable(into)), Errc::ok);
  }
  pair_->run();
  EXPECT_EQ(origin_->operations(), 0u);
  EXPECT_EQ(into, std::string(5000, '\0'));
  EXPECT_EQ(pair_->ends[0].count(EventKind::corrupt), 0u);
  std::deque<Operation> more(200);
  for (Operation& get : more) ASSERT_EQ(origin_->get(get, region_, 0, as_writable(into)), Errc::ok);
  pair_->run();
  EXPECT_EQ(origin_->operations(), 0u);
}

TEST_F(PutTest, ACloseWaitsUntilEverythingIsThere) {
  open_lossy();
  Operation put;
  ASSERT_EQ(origin_->put(put, region_, 0, keep(bytes_of(60'000)), {.done = Done::delivered}), Errc::ok);
  pair_->ends[0].stack->event({EventKind::close});
  EXPECT_EQ(origin_->put(put, region_, 0, keep(bytes_of(1))), Errc::invalid);
  settle(20'000'000'000);
  EXPECT_FALSE(put.busy());
  EXPECT_EQ(put.code(), Errc::ok);
  EXPECT_EQ(memory_.substr(0, 60'000), bytes_of(60'000));
}

}  // namespace
}  // namespace harness::layers
