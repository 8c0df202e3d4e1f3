// SPDX-License-Identifier: Apache-2.0
// put where the transport reaches the peer's memory itself.
#include <harness/tests/unit/layers/put_direct_fixture.hpp>

namespace harness::tests {
namespace {

TEST_F(PutDirect, WritesWithoutAFrame) {
  open_direct();
  Operation put;
  ASSERT_EQ(origin_->put(put, region_, 100, keep(bytes_of(2000)), {.done = Done::delivered}), Errc::ok);
  EXPECT_EQ(ways_[0].under_way(), 4u);  // pieces of 512
  EXPECT_TRUE(put.busy());
  end_all();
  EXPECT_FALSE(put.busy());
  EXPECT_EQ(put.code(), Errc::ok);
  EXPECT_EQ(memory_.substr(100, 2000), bytes_of(2000));
  EXPECT_EQ(frames(), 0u);
}

TEST_F(PutDirect, EndsAtOnceWhereTheTransportDoes) {
  open_direct(true);
  Operation put;
  const Signal signal{.kind = Signal::Kind::word, .region = region_, .offset = 8, .value = 77};
  ASSERT_EQ(origin_->put(put, region_, 100, keep("hello"), {.done = Done::delivered, .signal = signal}),
            Errc::ok);
  EXPECT_FALSE(put.busy());
  EXPECT_EQ(memory_.substr(100, 5), "hello");
  EXPECT_EQ(word(8), 77u);
  Operation flush;
  ASSERT_EQ(origin_->flush(flush), Errc::ok);
  EXPECT_FALSE(flush.busy());
  EXPECT_EQ(frames(), 0u);
}

TEST_F(PutDirect, SendsWhatTheTransportCannotSignalBehindItsBytes) {
  open_direct();
  ways_[0].word_signals = false;
  Operation put;
  const Signal signal{.kind = Signal::Kind::word, .region = region_, .offset = 8, .value = 5};
  ASSERT_EQ(origin_->put(put, region_, 100, keep(bytes_of(1200)), {.signal = signal}), Errc::ok);
  pair_->run();
  EXPECT_EQ(word(8), 0x2e2e2e2e2e2e2e2eu);  // as it was
  while (ways_[0].under_way() != 0) {
    EXPECT_NE(word(8), 5u);
    ways_[0].end_one();
  }
  pair_->run();
  EXPECT_EQ(word(8), 5u);
  EXPECT_EQ(memory_.substr(100, 1200), bytes_of(1200));
  EXPECT_FALSE(put.busy());
}

TEST_F(PutDirect, SendsASmallOneWithItsSignalWhereThatIsCheaper) {
  open_direct();
  ways_[0].word_signals = false;
  ways_[0].message_bytes = 100;
  const Signal signal{.kind = Signal::Kind::word, .region = region_, .offset = 8, .value = 5};
  Operation small;
  Operation large;
  ASSERT_EQ(origin_->put(small, region_, 100, keep(bytes_of(99)), {.signal = signal}), Errc::ok);
  EXPECT_EQ(ways_[0].under_way(), 0u);
  ASSERT_EQ(origin_->put(large, region_, 300, keep(bytes_of(100)), {.signal = signal}), Errc::ok);
  EXPECT_EQ(ways_[0].under_way(), 1u);
  end_all();
  EXPECT_EQ(memory_.substr(100, 99), bytes_of(99));
  EXPECT_EQ(memory_.substr(300, 100), bytes_of(100));
}

// What comes behind a fence waits for the message before it.
TEST_F(PutDirect, SendsASmallOneWhereMessagesAreSooner) {
  open_direct();
  ways_[0].small_bytes = 100;
  Operation small;
  Operation large;
  ASSERT_EQ(origin_->put(small, region_, 100, keep(bytes_of(99))), Errc::ok);
  EXPECT_EQ(ways_[0].under_way(), 0u);
  ASSERT_EQ(origin_->put(large, region_, 100, keep(bytes_of(100, 'b')), {.after_previous = true}), Errc::ok);
  EXPECT_EQ(ways_[0].under_way(), 0u);
  pair_->run();
  EXPECT_EQ(memory_.substr(100, 99), bytes_of(99));
  EXPECT_EQ(ways_[0].under_way(), 1u);
  end_all();
  EXPECT_EQ(memory_.substr(100, 100), bytes_of(100, 'b'));
}

TEST_F(PutDirect, TellsTheHandlerBehindTheBytes) {
  open_direct(true);
  std::vector<std::pair<std::uint64_t, std::string>> told;
  pair_->ends[1].regions->on_signal([&](std::uint64_t key, std::uint16_t immediate) {
    told.emplace_back(immediate, memory_.substr(100, 3));
    EXPECT_EQ(key, region_.key);
  });
  Operation put;
  const Signal signal{.kind = Signal::Kind::immediate, .immediate = 9};
  ASSERT_EQ(origin_->put(put, region_, 100, keep("abc"), {.done = Done::delivered, .signal = signal}),
            Errc::ok);
  EXPECT_EQ(memory_.substr(100, 3), "abc");
  EXPECT_TRUE(put.busy());
  pair_->run();
  EXPECT_FALSE(put.busy());
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0], (std::pair<std::uint64_t, std::string>(9, "abc")));
}

