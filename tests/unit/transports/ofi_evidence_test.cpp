// SPDX-License-Identifier: Apache-2.0
// Native put over a provider that writes and reads two places at a time: a put that was lost behind its
// completion never counts as delivered, and a get brings what stood there while the region was shared.
#include <stdlib.h>

#include <optional>

#include <harness/stack/random.hpp>
#include <harness/tests/support/direct_end.hpp>
#include <harness/tests/support/seed.hpp>

namespace harness::transports {
namespace {

using tests::DirectEnd, tests::pattern, tests::turn_until;
using Outcome = Direct::Outcome;

class OfiEvidence : public testing::Test {
 protected:
  static constexpr std::uint64_t place_bytes = 1024;
  static constexpr unsigned places = 32;

  void open(const std::string& knobs) {
    far_.reset();
    near_.reset();
    setenv("HARNESS_MOCK", knobs.c_str(), 1);
    near_.emplace("mock-tcp");
    far_.emplace("mock-tcp");
    tests::connect(*near_, *far_);
    unsetenv("HARNESS_MOCK");
    memory_ = RegionMemory::make(place_bytes * places).value();
    tickets_ = 0;
  }
  RegionHandle share() {
    const Exposed region{++last_key_, memory_->bytes(), Access::all, AtomicDomain::cpu, memory_};
    far_->direct->share(region);
    EXPECT_TRUE(until([&] { return near_->direct->reaches(region.key); }));
    return {region.key, region.bytes.size(), Access::all, AtomicDomain::cpu};
  }
  bool until(const std::function<bool()>& done) { return turn_until(*near_, *far_, done); }
  // As soon as there is room; `no` when there is no way any more.
  Outcome begin(const std::function<Outcome()>& call) {
    Outcome outcome = Outcome::full;
    EXPECT_TRUE(until([&] {
      if (outcome == Outcome::full) outcome = call();
      return outcome != Outcome::full;
    }));
    return outcome;
  }
  // Ticket n goes to place n.
  void put(const RegionHandle& to) {
    const auto source = pattern(place_bytes, tickets_ + 1);
    const Outcome outcome =
        begin([&] { return near_->direct->put(tickets_, to, tickets_ * place_bytes, source, {}); });
    tickets_ += outcome == Outcome::begun ? 1 : 0;
  }
  [[nodiscard]] bool is_there(std::uint64_t ticket) const {
    const auto source = pattern(place_bytes, static_cast<unsigned>(ticket) + 1);
    return std::equal(source.begin(), source.end(),
                      memory_->bytes().subspan(ticket * place_bytes, place_bytes).begin());
  }

  std::optional<DirectEnd> near_, far_;
  std::shared_ptr<RegionMemory> memory_;
  std::uint64_t last_key_ = 0x7000;
  unsigned tickets_ = 0;
};

TEST_F(OfiEvidence, NeverCountsALostPutAsDelivered) {
  unsigned lost_links = 0;
  unsigned delivered = 0;
  const std::uint64_t first = tests::seed(1);
  for (std::uint64_t seed = first; seed < first + 40; ++seed) {
    open("late=8,drops=0.05,seed=" + std::to_string(seed));
    const RegionHandle region = share();
    while (tickets_ < places && near_->codes.empty()) put(region);
    ASSERT_TRUE(until([&] { return near_->ended.size() == tickets_; }));
    bool lost = false;
    for (const auto& [ticket, code] : near_->ended) {
      lost = lost || code != Errc::ok;
      delivered += code == Errc::ok ? 1 : 0;
      if (code == Errc::ok) {
        ASSERT_TRUE(is_there(ticket)) << "seed " << seed;
      } else {
        ASSERT_EQ(code, Errc::peer_lost);
      }
    }
    if (!lost) continue;
    ++lost_links;
    ASSERT_TRUE(until([&] { return !near_->details.empty(); })) << "the link goes on, seed " << seed;
    EXPECT_NE(near_->details.back().find("mock-tcp lost a put"), std::string::npos) << near_->details.back();
  }
  EXPECT_GT(lost_links, 10u);
  EXPECT_GT(delivered, 100u);
}

// The application has its memory back after the withdrawal and writes to it at once.
TEST_F(OfiEvidence, GetsNothingThatWasReadAfterTheWithdrawal) {
  unsigned found = 0;
  unsigned refused = 0;
  const std::uint64_t first = tests::seed(1);
  for (std::uint64_t seed = first; seed < first + 60; ++seed) {
    Random random(seed);
    open("late=6,eagain=0,seed=" + std::to_string(seed));
    const RegionHandle region = share();
    const auto before = pattern(place_bytes, 1);
    std::copy(before.begin(), before.end(), memory_->bytes().begin());
    std::vector<std::byte> into(place_bytes);
    ASSERT_EQ(begin([&] { return near_->direct->get(0, region, 0, into); }), Outcome::begun);
    for (std::uint64_t turns = random.below(6); turns-- != 0;) {
      near_->engine->poll();
      far_->engine->poll();
    }
    far_->direct->withdraw(region.key);
    std::fill(memory_->bytes().begin(), memory_->bytes().end(), std::byte{0xee});
    ASSERT_TRUE(until([&] { return near_->ended.size() == 1; }));
    const Errc code = near_->ended.at(0);
    ASSERT_TRUE(code == Errc::ok || code == Errc::not_found) << to_string(code);
    ++(code == Errc::ok ? found : refused);
    if (code == Errc::ok) {
      EXPECT_EQ(near_->results.at(0), before) << "seed " << seed;
    }
  }
  EXPECT_GT(found, 5u);
  EXPECT_GT(refused, 5u);
}

// One operation of the provider's, and no check behind it.
TEST_F(OfiEvidence, AGetBringsTheWordOfItsRegionWithIt) {
  open("");
  const RegionHandle region = share();
  const auto expected = pattern(place_bytes, 1);
  std::copy(expected.begin(), expected.end(), memory_->bytes().begin());
  std::vector<std::byte> into(place_bytes);
  ASSERT_EQ(begin([&] { return near_->direct->get(0, region, 0, into); }), Outcome::begun);
  ASSERT_TRUE(until([&] { return near_->ended.size() == 1; }));
  EXPECT_EQ(near_->results.at(0), expected);
  EXPECT_EQ(near_->value("direct_checks"), 0u);
}

}  // namespace
}  // namespace harness::transports
