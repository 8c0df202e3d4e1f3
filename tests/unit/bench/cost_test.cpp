// SPDX-License-Identifier: Apache-2.0
// Costs that can be counted, so that they are tests: instructions, allocations, locks, system calls.
#include <cstdlib>
#include <mutex>

#include <gtest/gtest.h>
#include <unistd.h>

#include <harness/bench/support/counted.hpp>
#include <harness/bench/support/loop_pair.hpp>
#include <harness/bench/support/machine.hpp>
#include <harness/bench/support/traced.hpp>
#include <harness/bench/support/trivial.hpp>
#include <harness/layers/frag.hpp>
#include <harness/layers/order.hpp>

namespace harness::bench {
namespace {

template <class Operation>
Result<std::uint64_t> instructions_of(Operation operation) {
  return count_instructions([&] {
    for (int i = 0; i < 3; ++i) operation();
    begin_region();
    operation();
    end_region();
  });
}

#define SKIP_WITHOUT_PTRACE(result) \
  if (!(result) && (result).error().code == Errc::denied) GTEST_SKIP() << (result).error().text()

TEST(StackCost, AnAbsentHookCostsNotOneInstruction) {
  Stacked<5, 5> five;
  Stacked<16, 5> sixteen;
  const auto down_five = instructions_of([&] { five.send_linked_shared(); });
  SKIP_WITHOUT_PTRACE(down_five);
  ASSERT_TRUE(down_five) << down_five.error().text();
  EXPECT_EQ(*down_five, instructions_of([&] { sixteen.send_linked_shared(); }).value());
}

TEST(StackCost, EachActiveHookCostsTheSameAndFusingSavesSome) {
  Stacked<16, 5> five;
  Stacked<16, 10> ten;
  Stacked<16, 15> fifteen;
  const auto with_five = instructions_of([&] { five.send_linked_shared(); });
  SKIP_WITHOUT_PTRACE(with_five);
  ASSERT_TRUE(with_five) << with_five.error().text();
  const std::uint64_t with_ten = instructions_of([&] { ten.send_linked_shared(); }).value();
  const std::uint64_t with_fifteen = instructions_of([&] { fifteen.send_linked_shared(); }).value();
  EXPECT_EQ(with_ten - *with_five, with_fifteen - with_ten);
  EXPECT_LT(instructions_of([&] { five.send_fused(); }).value(), *with_five);
}

// As a sum known ahead it would measure nothing.
TEST(Registers, EveryAddIsAnInstruction) {
  constexpr std::uint64_t times = 1000;
  const auto counted = instructions_of([] { add_in_registers(times); });
  SKIP_WITHOUT_PTRACE(counted);
  ASSERT_TRUE(counted) << counted.error().text();
  EXPECT_GE(*counted, 8 * times);
}

TEST(Registers, NoPartIsFasterThanTheBest) {
  Registers registers;
  const double first = registers.add_ns();
  const double best = registers.best_ns();
  EXPECT_GT(best, 0);
  EXPECT_LE(best, first);
  registers.add_ns();
  EXPECT_LE(registers.best_ns(), best);
}

// The founding claim: who does not use a layer does not pay for it, neither in hooks nor in instructions.
TEST(MessageCost, AnAbsentPutCostsNotOneInstruction) {
  const LoopPair::Fill without = [](Catalogue& catalogue) {
    catalogue.add<layers::Order>();
    catalogue.add<layers::Frag>();
  };
  LoopPair known("order / frag @ loop");
  LoopPair unknown("order / frag @ loop", nullptr, without);
  LoopPair present("order / put / frag @ loop");
  const auto work = [](LoopPair& pair) { return [&] { pair.exchange(16); }; };
  const auto of_unknown = instructions_of(work(unknown));
  SKIP_WITHOUT_PTRACE(of_unknown);
  ASSERT_TRUE(of_unknown) << of_unknown.error().text();
  EXPECT_EQ(instructions_of(work(known)).value(), *of_unknown);
  EXPECT_GT(instructions_of(work(present)).value(), *of_unknown);
}

TEST(MessageCost, OrderAndFragOverLoopAskNothingOfHeapLocksAndSystem) {
  LoopPair pair("order / frag @ loop");
  const auto work = [&] {
    for (int i = 0; i < 100; ++i) pair.exchange(16);
  };
  work();
  const Asked asked = asked_by(work);
  EXPECT_EQ(asked.allocations, 0u);
  EXPECT_EQ(asked.frees, 0u);
  EXPECT_EQ(asked.locks, 0u);
  const auto traced = trace([&] {
    begin_region();
    work();
    end_region();
  });
  SKIP_WITHOUT_PTRACE(traced);
  ASSERT_TRUE(traced) << traced.error().text();
  EXPECT_EQ(traced->text(), "none");
}

TEST(Counting, SeesAllocationsLocksAndSystemCalls) {
  std::mutex mutex;
  const Asked asked = asked_by([&] {
    const std::lock_guard lock(mutex);
    void* memory = std::malloc(100);
    asm volatile("" : "+r"(memory));  // else the compiler sees that nobody needs it
    std::free(memory);
    auto* object = new int(1);
    asm volatile("" : "+r"(object));
    delete object;
  });
  EXPECT_GE(asked.allocations, 2u);
  EXPECT_EQ(asked.frees, asked.allocations);
  EXPECT_EQ(asked.locks, 1u);
  const auto traced = trace([] {
    begin_region();
    for (int i = 0; i < 3; ++i) getppid();
    end_region();
  });
  SKIP_WITHOUT_PTRACE(traced);
  ASSERT_TRUE(traced) << traced.error().text();
  EXPECT_EQ(traced->done(), 3u) << traced->text();
}

}  // namespace
}  // namespace harness::bench
