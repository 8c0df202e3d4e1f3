// SPDX-License-Identifier: Apache-2.0
// put on words that a card changes, which sees nothing of what the processor does meanwhile.
#include <harness/tests/support/manual_direct.hpp>
#include <harness/tests/support/seed.hpp>
#include <harness/tests/unit/layers/put_fixture.hpp>

namespace harness::tests {
namespace {

class PutCard : public PutTest {
 protected:
  void SetUp() override {
    ways_[0].peer = &ways_[1];
    ways_[1].peer = &ways_[0];
    open({layer<Order>(), layer<Put>(), layer<Frag>()},
         {.word = Medium{}.word | by_itself, .directs = {&ways_[0], &ways_[1]}});
    memory_.replace(0, 8, std::string(8, '\0'));
    exposed_ = {.bytes = as_writable(memory_), .access = Access::all, .atomics = AtomicDomain::nic};
    card_ = *pair_->ends[1].regions->expose(exposed_.bytes, exposed_.access, exposed_.atomics);
    exposed_.key = card_.key;
  }
  void TearDown() override { pair_.reset(); }
  void end_all() {
    while (ways_[0].end_one()) pair_->run();
    pair_->run();
  }
  std::uint64_t frames() const { return pair_->wires[0].carried; }

  ManualDirect ways_[2] = {ManualDirect(seed(1)), ManualDirect(2)};
  Exposed exposed_;
  RegionHandle card_;
};

// Shared and withdrawn while adds are under way: each finds another value, and none is lost.
TEST_F(PutCard, ChangesAWordOneWayAtATime) {
  Random random(seed(3));
  std::deque<Operation> adds;
  const auto turn = [&] {
    if (random.below(2) == 0)
      ways_[0].end_one();
    else
      pair_->step();
  };
  while (adds.size() < 2000) {
    ASSERT_EQ(origin_->atomic(adds.emplace_back(), AtomicOp::add, card_, 0, 1), Errc::ok);
    if (random.below(12) == 0) ways_[1].withdraw(card_.key);
    if (random.below(6) == 0) ways_[1].share(exposed_);
    for (std::uint64_t turns = random.below(6); turns-- != 0;) turn();
  }
  const auto busy = [&] {
    return std::any_of(adds.begin(), adds.end(), [](const Operation& one) { return one.busy(); });
  };
  for (unsigned i = 0; i < 200'000 && busy(); ++i) turn();
  std::vector<bool> found(adds.size());
  for (const Operation& add : adds) {
    ASSERT_FALSE(add.busy());
    ASSERT_EQ(add.code(), Errc::ok);
    ASSERT_LT(add.value(), found.size());
    EXPECT_FALSE(found[add.value()]) << "two adds found " << add.value();
    found[add.value()] = true;
  }
  EXPECT_EQ(word(0), adds.size());
  EXPECT_GT(ways_[0].carried_out, 100u);
  EXPECT_GT(frames(), 100u);
}

// The first came before the peer had heard: the second waits for it, and so does a third for the second.
TEST_F(PutCard, WaitsForWhatWasBegunTheOtherWay) {
  ways_[1].withdraw(card_.key);
  pair_->wires[0].stuck = true;
  Operation by_message, by_card, again;
  ASSERT_EQ(origin_->atomic(by_message, AtomicOp::add, card_, 0, 1), Errc::ok);
  ways_[1].share(exposed_);
  ASSERT_EQ(origin_->atomic(by_card, AtomicOp::add, card_, 0, 1), Errc::ok);
  EXPECT_EQ(ways_[0].under_way(), 0u);
  pair_->wires[0].stuck = false;
  pair_->run();
  ASSERT_EQ(ways_[0].under_way(), 1u);
  ways_[1].withdraw(card_.key);
  const std::uint64_t before = frames();
  ASSERT_EQ(origin_->atomic(again, AtomicOp::add, card_, 0, 1), Errc::ok);
  pair_->run();
  EXPECT_EQ(frames(), before);
  end_all();
  EXPECT_EQ(again.code(), Errc::ok);
  EXPECT_EQ(word(0), 3u);
}

// A signal is for the program to see, and what the program sees the processor must have written.
TEST_F(PutCard, SignalsNoWordOfTheCard) {
  Operation put;
  Signal signal{.kind = Signal::Kind::word, .region = card_, .offset = 8, .value = 4};
  EXPECT_EQ(origin_->put(put, region_, 100, keep("abc"), {.signal = signal}), Errc::denied);
  signal.region.atomics = AtomicDomain::cpu;  // a handle that lies
  ways_[0].word_signals = false;
  ASSERT_EQ(origin_->put(put, region_, 100, keep("abc"), {.done = Done::delivered, .signal = signal}),
            Errc::ok);
  end_all();
  EXPECT_EQ(put.code(), Errc::denied);
  EXPECT_NE(word(8), 4u);
}

}  // namespace
}  // namespace harness::tests
