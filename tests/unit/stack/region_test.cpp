// SPDX-License-Identifier: Apache-2.0
// Regions: what a key opens, and what it no longer does.
#include <set>

#include <gtest/gtest.h>

#include <harness/stack/region.hpp>

namespace harness {
namespace {

class RegionsTest : public ::testing::Test {
 protected:
  RegionHandle expose(Access access = Access::all) { return *regions_.expose(memory_, access); }
  Errc find(const RegionHandle& handle, std::uint64_t offset, std::uint64_t bytes,
            Access access = Access::write) {
    return regions_.find(handle.key, offset, bytes, access, at_);
  }
  std::array<std::byte, 100> memory_{};
  Random random_{7};
  Regions regions_{random_};
  std::byte* at_ = nullptr;
};

TEST_F(RegionsTest, AKeyOpensItsBytesAndNoneBehindThem) {
  const RegionHandle handle = expose();
  EXPECT_EQ(find(handle, 10, 90), Errc::ok);
  EXPECT_EQ(at_, memory_.data() + 10);
  EXPECT_EQ(find(handle, 100, 0), Errc::ok);
  EXPECT_EQ(find(handle, 10, 91), Errc::invalid);
  EXPECT_EQ(find(handle, 101, 0), Errc::invalid);
  EXPECT_EQ(find(handle, ~std::uint64_t{0}, 2), Errc::invalid);
  EXPECT_EQ(find(handle, 2, ~std::uint64_t{0}), Errc::invalid);
}

TEST_F(RegionsTest, WhatIsNotExposedForItIsDenied) {
  const RegionHandle handle = expose(Access::read);
  EXPECT_EQ(find(handle, 0, 1, Access::read), Errc::ok);
  EXPECT_EQ(find(handle, 0, 1, Access::write), Errc::denied);
  EXPECT_EQ(find(handle, 0, 8, Access::atomic), Errc::denied);
}

TEST_F(RegionsTest, ARevokedKeyOpensNothingNotEvenTheRegionInItsPlace) {
  const RegionHandle handle = expose();
  EXPECT_EQ(regions_.revoke(handle), Errc::ok);
  EXPECT_EQ(find(handle, 0, 1), Errc::not_found);
  EXPECT_EQ(regions_.revoke(handle), Errc::not_found);
  const RegionHandle next = expose();
  EXPECT_EQ(handle.key & (Regions::regions_max - 1), next.key & (Regions::regions_max - 1));
  EXPECT_EQ(find(handle, 0, 1), Errc::not_found);
  EXPECT_EQ(find(next, 0, 1), Errc::ok);
}

TEST_F(RegionsTest, ForgedKeysOpenNothing) {
  const RegionHandle handle = expose();
  for (unsigned bit = 0; bit < 64; ++bit) {
    RegionHandle forged = handle;
    forged.key ^= std::uint64_t{1} << bit;
    EXPECT_EQ(find(forged, 0, 1), Errc::not_found) << bit;
  }
  EXPECT_EQ(find(RegionHandle{.key = 0, .bytes = 1}, 0, 0), Errc::not_found);
}

TEST_F(RegionsTest, NoMoreThanTheBoundAndNothingEmpty) {
  for (std::size_t i = 0; i < Regions::regions_max; ++i) ASSERT_TRUE(regions_.expose(memory_, Access::read));
  EXPECT_EQ(regions_.expose(memory_, Access::read).error().code, Errc::exhausted);
  EXPECT_EQ(regions_.expose({}, Access::read).error().code, Errc::invalid);
  EXPECT_EQ(regions_.expose(memory_, Access::none).error().code, Errc::invalid);
}

// ---- placements ----

TEST_F(RegionsTest, APlacementEndsWithItsRegionAndNoOther) {
  const RegionHandle first = expose();
  const RegionHandle second = expose();
  Placement one, two, three;
  regions_.place(first.key, memory_.data() + 1, one);
  regions_.place(second.key, memory_.data() + 2, two);
  regions_.place(first.key, memory_.data() + 3, three);
  ASSERT_EQ(regions_.revoke(first), Errc::ok);
  EXPECT_EQ(one.at, nullptr);
  EXPECT_EQ(three.at, nullptr);
  EXPECT_EQ(two.at, memory_.data() + 2);
  EXPECT_EQ(regions_.revoke(second), Errc::ok);
  EXPECT_EQ(two.at, nullptr);
}

TEST_F(RegionsTest, APlacementMayGoFirstOrServeAgain) {
  const RegionHandle handle = expose();
  {
    Placement gone;
    regions_.place(handle.key, memory_.data(), gone);
  }
  Placement placement;
  regions_.place(handle.key, memory_.data(), placement);
  placement.reset();
  EXPECT_EQ(placement.at, nullptr);
  regions_.place(handle.key, memory_.data(), placement);
  regions_.place(handle.key, memory_.data() + 1, placement);
  EXPECT_EQ(placement.at, memory_.data() + 1);
  EXPECT_EQ(regions_.revoke(handle), Errc::ok);
  EXPECT_EQ(placement.at, nullptr);
}

TEST_F(RegionsTest, APlacementEndsWithAllRegions) {
  Placement placement;
  {
    Regions regions{random_};
    regions.place(regions.expose(memory_, Access::all)->key, memory_.data(), placement);
  }
  EXPECT_EQ(placement.at, nullptr);
}

// ---- watchers ----

struct Watched final : Regions::Watcher {
  void exposed(const Exposed& region) noexcept override { keys.insert(region.key); }
  void revoked(std::uint64_t key) noexcept override { keys.erase(key); }
  std::set<std::uint64_t> keys;
};

TEST_F(RegionsTest, TheCardsWordsHaveOneWatcherTheOldest) {
  Watched first, second;
  const auto before = regions_.expose(memory_, Access::all, AtomicDomain::nic)->key;
  regions_.watch(first);
  regions_.watch(second);
  const auto later = regions_.expose(memory_, Access::all, AtomicDomain::nic)->key;
  const auto plain = expose().key;
  EXPECT_EQ(first.keys, (std::set{before, later, plain}));
  EXPECT_EQ(second.keys, std::set{plain});
  regions_.unwatch(first);
  EXPECT_EQ(first.keys, std::set{plain});
  EXPECT_EQ(second.keys, (std::set{before, later, plain}));
  Watched third;
  regions_.watch(third);
  regions_.unwatch(third);
  EXPECT_EQ(second.keys, (std::set{before, later, plain}));
}

TEST_F(RegionsTest, TheProcessorTakesAWordFromEveryOtherWatcher) {
  Watched first, second;
  regions_.watch(first);
  regions_.watch(second);
  const auto word = regions_.expose(memory_, Access::all, AtomicDomain::nic)->key;
  const auto plain = expose().key;
  regions_.take(word, first);
  EXPECT_TRUE(first.keys.contains(word));
  regions_.take(plain, second);
  EXPECT_TRUE(first.keys.contains(plain));
  regions_.take(word, second);
  EXPECT_FALSE(first.keys.contains(word));
  regions_.unwatch(first);
  EXPECT_TRUE(second.keys.contains(word));
}

TEST(RegionHandle, ComesBackFromItsPackedFormAndNothingElseDoes) {
  const RegionHandle handle{0x1234567890abcdef, 4096, Access::read | Access::atomic, AtomicDomain::nic};
  const auto packed = handle.pack();
  EXPECT_EQ(*RegionHandle::unpack(packed), handle);
  auto other = packed;
  other[0] = std::byte{9};
  EXPECT_EQ(RegionHandle::unpack(other).error().code, Errc::conflict);
  other = packed;
  other[1] = std::byte{8};
  EXPECT_EQ(RegionHandle::unpack(other).error().code, Errc::invalid);
  for (std::size_t bytes = 0; bytes < packed.size(); ++bytes)
    EXPECT_EQ(RegionHandle::unpack(Bytes(packed).first(bytes)).error().code, Errc::invalid);
}

}  // namespace
}  // namespace harness
