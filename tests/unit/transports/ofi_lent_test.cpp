// SPDX-License-Identifier: Apache-2.0
// Puts over ofi whose bytes lie in a region of this side: the provider reads them there, and the memory stays
// until it has.
#include <stdlib.h>

#include <array>
#include <memory>
#include <optional>

#include <harness/tests/support/direct_end.hpp>
#include <harness/transports/ofi/direct_slots.hpp>

namespace harness::transports {
namespace {

using ofi::DirectSlots;
using tests::DirectEnd, tests::pattern, tests::turn_until;
using Outcome = Direct::Outcome;

class OfiLent : public testing::TestWithParam<const char*> {
 protected:
  static constexpr std::uint64_t region_bytes = 8 * 1024 * 1024;
  static constexpr std::uint64_t put_bytes = 100'000;

  void open(const std::string& knobs) {
    setenv("HARNESS_MOCK", knobs.c_str(), 1);
    near_.emplace(GetParam());
    far_.emplace(GetParam());
    address_ = tests::connect(*near_, *far_);
    unsetenv("HARNESS_MOCK");
    source_ = RegionMemory::make(region_bytes).value();
    target_ = RegionMemory::make(region_bytes).value();
    share();
    const auto bytes = pattern(region_bytes);
    std::copy(bytes.begin(), bytes.end(), source_->bytes().begin());
  }
  void share() {
    near_->direct->share({source_key, source_->bytes(), Access::read, AtomicDomain::cpu, source_});
    far_->direct->share({to_.key, target_->bytes(), Access::all, AtomicDomain::cpu, target_});
    ASSERT_TRUE(until([&] { return near_->direct->reaches(to_.key) && far_->direct->reaches(source_key); }));
  }
  bool until(const std::function<bool()>& done) { return turn_until(*near_, *far_, done); }
  Outcome put(std::uint64_t ticket, Bytes source, std::uint64_t offset = 0) {
    return near_->direct->put(ticket, to_, offset, source, {});
  }
  [[nodiscard]] Bytes source(std::uint64_t offset = 0, std::uint64_t bytes = put_bytes) const {
    return source_->bytes().subspan(offset, bytes);
  }
  [[nodiscard]] bool has_arrived(Bytes bytes, std::uint64_t offset = 0) const {
    return std::equal(bytes.begin(), bytes.end(), target_->bytes().subspan(offset, bytes.size()).begin());
  }
  // Nobody turns once it has gone out, so nothing has read the bytes yet.
  void put_without_a_turn() {
    Outcome outcome = Outcome::full;
    while (outcome == Outcome::full) {
      outcome = put(1, source());
      if (outcome == Outcome::full) near_->engine->poll();
    }
    ASSERT_EQ(outcome, Outcome::lent);
  }