TEST_F(PutDirect, ReadsAndChangesWords) {
  for (const bool at_once : {false, true}) {
    open_direct(at_once);
    memory_.replace(0, 8, std::string(8, '\0'));
    memory_.replace(1000, 1500, bytes_of(1500));
    std::string into(1500, ' ');
    Operation get;
    Operation add;
    ASSERT_EQ(origin_->get(get, region_, 1000, as_writable(into)), Errc::ok);
    ASSERT_EQ(origin_->atomic(add, AtomicOp::add, region_, 0, 3), Errc::ok);
    end_all();
    EXPECT_EQ(into, bytes_of(1500));
    Operation swap;
    ASSERT_EQ(origin_->atomic(swap, AtomicOp::swap, region_, 0, 10), Errc::ok);
    end_all();
    EXPECT_EQ(add.value(), 0u);
    EXPECT_EQ(swap.value(), 3u);
    EXPECT_EQ(word(0), 10u);
    EXPECT_EQ(frames(), 0u);
  }
}

TEST_F(PutDirect, WaitsForRoom) {
  open_direct();
  ways_[0].room = 2;
  Operation put;
  ASSERT_EQ(origin_->put(put, region_, 0, keep(bytes_of(4000)), {.done = Done::delivered}), Errc::ok);
  EXPECT_EQ(ways_[0].under_way(), 2u);
  end_all();
  EXPECT_FALSE(put.busy());
  EXPECT_EQ(memory_.substr(0, 4000), bytes_of(4000));
}

TEST_F(PutDirect, GoesByMessagesWhereThePeerHasSharedNothing) {
  open_direct();
  ways_[1].withdraw(region_.key);
  Operation put;
  ASSERT_EQ(origin_->put(put, region_, 0, keep("by messages"), {.done = Done::delivered}), Errc::ok);
  pair_->run();
  EXPECT_FALSE(put.busy());
  EXPECT_EQ(put.code(), Errc::ok);
  EXPECT_EQ(memory_.substr(0, 11), "by messages");
  EXPECT_EQ(ways_[0].carried_out, 0u);
}

// The region goes while its pieces are under way: the target itself says so.
TEST_F(PutDirect, TellsWhatWasRevokedUnderWay) {
  open_direct();
  Operation put;
  ASSERT_EQ(origin_->put(put, region_, 0, keep(bytes_of(1000)), {.done = Done::delivered}), Errc::ok);
  ASSERT_EQ(pair_->ends[1].regions->revoke(region_), Errc::ok);
  end_all();
  EXPECT_FALSE(put.busy());
  EXPECT_EQ(put.code(), Errc::not_found);
  EXPECT_EQ(memory_, std::string(memory_.size(), '.'));
}

// … and where it is only not shared any more, messages carry it.
TEST_F(PutDirect, CarriesByMessagesWhatWasWithdrawnUnderWay) {
  open_direct();
  Operation put;
  const Signal signal{.kind = Signal::Kind::word, .region = region_, .offset = 8, .value = 4};
  ASSERT_EQ(
      origin_->put(put, region_, 100, keep(bytes_of(1000)), {.done = Done::delivered, .signal = signal}),
      Errc::ok);
  ways_[1].withdraw(region_.key);
  end_all();
  EXPECT_FALSE(put.busy());
  EXPECT_EQ(put.code(), Errc::ok);
  EXPECT_EQ(memory_.substr(100, 1000), bytes_of(1000));
  EXPECT_EQ(word(8), 4u);
}

TEST_F(PutDirect, TellsAFailureAfterReusableByTheFlush) {
  open_direct();
  Operation put;
  ASSERT_EQ(origin_->put(put, region_, 0, keep("lost"), {}), Errc::ok);
  EXPECT_FALSE(put.busy());
  Operation flush;
  ASSERT_EQ(origin_->flush(flush), Errc::ok);
  EXPECT_TRUE(flush.busy());
  ways_[0].fails_with = Errc::denied;
  end_all();
  EXPECT_FALSE(flush.busy());
  EXPECT_EQ(flush.code(), Errc::denied);
}

