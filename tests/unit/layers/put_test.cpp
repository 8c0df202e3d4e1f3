// SPDX-License-Identifier: Apache-2.0
// put: what stands in a region, when, and what is refused.
#include <deque>

#include <gtest/gtest.h>

#include <harness/layers/frag.hpp>
#include <harness/layers/order.hpp>
#include <harness/layers/put.hpp>
#include <harness/layers/reliable.hpp>
#include <harness/tests/support/pair.hpp>

namespace harness::layers {
namespace {

using tests::layer;
using tests::Medium;
using tests::Pair;

constexpr Properties datagrams = property::message | property::checked32;

std::string bytes_of(std::size_t count, char first = 'a') {
  std::string text(count, '\0');
  for (std::size_t i = 0; i < count; ++i) text[i] = static_cast<char>(first + static_cast<char>(i % 23));
  return text;
}

// Two ends; the second exposes a region, and the first has its handle.
class PutTest : public ::testing::Test {
 protected:
  void open(std::vector<BoundLayer> layers, Medium medium = {}) {
    pair_.emplace(std::move(layers), medium);
    origin_ = pair_->ends[0].stack->one_sided();
    ASSERT_NE(origin_, nullptr);
    region_ = expose(Access::all);
  }
  // Over a medium that is reliable, and over packets that are lost, doubled and overtake each other.
  void open_ordered() { open({layer<Order>(), layer<Put>(), layer<Frag>()}); }
  void open_lossy(std::uint64_t seed = 1, std::uint64_t ppm = 100'000) {
    open({layer<Order>(), layer<Put>(), layer<Frag>(), layer<Reliable>()}, {.word = datagrams,
                                                                            .max_message = 1400,
                                                                            .drop_ppm = ppm,
                                                                            .duplicate_ppm = ppm / 2,
                                                                            .reorder_ppm = 2 * ppm,
                                                                            .seed = seed});
  }
  RegionHandle expose(Access access) { return *pair_->ends[1].regions->expose(as_writable(memory_), access); }
  static MutableBytes as_writable(std::string& text) {
    return {reinterpret_cast<std::byte*>(text.data()), text.size()};
  }
  // A source that outlives its operation.
  Bytes keep(std::string text) { return as_bytes(sources_.emplace_back(std::move(text))); }
  void settle(std::uint64_t for_ns = 2'000'000'000) { pair_->advance(for_ns); }
  std::uint64_t word(std::size_t offset) const {
    std::uint64_t value = 0;
    std::memcpy(&value, memory_.data() + offset, sizeof value);
    return value;
  }

  alignas(8) std::string memory_ = std::string(64 * 1024, '.');
  std::deque<std::string> sources_;
  std::optional<Pair> pair_;
  OneSided* origin_ = nullptr;
  RegionHandle region_;
};

TEST_F(PutTest, PutsBytesWhereTheyBelongAndNowhereElse) {
  open_ordered();
  Operation put;
  const std::string source = bytes_of(5000);
  ASSERT_EQ(origin_->put(put, region_, 100, as_bytes(source), {.done = Done::delivered}), Errc::ok);
  EXPECT_TRUE(put.busy());
  pair_->run();
  EXPECT_FALSE(put.busy());
  EXPECT_EQ(put.code(), Errc::ok);
  EXPECT_EQ(memory_.substr(100, 5000), source);
  EXPECT_EQ(memory_.substr(0, 100), std::string(100, '.'));
  EXPECT_EQ(memory_.substr(5100), std::string(memory_.size() - 5100, '.'));
  EXPECT_EQ(pair_->ends[1].quota->used_bytes(), 0u);
}

TEST_F(PutTest, AReusableSourceMayChangeAtOnce) {
  open_ordered();
  Operation put;
  std::string source = bytes_of(100);
  ASSERT_EQ(origin_->put(put, region_, 0, as_bytes(source)), Errc::ok);
  EXPECT_FALSE(put.busy());
  source.assign(100, 'X');
  pair_->run();
  EXPECT_EQ(memory_.substr(0, 100), bytes_of(100));
}

TEST_F(PutTest, MessagesPassBesidesAndKeepTheirOrder) {
  open_ordered();
  std::deque<Operation> puts(20);
  for (unsigned i = 0; i < 20; ++i) {
    ASSERT_EQ(pair_->ends[0].send("message " + std::to_string(i)), Errc::ok);
    ASSERT_EQ(origin_->put(puts[i], region_, i * 100u, keep(bytes_of(100))), Errc::ok);
  }
  pair_->run();
  ASSERT_EQ(pair_->ends[1].delivered.size(), 20u);
  for (unsigned i = 0; i < 20; ++i) EXPECT_EQ(pair_->ends[1].body(i), "message " + std::to_string(i));
  EXPECT_EQ(memory_.substr(1900, 100), bytes_of(100));
}

// ---- delivered, and what it costs ----

TEST_F(PutTest, DeliveredOverPacketsCostsNoPacketBeyondTheAcknowledgement) {
  open({layer<Put>(), layer<Reliable>()}, {.word = datagrams, .max_message = 1400});
  settle();
  const std::uint64_t there = pair_->wires[0].carried;
  const std::uint64_t back = pair_->wires[1].carried;
  Operation put;
  ASSERT_EQ(origin_->put(put, region_, 0, keep(bytes_of(64)), {.done = Done::delivered}), Errc::ok);
  pair_->step();
  EXPECT_TRUE(put.busy());
  settle(1'000'000);
  EXPECT_FALSE(put.busy());
  settle(1'000'000'000);
  EXPECT_EQ(pair_->wires[0].carried, there + 1);
  EXPECT_EQ(pair_->wires[1].carried, back + 1);
}

TEST_F(PutTest, DeliveredOverAReliableMediumCostsOneFrame) {
  open({layer<Put>()}, {.max_message = 8192});
  Operation put;
  ASSERT_EQ(origin_->put(put, region_, 0, keep(bytes_of(64)), {.done = Done::delivered}), Errc::ok);
  pair_->run();
  EXPECT_FALSE(put.busy());
  EXPECT_EQ(pair_->wires[0].carried, 1u);
  EXPECT_EQ(pair_->wires[1].carried, 1u);
}

TEST_F(PutTest, AReusablePutIsAnsweredByNothing) {
  open({layer<Put>()}, {.max_message = 8192});
  Operation put;
  ASSERT_EQ(origin_->put(put, region_, 0, keep(bytes_of(64))), Errc::ok);
  pair_->run();
  EXPECT_EQ(pair_->wires[1].carried, 0u);
}

// ---- signals ----

TEST_F(PutTest, AnImmediateSignalsAfterTheLastByte) {
  open_ordered();
  std::vector<std::uint16_t> seen;
  pair_->ends[1].regions->on_signal([&](std::uint64_t key, std::uint16_t immediate) {
    EXPECT_EQ(key, region_.key);
    EXPECT_EQ(memory_.substr(0, 4000), bytes_of(4000));
    seen.push_back(immediate);
  });
  Operation put;
  const Signal signal{.kind = Signal::Kind::immediate, .immediate = 0xbeef};
  ASSERT_EQ(origin_->put(put, region_, 0, keep(bytes_of(4000)), {.signal = signal}), Errc::ok);
  pair_->run();
  EXPECT_EQ(seen, std::vector<std::uint16_t>{0xbeef});
}

TEST_F(PutTest, AWordIsSetOrAddedToWhenEveryByteOfItsPutIsThere) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    open_lossy(seed);
    memory_.assign(memory_.size(), '\0');
    std::deque<Operation> puts(8);
    const std::string source = bytes_of(6000);
    for (unsigned i = 0; i < 8; ++i) {
      const Signal signal{.kind = Signal::Kind::word,
                          .op = SignalOp::add,
                          .region = region_,
                          .offset = 60'000,
                          .value = 1ull << (8 * i)};
      ASSERT_EQ(origin_->put(puts[i], region_, i * 6000u, as_bytes(source), {.signal = signal}), Errc::ok);
    }
    for (unsigned turn = 0; turn < 5000 && word(60'000) != 0x0101010101010101; ++turn) {
      pair_->step();
      pair_->advance(100'000);
      for (unsigned i = 0; i < 8; ++i) {
        const bool signalled = (word(60'000) >> (8 * i) & 1) != 0;
        if (signalled) {
          ASSERT_EQ(memory_.substr(i * 6000u, 6000), source) << seed;
        }
      }
    }
    ASSERT_EQ(word(60'000), 0x0101010101010101u) << seed;
  }
}

// ---- reading, atomics ----

TEST_F(PutTest, AGetReadsWhatStandsThere) {
  open_ordered();
  const std::string filled = bytes_of(memory_.size());
  std::copy(filled.begin(), filled.end(), memory_.begin());
  std::string into(40'000, '\0');
  Operation get;
  ASSERT_EQ(origin_->get(get, region_, 1000, as_writable(into)), Errc::ok);
  pair_->run();
  EXPECT_FALSE(get.busy());
  EXPECT_EQ(get.code(), Errc::ok);
  EXPECT_EQ(into, memory_.substr(1000, 40'000));
}

TEST_F(PutTest, AtomicsGiveBackWhatStoodThereBefore) {
  open_ordered();
  memory_.assign(memory_.size(), '\0');
  Operation one, two, three, four;
  ASSERT_EQ(origin_->atomic(one, AtomicOp::add, region_, 8, 5), Errc::ok);
  ASSERT_EQ(origin_->atomic(two, AtomicOp::swap, region_, 8, 77), Errc::ok);
  ASSERT_EQ(origin_->atomic(three, AtomicOp::compare_swap, region_, 8, 99, 76), Errc::ok);
  ASSERT_EQ(origin_->atomic(four, AtomicOp::compare_swap, region_, 8, 99, 77), Errc::ok);
  pair_->run();
  EXPECT_EQ(one.value(), 0u);
  EXPECT_EQ(two.value(), 5u);
  EXPECT_EQ(three.value(), 77u);
  EXPECT_EQ(four.value(), 77u);
  EXPECT_EQ(word(8), 99u);
}

TEST_F(PutTest, AtomicsAreCarriedOutOnceWhateverThePathDoes) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    open_lossy(seed, 200'000);
    memory_.assign(memory_.size(), '\0');
    std::deque<Operation> adds(300);
    for (Operation& add : adds) ASSERT_EQ(origin_->atomic(add, AtomicOp::add, region_, 16, 1), Errc::ok);
    settle(20'000'000'000);
    ASSERT_EQ(origin_->operations(), 0u) << seed;
    EXPECT_EQ(word(16), 300u) << seed;
    std::vector<bool> seen(300);
    for (const Operation& add : adds) {
      ASSERT_LT(add.value(), 300u);
      EXPECT_FALSE(seen[add.value()]) << seed;
      seen[add.value()] = true;
    }
  }
}

// ---- order ----

TEST_F(PutTest, AFenceLetsNothingPass) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    open_lossy(seed, 150'000);
    std::deque<Operation> puts(40);
    for (unsigned i = 0; i < 40; ++i) {
      ASSERT_EQ(origin_->put(puts[i], region_, 0, keep(std::string(50, static_cast<char>('A' + i)))),
                Errc::ok);
      origin_->fence();
    }
    settle(20'000'000'000);
    EXPECT_EQ(memory_.substr(0, 50), std::string(50, 'A' + 39)) << seed;
  }
}

TEST_F(PutTest, AfterPreviousIsCarriedOutLast) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    open_lossy(seed, 150'000);
    std::deque<Operation> puts(10);
    for (unsigned i = 0; i < 9; ++i)
      ASSERT_EQ(origin_->put(puts[i], region_, 0, keep(std::string(2000, '1'))), Errc::ok);
    ASSERT_EQ(origin_->put(puts[9], region_, 0, keep(std::string(2000, '2')), {.after_previous = true}),
              Errc::ok);
    settle(20'000'000'000);
    EXPECT_EQ(memory_.substr(0, 2000), std::string(2000, '2')) << seed;
  }
}

TEST_F(PutTest, AFlushEndsWhenAllBeforeItIsThere) {
  for (const bool lossy : {false, true}) {
    if (lossy) {
      open_lossy();
    } else {
      open_ordered();
    }
    std::deque<Operation> puts(100);
    for (unsigned i = 0; i < 100; ++i)
      ASSERT_EQ(origin_->put(puts[i], region_, i * 500u, keep(bytes_of(500))), Errc::ok);
    struct Flush : Operation {
      explicit Flush(const std::string& target)
          : Operation([](Operation& self) { static_cast<Flush&>(self).look(); }), memory(target) {}
      void look() const {
        for (unsigned i = 0; i < 100; ++i) EXPECT_EQ(memory.substr(i * 500u, 500), bytes_of(500));
      }
      const std::string& memory;
    } flush(memory_);
    ASSERT_EQ(origin_->flush(flush), Errc::ok);
    EXPECT_TRUE(flush.busy());
    settle(20'000'000'000);
    EXPECT_FALSE(flush.busy());
    EXPECT_EQ(flush.code(), Errc::ok);
  }
}

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
  std::deque<Operation> gets(200);
  for (Operation& get : gets) ASSERT_EQ(origin_->get(get, region_, 0, as_writable(into)), Errc::ok);
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
