// SPDX-License-Identifier: Apache-2.0
// Lies of a shm peer, one by one: each must end the link as corrupt, and hand up nothing of the lie.
#include <functional>

#include <gtest/gtest.h>
#include <unistd.h>

#include <harness/tests/unit/transports/shm_liar.hpp>

namespace harness::transports {
namespace {

using tests::arena_bytes;
using tests::Liar;
using tests::ring_bytes;
using tests::Victim;
using wire::ShmKind;
using wire::ShmPart;

constexpr std::uint32_t frame_bytes = 20'000;  // the largest that the victim agrees to

struct Lie {
  const char* name;
  std::function<void(Liar&, Victim&)> tell;
  std::uint64_t ring = ring_bytes;
};

std::string name_of(const testing::TestParamInfo<Lie>& info) { return info.param.name; }

class ShmLies : public testing::TestWithParam<Lie> {
 protected:
  static OptionValues options() {
    OptionValues values(Shm::type().options);
    values.set(Shm::option_frame, frame_bytes);
    return values;
  }
  Victim victim_{options()};
};

TEST_P(ShmLies, EndTheLinkAsCorrupt) {
  Liar liar(victim_.name, GetParam().ring);
  liar.hello();
  liar.record(ShmKind::data, 1);
  ASSERT_TRUE(victim_.until([&] { return victim_.got.size() == 1; }));
  GetParam().tell(liar, victim_);
  shm::send_bell(liar.socket);
  ASSERT_TRUE(victim_.until([&] { return !victim_.heard.empty(); }));
  EXPECT_EQ(victim_.heard.size(), 1u);
  EXPECT_EQ(victim_.heard[0].kind, EventKind::corrupt) << victim_.heard[0].detail;
  EXPECT_FALSE(victim_.heard[0].detail.empty());
  EXPECT_EQ(victim_.got.size(), 1u) << "nothing of the lie is handed up";
  victim_.forget();
  EXPECT_EQ(victim_.shm.connection_count(), 0u);
  EXPECT_EQ(victim_.engine->pool().alive_count(), 0u);
}

// Bits of the header word.
constexpr std::uint64_t sequence_bit = std::uint64_t{1} << 34;
constexpr std::uint64_t epoch_bit = std::uint64_t{1} << 32;
constexpr std::uint64_t kind_bits = std::uint64_t{0xf} << 28;

INSTANTIATE_TEST_SUITE_P(
    OfRecords, ShmLies,
    testing::Values(
        Lie{"OutOfSequence", [](Liar& liar, Victim&) { liar.record(ShmKind::data, 8, sequence_bit); }},
        Lie{"OfAnotherEpoch", [](Liar& liar, Victim&) { liar.record(ShmKind::data, 8, epoch_bit); }},
        Lie{"OfNoKind", [](Liar& liar, Victim&) { liar.record(ShmKind::none, 8); }},
        Lie{"OfAKindBeyondTheLast", [](Liar& liar, Victim&) { liar.record(static_cast<ShmKind>(6), 8); }},
        Lie{"OfAKindFarBeyond", [](Liar& liar, Victim&) { liar.record(ShmKind::none, 8, kind_bits); }},
        Lie{"LongerThanAnEighthOfTheRing",
            [](Liar& liar, Victim&) { liar.record(ShmKind::data, ring_bytes / 8 - 7); }},
        Lie{"LongerThanTheRing", [](Liar& liar, Victim&) { liar.record(ShmKind::data, 8, 0xfffff00); }},
        Lie{"LongerThanTheFrame", [](Liar& liar, Victim&) { liar.record(ShmKind::data, frame_bytes + 1); },
            1 << 20},
        Lie{"ASetUpFrameThatIsTooLong",
            [](Liar& liar, Victim&) { liar.record(ShmKind::setup, shm::Connection::setup_bytes_max + 1); },
            2 << 20},
        Lie{"AnEndWithBytes", [](Liar& liar, Victim&) { liar.record(ShmKind::bye, 8); }}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    OfParts, ShmLies,
    testing::Values(
        Lie{"WithoutBytes", [](Liar& liar, Victim&) { liar.part({100, ShmKind::data, 0}, 0); }},
        Lie{"ShorterThanItsHeader", [](Liar& liar, Victim&) { liar.record(ShmKind::part, 7); }},
        Lie{"WithoutABeginning", [](Liar& liar, Victim&) { liar.part({100, ShmKind::data, 10}, 10); }},
        Lie{"LongerThanTheFrame",
            [](Liar& liar, Victim&) { liar.part({frame_bytes + 1, ShmKind::data, 0}, 10); }},
        Lie{"LongerThanASetUpFrame",
            [](Liar& liar, Victim&) {
              liar.part({shm::Connection::setup_bytes_max + 1, ShmKind::setup, 0}, 10);
            }},
        Lie{"LongerThanItsFrameSaid", [](Liar& liar, Victim&) { liar.part({100, ShmKind::data, 0}, 101); }},
        Lie{"OfAnotherKind", [](Liar& liar, Victim&) { liar.part({100, ShmKind::bye, 0}, 10); }},
        Lie{"WithAGap",
            [](Liar& liar, Victim&) {
              liar.part({100, ShmKind::data, 0}, 10);
              liar.part({100, ShmKind::data, 11}, 10);
            }},
        Lie{"OverThoseBefore",
            [](Liar& liar, Victim&) {
              liar.part({100, ShmKind::data, 0}, 10);
              liar.part({100, ShmKind::data, 9}, 10);
            }},
        Lie{"BeyondTheEnd",
            [](Liar& liar, Victim&) {
              liar.part({100, ShmKind::data, 0}, 90);
              liar.part({100, ShmKind::data, 90}, 11);
            }},
        Lie{"OfAnotherFrame",
            [](Liar& liar, Victim&) {
              liar.part({100, ShmKind::data, 0}, 10);
              liar.part({101, ShmKind::data, 10}, 10);
            }},
        Lie{"ThatChangeTheirKind",
            [](Liar& liar, Victim&) {
              liar.part({100, ShmKind::data, 0}, 10);
              liar.part({100, ShmKind::setup, 10}, 10);
            }},
        Lie{"AFrameInsideAnother",
            [](Liar& liar, Victim&) {
              liar.part({100, ShmKind::data, 0}, 10);
              liar.record(ShmKind::data, 8);
            }},
        Lie{"ALoanInsideAFrame",
            [](Liar& liar, Victim&) {
              liar.lend_arena();
              liar.part({100, ShmKind::data, 0}, 10);
              liar.loan({0, 0, 100});
            }},
        Lie{"AnEndInsideAFrame",
            [](Liar& liar, Victim&) {
              liar.part({100, ShmKind::data, 0}, 10);
              liar.record(ShmKind::bye, 0);
            }}),
    name_of);

Lie lie_of_loan(const char* name, wire::ShmLoan loan) {
  return {name, [loan](Liar& liar, Victim&) {
            liar.lend_arena();
            liar.loan(loan);
          }};
}

INSTANTIATE_TEST_SUITE_P(
    OfLoans, ShmLies,
    testing::Values(lie_of_loan("BehindTheArena", {arena_bytes - 99, 0, 100}),
                    lie_of_loan("FarBehindTheArena", {(std::uint64_t{1} << 48) - 1, 0, 100}),
                    lie_of_loan("LongerThanTheArena", {0, 0, ~std::uint32_t{0}}),
                    lie_of_loan("LongerThanTheFrame", {0, 0, frame_bytes + 1}),
                    lie_of_loan("OfASlotThatThereIsNot", {0, shm::Lender::slots, 100}),
                    Lie{"WithoutAnArena", [](Liar& liar, Victim&) { liar.loan({0, 0, 100}); }},
                    Lie{"OfAnotherForm",
                        [](Liar& liar, Victim&) {
                          liar.lend_arena();
                          liar.record(ShmKind::loan, 13);
                        }},
                    Lie{"ArenasTwo",
                        [](Liar& liar, Victim&) {
                          liar.lend_arena();
                          liar.lend_arena();
                        }},
                    Lie{"ArenaSmallerThanItSays", [](Liar& liar, Victim&) { liar.lend_arena(17); }},
                    Lie{"ArenaTooSmall", [](Liar& liar, Victim&) { liar.lend_arena(12); }},
                    Lie{"ArenaTooLarge", [](Liar& liar, Victim&) { liar.lend_arena(31); }},
                    Lie{"AnotherGreeting", [](Liar& liar, Victim&) { liar.hello(); }}),
    name_of);

// Makes the victim send what the lie is about.
void lend(Victim& victim) { victim.send(victim.endpoint->make(victim.engine->pool(), 8000)); }

INSTANTIATE_TEST_SUITE_P(OfCredit, ShmLies,
                         testing::Values(Lie{"BeyondWhatWasSent",
                                             [](Liar& liar, Victim& victim) {
                                               while (!victim.held()) victim.send(std::string(9000, 'x'));
                                               liar.line().consumed = std::uint64_t{1} << 40;
                                             }},
                                         Lie{"Backwards",
                                             [](Liar& liar, Victim& victim) {
                                               while (!victim.held()) victim.send(std::string(9000, 'x'));
                                               liar.line().consumed = 64 * 1024;
                                               shm::send_bell(liar.socket);
                                               victim.turns(1000);
                                               liar.line().consumed = 64 * 1024 - 1;
                                             }},
                                         Lie{"OfALoanThatIsNotOut",
                                             [](Liar& liar, Victim& victim) {
                                               lend(victim);
                                               liar.line().returned = 2;
                                             }},
                                         Lie{"OfALoanTwice",
                                             [](Liar& liar, Victim& victim) {
                                               lend(victim);
                                               liar.line().returned = 1;
                                               shm::send_bell(liar.socket);
                                               ASSERT_TRUE(victim.until(
                                                   [&] { return victim.value("loans_not_returned") == 0; }));
                                               liar.line().returned = 0;
                                             }}),
                         name_of);

TEST(ShmLiar, MayNotLendASlotThatIsOut) {
  Victim victim;
  Liar liar(victim.name);
  liar.hello();
  liar.lend_arena();
  liar.loan({0, 7, 100});
  ASSERT_TRUE(victim.until([&] { return victim.got.size() == 1; }));
  victim.got.clear();
  liar.loan({0, 7, 100});
  ASSERT_TRUE(victim.until([&] { return victim.got.size() == 1; })) << "it was given back";
  liar.loan({100, 7, 100});
  ASSERT_TRUE(victim.until([&] { return !victim.heard.empty(); }));
  EXPECT_EQ(victim.heard[0].kind, EventKind::corrupt);
  EXPECT_EQ(victim.got.size(), 1u);
}

TEST(ShmLiar, MayNotLendToWhoDoesNotBorrow) {
  OptionValues options(Shm::type().options);
  options.set(Shm::option_arena, 0);
  Victim victim(options);
  const Liar liar(victim.name);
  liar.hello();
  victim.turns(4);
  liar.lend_arena();
  ASSERT_TRUE(victim.until([&] { return !victim.heard.empty(); }));
  EXPECT_EQ(victim.heard[0].kind, EventKind::corrupt);
}

}  // namespace
}  // namespace harness::transports
