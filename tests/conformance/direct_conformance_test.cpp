// SPDX-License-Identifier: Apache-2.0
// What every transport that reaches the peer's memory itself keeps (stack/direct.hpp): bytes land where they
// belong and nowhere else, nothing after a withdrawal, every ticket ends once.
#include <harness/tests/conformance/direct_medium.hpp>

namespace harness::tests {
namespace {

TEST_P(DirectMedium, PutsBytesWhereTheyBelongAndNowhereElse) {
  const RegionHandle region = share(4096 + 24, 300'000);
  std::vector<std::byte> expected(bytes_max);
  const std::pair<std::uint64_t, std::size_t> pieces[] = {
      {0, 1}, {1, 63}, {64, 5000}, {8000, 290'000}, {299'999, 1}};
  for (const auto& [offset, bytes] : pieces) {
    const auto source = pattern(bytes, static_cast<unsigned>(offset));
    put(region, offset, source);
    std::copy(source.begin(), source.end(),
              expected.begin() + static_cast<std::ptrdiff_t>(4096 + 24 + offset));
  }
  ASSERT_TRUE(all_ended());
  for (const auto& [ticket, code] : near_->ended) EXPECT_EQ(code, Errc::ok) << ticket;
  EXPECT_TRUE(content() == expected);
}

TEST_P(DirectMedium, EndsAPutOnlyWhenItsBytesAreThere) {
  const RegionHandle region = share(0, bytes_max);
  std::map<std::uint64_t, std::size_t> places;
  Random random(seed(1));
  for (unsigned round = 0; round < 200; ++round) {
    const auto source = pattern(1 + random.below(200), round);
    const std::uint64_t place = round * 256;
    places[ticket_] = place;
    put(region, place, source);
    const std::size_t before = near_->ended.size();
    near_->engine->poll();
    far_->engine->poll();
    if (near_->ended.size() == before) continue;
    for (const auto& [ticket, code] : near_->ended)
      EXPECT_EQ(memory_->bytes()[places[ticket]], static_cast<std::byte>(ticket % 251)) << ticket;
  }
  ASSERT_TRUE(all_ended());
}

TEST_P(DirectMedium, GetsWhatStandsThere) {
  const RegionHandle region = share(8192, 200'000, Access::read);
  const auto expected = pattern(200'000, 3);
  std::copy(expected.begin(), expected.end(), memory_->bytes().begin() + 8192);
  std::vector<std::byte> into(150'000);
  const std::uint64_t piece_bytes = std::min<std::uint64_t>(near_->direct->piece_bytes_max(), 64 * 1024);
  for (std::size_t done = 0; done < into.size();) {
    const std::size_t piece = std::min<std::uint64_t>(into.size() - done, piece_bytes);
    near_->results[ticket_];
    begin([&] {
      return near_->direct->get(ticket_, region, 1000 + done, MutableBytes(into).subspan(done, piece));
    });
    done += piece;
  }
  ASSERT_TRUE(all_ended());
  std::size_t at = 0;
  for (const auto& [ticket, result] : near_->results) {
    EXPECT_EQ(near_->ended[ticket], Errc::ok);
    if (!result.empty())
      std::copy(result.begin(), result.end(), into.begin() + static_cast<std::ptrdiff_t>(at));
    at += piece_bytes;
  }
  EXPECT_TRUE(std::equal(into.begin(), into.end(), expected.begin() + 1000));
}

// Puts are under way while the region is withdrawn: from then on nothing changes, and what counts as
// delivered was there before.
TEST_P(DirectMedium, WritesNothingAfterAWithdrawal) {
  Random random(seed(2));
  for (unsigned round = 0; round < 20; ++round) {
    const RegionHandle region = share(0, bytes_max);
    std::memset(memory_->bytes().data(), 0, bytes_max);
    const std::uint64_t first = ticket_;
    const auto source = pattern(20'000, 1);
    for (unsigned i = 0; i < 10; ++i) put(region, i * 20'000, source);
    for (std::uint64_t turns = random.below(30); turns-- != 0;) {
      near_->engine->poll();
      far_->engine->poll();
    }
    far_->direct->withdraw(region.key);
    const auto then = content();
    ASSERT_TRUE(until([&] { return !near_->direct->reaches(region.key); }));
    ASSERT_TRUE(all_ended());
    EXPECT_TRUE(content() == then);
    for (std::uint64_t ticket = first; ticket < ticket_; ++ticket) {
      const Errc code = near_->ended[ticket];
      EXPECT_TRUE(code == Errc::ok || code == Errc::not_found) << to_string(code);
      if (code != Errc::ok) continue;
      const std::size_t place = (ticket - first) * 20'000;
      EXPECT_TRUE(
          std::equal(source.begin(), source.end(), then.begin() + static_cast<std::ptrdiff_t>(place)));
    }
    EXPECT_EQ(near_->direct->put(ticket_, region, 0, source, {}), Direct::Outcome::no);
  }
  EXPECT_TRUE(near_->codes.empty() && far_->codes.empty()) << "the link has ended";
}

TEST_P(DirectMedium, SharesAndWithdrawsWithoutEnd) {
  for (unsigned round = 0; round < 600; ++round) {
    const RegionHandle region = share(round % 100, 5000);
    const auto source = pattern(100, round);
    put(region, round % 7, source);
    ASSERT_TRUE(all_ended());
    EXPECT_TRUE(std::equal(source.begin(), source.end(), memory_->bytes().begin() + round % 100 + round % 7));
    far_->direct->withdraw(region.key);
  }
}

TEST_P(DirectMedium, RefusesWhatTheRegionIsNotSharedFor) {
  const RegionHandle reads = share(0, 1000, Access::read);
  const RegionHandle writes = share(4096, 1000, Access::write);
  const auto source = pattern(10);
  std::vector<std::byte> into(10);
  RegionHandle forged = reads;
  forged.access = Access::all;
  EXPECT_EQ(near_->direct->put(ticket_, forged, 0, source, {}), Direct::Outcome::no);
  forged = writes;
  forged.access = Access::all;
  EXPECT_EQ(near_->direct->get(ticket_, forged, 0, into), Direct::Outcome::no);
  forged.bytes = 1 << 20;
  EXPECT_EQ(near_->direct->put(ticket_, forged, 995, source, {}), Direct::Outcome::no);
  EXPECT_EQ(near_->direct->put(ticket_, forged, ~std::uint64_t{0} - 3, source, {}), Direct::Outcome::no);
  forged.key += 4096;  // the same slot
  EXPECT_EQ(near_->direct->put(ticket_, forged, 0, source, {}), Direct::Outcome::no);
  EXPECT_TRUE(content() == std::vector<std::byte>(bytes_max));
}

TEST_P(DirectMedium, SharesOnlyMemoryThatOthersCanMap) {
  std::vector<std::byte> own(100);
  far_->direct->share({77, own, Access::all, AtomicDomain::cpu, nullptr});
  const RegionHandle region = share(0, 100);
  EXPECT_TRUE(near_->direct->reaches(region.key));
  EXPECT_FALSE(near_->direct->reaches(77));
}

TEST_P(DirectMedium, EndsEverythingWhenThePeerGoes) {
  const RegionHandle region = share(0, bytes_max);
  const auto source = pattern(60'000);
  for (unsigned i = 0; i < 8; ++i) put(region, i * 60'000, source);
  far_->endpoint.reset();
  ASSERT_TRUE(all_ended());
  ASSERT_TRUE(until([&] { return !near_->codes.empty(); }));
  EXPECT_EQ(near_->direct->under_way(), 0u);
  EXPECT_EQ(near_->direct->put(ticket_, region, 0, source, {}), Direct::Outcome::no);
  near_->endpoint.reset();
  EXPECT_EQ(near_->gone, 1u);
  EXPECT_EQ(far_->gone, 1u);
  near_->direct = nullptr;
}

TEST_P(DirectMedium, KeepsMemoryAliveWhileItIsShared) {
  const RegionHandle region = share(0, 10'000);
  const std::weak_ptr<RegionMemory> watched = memory_;
  memory_.reset();
  EXPECT_FALSE(watched.expired());
  put(region, 0, pattern(10'000));
  ASSERT_TRUE(all_ended());
  EXPECT_TRUE(std::equal(watched.lock()->bytes().begin(), watched.lock()->bytes().begin() + 10'000,
                         pattern(10'000).begin()));
  far_->direct->withdraw(region.key);
  EXPECT_TRUE(watched.expired());
}

// Another share of the same memory had to be cut off: this one is withdrawn, and hears of it.
TEST_P(DirectMedium, IsWithdrawnWhenThePagesAreExchanged) {
  const RegionHandle region = share(0, 10'000);
  put(region, 0, pattern(10'000));
  ASSERT_TRUE(all_ended());
  ASSERT_TRUE(memory_->renew());
  EXPECT_TRUE(
      std::equal(memory_->bytes().begin(), memory_->bytes().begin() + 10'000, pattern(10'000).begin()));
  ASSERT_TRUE(until([&] { return !near_->direct->reaches(region.key); }));
  const RegionHandle again = share(0, 10'000);
  put(again, 0, pattern(10'000, 9));
  ASSERT_TRUE(all_ended());
  EXPECT_TRUE(
      std::equal(memory_->bytes().begin(), memory_->bytes().begin() + 10'000, pattern(10'000, 9).begin()));
}

INSTANTIATE_TEST_SUITE_P(
    Conformance, DirectMedium,
    testing::Values(Setting{"Tcp", "mock-tcp", ""}, Setting{"TcpStorm", "mock-tcp", storm},
                    Setting{"Shm", "mapped", ""}, Setting{"OfiShm", "shm", ""}, Setting{"OfiTcp", "tcp", ""},
                    Setting{"Verbs", "mock-verbs", ""}, Setting{"VerbsStorm", "mock-verbs", storm},
                    Setting{"Cxi", "mock-cxi", ""}, Setting{"CxiStorm", "mock-cxi", storm},
                    Setting{"CxiRaw", "mock-cxi", "raw=1"}),
    [](const auto& tried) { return std::string(tried.param.name); });

}  // namespace
}  // namespace harness::tests