  static constexpr std::uint64_t source_key = 0x7001;
  const RegionHandle to_{0x7002, region_bytes, Access::all, AtomicDomain::cpu};
  std::optional<DirectEnd> near_, far_;
  std::string address_;
  std::shared_ptr<RegionMemory> source_, target_;
};

TEST_P(OfiLent, AreReadWhereTheyLie) {
  open("");
  put_without_a_turn();
  const auto changed = pattern(put_bytes, 99);
  std::copy(changed.begin(), changed.end(), source_->bytes().begin());
  ASSERT_TRUE(until([&] { return near_->ended.size() == 1; }));
  EXPECT_EQ(near_->ended.at(1), Errc::ok);
  EXPECT_TRUE(has_arrived(changed)) << "of a copy";
  EXPECT_EQ(near_->value("direct_lent"), 1u);
}

// Withdrawn, let go of by the application and by the link.
TEST_P(OfiLent, KeepTheirMemoryUntilTheyHaveArrived) {
  open("late=32");
  put_without_a_turn();
  near_->direct->withdraw(source_key);
  const std::weak_ptr<RegionMemory> memory = source_;
  source_.reset();
  ASSERT_TRUE(until([&] { return near_->ended.size() == 1; }));
  EXPECT_EQ(near_->ended.at(1), Errc::ok);
  EXPECT_TRUE(has_arrived(pattern(put_bytes)));
  EXPECT_TRUE(memory.expired());
}

TEST_P(OfiLent, AreThoseOfRegionsAlone) {
  open("eagain=0");
  const auto elsewhere = pattern(DirectSlots::slot_bytes);
  EXPECT_EQ(near_->direct->put_bytes_max(elsewhere), DirectSlots::slot_bytes);
  EXPECT_EQ(put(1, elsewhere), Outcome::begun);
  EXPECT_EQ(put(2, source(0, 8), region_bytes / 2), Outcome::begun) << "a copy is cheaper";
  EXPECT_EQ(near_->direct->put_bytes_max(source()), DirectSlots::lent_bytes);
  near_->direct->withdraw(source_key);
  EXPECT_EQ(near_->direct->put_bytes_max(source()), DirectSlots::slot_bytes);
  ASSERT_TRUE(until([&] { return near_->ended.size() == 2; }));
  EXPECT_TRUE(has_arrived(elsewhere));
  EXPECT_EQ(near_->value("direct_lent"), 0u);
}

TEST_P(OfiLent, AreNoMoreThanFourMebibytesUnderWay) {
  open("eagain=0");
  constexpr unsigned most = DirectSlots::lent_bytes_max / DirectSlots::lent_bytes;
  const auto part = [&](unsigned number) {
    return source(number * std::uint64_t{DirectSlots::lent_bytes}, DirectSlots::lent_bytes);
  };
  for (unsigned i = 0; i < most; ++i)
    ASSERT_EQ(put(i, part(i), i * std::uint64_t{DirectSlots::lent_bytes}), Outcome::lent);
  EXPECT_EQ(put(99, part(0)), Outcome::full);
  ASSERT_TRUE(until([&] { return near_->ended.size() == most && near_->rooms != 0; }));
  EXPECT_TRUE(has_arrived(source(0, DirectSlots::lent_bytes_max)));
  EXPECT_EQ(put(99, part(0)), Outcome::lent);
  ASSERT_TRUE(until([&] { return near_->ended.size() == most + 1; }));
}

// Every provider here could do smaller ones.
TEST_P(OfiLent, AreNotWantedWhenAMessageIsThereSooner) {
  open("");
  const std::uint64_t least = near_->direct->put_bytes_min(false);
  if (GetParam() == std::string_view("mock-tcp"))
    EXPECT_TRUE(least != 0 && least <= 4096) << least;
  else
    EXPECT_EQ(least, 0u);
  EXPECT_LE(near_->direct->put_bytes_min(true), 16u * 1024);
  EXPECT_GE(near_->direct->put_bytes_min(true), least);
}

// The provider registers the region for the peer, and not once more to put from.
TEST_P(OfiLent, AreCopiedWhereNoMoreMayBeLocked) {
  if (GetParam() != std::string_view("mock-verbs")) GTEST_SKIP() << "it wants no registration of a source";
  open("eagain=0,memlock=25000000");
  EXPECT_EQ(near_->direct->put_bytes_max(source()), DirectSlots::slot_bytes);
  ASSERT_EQ(put(1, source(0, DirectSlots::slot_bytes)), Outcome::begun);
  ASSERT_TRUE(until([&] { return near_->ended.size() == 1; }));
  EXPECT_TRUE(has_arrived(source(0, DirectSlots::slot_bytes)));
}

// The link ends while the provider reads: it may read on.
TEST_P(OfiLent, OutliveTheirLink) {
  open("late=32");
  put_without_a_turn();
  near_->endpoint.reset();
  near_->direct = nullptr;
  EXPECT_EQ(near_->ended.at(1), Errc::peer_lost);
  source_.reset();
  for (unsigned turn = 0; turn < 2000; ++turn) {
    near_->engine->poll();
    far_->engine->poll();
  }
}

// The transport ends while the provider has them.
TEST_P(OfiLent, GoWithTheTransport) {
  open("late=32");
  put_without_a_turn();
  const std::weak_ptr<RegionMemory> memory = source_;
  source_.reset();
  near_.reset();
  EXPECT_TRUE(memory.expired());
}

// The provider never gives them back: a link to another peer has all four mebibytes.
TEST_P(OfiLent, OfALinkThatIsGoneTakeNothingFromAnother) {
  open("eagain=0,never=1");
  constexpr unsigned most = DirectSlots::lent_bytes_max / DirectSlots::lent_bytes;
  for (unsigned i = 0; i < most; ++i) ASSERT_EQ(put(i, source(0, DirectSlots::lent_bytes)), Outcome::lent);
  near_->endpoint.reset();
  ASSERT_EQ(near_->ended.size(), most);
  far_->endpoint.reset();
  near_->take(std::move(near_->transport->dial(address_).value()));
  near_->send(1);
  ASSERT_TRUE(until([&] { return far_->got.size() == 2; }));
  share();
  EXPECT_EQ(put(99, source(0, DirectSlots::lent_bytes)), Outcome::lent);
}

// The number behind them stands in the slot, apart from the bytes.
TEST_P(OfiLent, AreNotDeliveredWhenTheyAreLost) {
  if (GetParam() != std::string_view("mock-tcp")) GTEST_SKIP() << "it loses none behind their completion";
  open("drops=1");
  put_without_a_turn();
  ASSERT_TRUE(until([&] { return near_->ended.size() == 1; }));
  EXPECT_EQ(near_->ended.at(1), Errc::peer_lost);
}

TEST_P(OfiLent, AreOfAnyPlaceAndSize) {
  open("eagain=0");
  near_->direct->withdraw(source_key);
  constexpr std::uint64_t first = 4097;  // of the region in its memory
  constexpr std::uint64_t bytes = 200'001;
  near_->direct->share(
      {source_key + 4, source_->bytes().subspan(first, bytes), Access::read, AtomicDomain::cpu, source_});
  struct Part {
    std::uint64_t at;
    std::uint64_t bytes;
    Outcome outcome;
  };
  constexpr std::uint64_t least = 8 * 1024;
  const std::array parts{Part{first, bytes, Outcome::lent},
                         Part{first + 3, least, Outcome::lent},
                         Part{first + 3, least - 1, Outcome::begun},
                         Part{first - 1, least, Outcome::begun},
                         Part{first + bytes - least, least, Outcome::lent},
                         Part{first + bytes - least, least + 1, Outcome::begun}};
  std::uint64_t to = 5;
  for (std::uint64_t i = 0; i < parts.size(); ++i, to += bytes) {
    const Part& part = parts[i];
    EXPECT_EQ(put(i, source(part.at, part.bytes), to), part.outcome) << i;
    ASSERT_TRUE(until([&] { return near_->ended.size() == i + 1; }));
    EXPECT_EQ(near_->ended.at(i), Errc::ok) << i;
    EXPECT_TRUE(has_arrived(source(part.at, part.bytes), to)) << i;
  }
}

// As psm3: it keeps reads behind writes of up to 4 KiB.
int getinfo_with_little_order(std::uint32_t version, const char* node, const char* service,
                              std::uint64_t flags, const fi_info* hints, fi_info** info) {
  const int code = ofi::mock::mock_getinfo(version, node, service, flags, hints, info);
  for (fi_info* one = code == 0 ? *info : nullptr; one != nullptr; one = one->next)
    one->ep_attr->max_order_raw_size = 4096;
  return code;
}

TEST(OfiPut, IsNoLargerThanTheOrderThatTellsOfItsArrival) {
  ofi::Library library = tests::mock_library;
  library.getinfo = getinfo_with_little_order;
  setenv("HARNESS_MOCK", "", 1);
  DirectEnd near("mock-verbs");
  DirectEnd far("mock-verbs");
  near.transport =
      ofi::load().value()->make(*near.engine, tests::ofi_options("mock-verbs"), &library).value();
  tests::connect(near, far);
  const auto source = pattern(100'000);
  EXPECT_EQ(near.direct->put_bytes_max(source), 4096u);
}

INSTANTIATE_TEST_SUITE_P(Mock, OfiLent, testing::Values("mock-verbs", "mock-cxi", "mock-tcp"),
                         [](const auto& tried) { return std::string(tried.param).substr(5); });

}  // namespace
}  // namespace harness::transports