// The endpoint goes and the link does not: what may be done twice is, by messages.
TEST_F(PutDirect, DoesAgainWhatWasLostWithTheEndpoint) {
  open_direct();
  memory_.replace(3000, 100, bytes_of(100));
  Operation put;
  Operation get;
  Operation add;
  Operation signalled;
  const Signal signal{.kind = Signal::Kind::word, .region = region_, .offset = 8, .value = 4};
  std::string into(100, ' ');
  ASSERT_EQ(origin_->put(put, region_, 0, keep("gone"), {.done = Done::delivered}), Errc::ok);
  ASSERT_EQ(origin_->get(get, region_, 3000, as_writable(into)), Errc::ok);
  ASSERT_EQ(origin_->atomic(add, AtomicOp::add, region_, 16, 1), Errc::ok);
  ASSERT_EQ(origin_->put(signalled, region_, 100, keep("lost"), {.done = Done::delivered, .signal = signal}),
            Errc::ok);
  ways_[0].go();
  pair_->run();
  EXPECT_EQ(put.code(), Errc::ok);
  EXPECT_EQ(memory_.substr(0, 4), "gone");
  EXPECT_EQ(get.code(), Errc::ok);
  EXPECT_EQ(into, bytes_of(100));
  EXPECT_EQ(add.code(), Errc::peer_lost);
  EXPECT_EQ(signalled.code(), Errc::peer_lost);
}

