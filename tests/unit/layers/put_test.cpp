// SPDX-License-Identifier: Apache-2.0
// put: what stands in a region, and when.
#include <harness/tests/unit/layers/put_fixture.hpp>

namespace harness::layers {
namespace {

using tests::bytes_of, tests::datagrams, tests::layer, tests::PutTest;

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

}  // namespace
}  // namespace harness::layers