// Some pieces have begun, then the way is gone: all of it goes by messages, when those have ended.
TEST_F(PutDirect, BeginsAgainByMessagesWhereTheWayEndsHalfThrough) {
  open_direct(false, 900);
  memory_.replace(0, 60'000, bytes_of(60'000));
  std::string into(60'000, ' ');
  Operation get;
  ASSERT_EQ(origin_->get(get, region_, 0, as_writable(into)), Errc::ok);
  ASSERT_EQ(ways_[0].under_way(), 64u);
  ways_[1].withdraw(region_.key);
  ways_[0].tell_room();
  pair_->run();
  EXPECT_TRUE(get.busy());
  end_all();
  EXPECT_EQ(get.code(), Errc::ok);
  EXPECT_TRUE(into == bytes_of(60'000));
}

TEST_F(PutDirect, SignalsNothingWhilePiecesAreUnderWay) {
  open_direct(false, 900);
  Operation put;
  const Signal signal{.kind = Signal::Kind::word, .region = region_, .offset = 65'528, .value = 5};
  ASSERT_EQ(
      origin_->put(put, region_, 0, keep(bytes_of(40'000)), {.done = Done::delivered, .signal = signal}),
      Errc::ok);
  ASSERT_EQ(ways_[0].under_way(), 64u);
  ways_[1].withdraw(region_.key);
  ways_[0].tell_room();
  pair_->run();
  EXPECT_TRUE(put.busy());
  EXPECT_NE(word(65'528), 5u);
  end_all();
  EXPECT_FALSE(put.busy());
  EXPECT_EQ(word(65'528), 5u);
  EXPECT_TRUE(memory_.substr(0, 40'000) == bytes_of(40'000));
}

TEST_F(PutDirect, FlushWaitsForWhatIsDoneAgain) {
  open_direct();
  Operation put;
  Operation flush;
  ASSERT_EQ(origin_->put(put, region_, 0, keep(bytes_of(500)), {.done = Done::delivered}), Errc::ok);
  ASSERT_EQ(origin_->flush(flush), Errc::ok);
  ways_[1].withdraw(region_.key);
  ways_[0].end_one();
  EXPECT_TRUE(flush.busy());
  pair_->run();
  EXPECT_FALSE(flush.busy());
  EXPECT_EQ(memory_.substr(0, 500), bytes_of(500));
}

// What is done again comes between two pieces of a large put, and is refused: that one's alone.
TEST_F(PutDirect, RefusesOnlyWhatIsDoneAgain) {
  open_direct(false, 900, 8);
  std::string plain(60'000, '.');
  const RegionHandle other = *pair_->ends[1].regions->expose(as_writable(plain), Access::all);
  ways_[1].withdraw(other.key);
  Operation small;
  Operation large;
  ASSERT_EQ(origin_->put(small, region_, 0, keep("abc"), {.done = Done::delivered}), Errc::ok);
  ASSERT_EQ(pair_->ends[1].regions->revoke(region_), Errc::ok);
  ASSERT_EQ(origin_->put(large, other, 0, keep(bytes_of(60'000)), {.done = Done::delivered}), Errc::ok);
  ASSERT_TRUE(large.busy());
  ways_[0].end_one();
  pair_->run();
  EXPECT_EQ(small.code(), Errc::not_found);
  EXPECT_EQ(large.code(), Errc::ok);
  EXPECT_TRUE(plain == bytes_of(60'000));
}

// Puts by both ways, each after all before it: where the newest stands, all older ones have been there.
TEST_F(PutDirect, KeepsFencesAcrossBothWays) {
  Random random(seed(7));
  open_direct();
  std::string plain(4096, '.');
  const RegionHandle by_message = *pair_->ends[1].regions->expose(as_writable(plain), Access::all);
  ways_[1].withdraw(by_message.key);
  memory_.replace(64, 8, std::string(8, '\0'));
  plain.replace(64, 8, std::string(8, '\0'));
  std::deque<Operation> puts;
  std::vector<std::array<std::uint64_t, 2>> expected{{0, 0}};  // in each region, when so many are done
  const auto check = [&] {
    std::array<std::uint64_t, 2> found{};
    std::memcpy(&found[0], memory_.data() + 64, 8);
    std::memcpy(&found[1], plain.data() + 64, 8);
    const std::uint64_t newest = std::max(found[0], found[1]);
    ASSERT_LT(newest, expected.size());
    EXPECT_EQ(found, expected[newest]);
  };
  while (puts.size() < 400) {
    const std::uint64_t number = puts.size() + 1;
    const bool direct = random.below(2) == 0;
    expected.push_back(expected.back());
    expected.back()[direct ? 0 : 1] = number;
    std::string source(8, '\0');
    std::memcpy(source.data(), &number, sizeof number);
    ASSERT_EQ(origin_->put(puts.emplace_back(), direct ? region_ : by_message, 64, keep(source),
                           {.done = Done::delivered, .after_previous = true}),
              Errc::ok);
    for (std::uint64_t moves = random.below(4); moves-- != 0; check()) {
      if (random.below(2) == 0)
        ways_[0].end_one();
      else
        pair_->step();
    }
  }
  for (int i = 0; i < 5000 && puts.back().busy(); ++i, check()) {
    ways_[0].end_one();
    pair_->step();
  }
  for (const Operation& put : puts) {
    EXPECT_FALSE(put.busy());
    EXPECT_EQ(put.code(), Errc::ok);
  }
}

// A message has passed the fence, with a number to wait for: what goes directly behind it waits, too.
TEST_F(PutDirect, AFenceHoldsForEveryOperationBehindIt) {
  for (const bool at_once : {false, true}) {
    open_direct(at_once);
    std::string plain(100, '.');
    const RegionHandle by_message = *pair_->ends[1].regions->expose(as_writable(plain), Access::all);
    ways_[1].withdraw(by_message.key);
    memory_[0] = '.';
    pair_->wires[0].stuck = true;
    Operation before;
    Operation message;
    Operation direct;
    ASSERT_EQ(origin_->put(before, by_message, 0, keep("a"), {}), Errc::ok);
    origin_->fence();
    ASSERT_EQ(origin_->put(message, by_message, 1, keep("b"), {}), Errc::ok);
    ASSERT_EQ(origin_->put(direct, region_, 0, keep("c"), {}), Errc::ok);
    ways_[0].end_one();
    EXPECT_EQ(memory_[0], '.');
    pair_->wires[0].stuck = false;
    pair_->run();
    end_all();
    EXPECT_EQ(plain.substr(0, 2), "ab");
    EXPECT_EQ(memory_[0], 'c');
  }
}

TEST_F(PutDirect, FlushWaitsForASignalThatIsStillOwed) {
  open_direct();
  ways_[0].word_signals = false;
  Operation put;
  Operation flush;
  const Signal signal{.kind = Signal::Kind::word, .region = region_, .offset = 8, .value = 5};
  ASSERT_EQ(origin_->put(put, region_, 100, keep("abc"), {.signal = signal}), Errc::ok);
  ASSERT_EQ(origin_->flush(flush), Errc::ok);
  ways_[0].end_one();
  EXPECT_TRUE(flush.busy());
  pair_->run();
  EXPECT_FALSE(flush.busy());
  EXPECT_EQ(word(8), 5u);
}

TEST_F(PutDirect, OfADestroyedGetWritesNothing) {
  open_direct();
  std::string into(100, ' ');
  {
    Operation get;
    ASSERT_EQ(origin_->get(get, region_, 0, as_writable(into)), Errc::ok);
  }
  end_all();
  EXPECT_EQ(into, std::string(100, ' '));
}

}  // namespace
}  // namespace harness::tests
