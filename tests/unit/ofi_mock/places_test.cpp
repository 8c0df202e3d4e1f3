// SPDX-License-Identifier: Apache-2.0
// One-sided operations on two places of the target's, and operations that are lost.
#include <harness/tests/unit/ofi_mock/sides.hpp>

namespace harness::tests {
namespace {

// a's region, and two of b's: what is posted goes to the first of them, and what is behind it to the second.
struct Places : Pair {
  static constexpr std::size_t bytes = 64;

  explicit Places(const std::string& knobs, std::uint64_t second_access = every_access)
      : Pair(tcp, knobs.c_str()), here(*a, 4096), first(*b, 4096, every_access, 1),
        second(*b, 4096, second_access, 2) {}
  ssize_t post(decltype(fi_writemsg)& call, std::size_t count = 2, std::size_t second_bytes = bytes) {
    iovec piece{here.at(), bytes + (count > 1 ? second_bytes : 0)};
    const std::array<fi_rma_iov, 3> there{{{first.address(), bytes, first.key_for(*a)},
                                           {second.address(128), second_bytes, second.key_for(*a)},
                                           {}}};
    void* descriptor = here.descriptor();
    const fi_msg_rma message{&piece, &descriptor, 1, to_b, there.data(), count, nullptr, 0};
    return call(a->ep, &message, 0);
  }
  bool ends() {
    return until([&] { return a->done.size() + a->failed.size() == 1; });
  }
  Pages here;
  Pages first;
  Pages second;
};

TEST(OfiMockPlaces, AWriteGoesToBothAndARead) {
  for (const std::size_t second_bytes : {std::size_t{64}, std::size_t{8}}) {
    Places places("eagain=0");
    places.here.fill('x');
    ASSERT_EQ(places.post(fi_writemsg, 2, second_bytes), 0);
    ASSERT_TRUE(places.ends());
    places.rest();
    EXPECT_TRUE(places.first.all('x', 0, 64) && places.first.all(0, 64, 4096));
    EXPECT_TRUE(places.second.all('x', 128, 128 + second_bytes));
    EXPECT_TRUE(places.second.all(0, 0, 128) && places.second.all(0, 128 + second_bytes, 4096));
    places.first.fill('1');
    places.second.fill('2');
    places.a->done.clear();
    ASSERT_EQ(places.post(fi_readmsg, 2, second_bytes), 0);
    ASSERT_TRUE(places.ends());
    EXPECT_TRUE(places.here.all('1', 0, 64) && places.here.all('2', 64, 64 + second_bytes));
  }
}

TEST(OfiMockPlaces, ThereAreNoMoreThanItSays) {
  Places places("eagain=0");
  EXPECT_EQ(places.post(fi_writemsg, 3), -FI_EINVAL);
  Pair pair(verbs, "eagain=0");
  const Pages here(*pair.a, 4096);
  Pages there(*pair.b, 4096);
  iovec piece{here.at(), 128};
  const fi_rma_iov two[] = {{there.address(), 64, there.key_for(*pair.a)},
                            {there.address(64), 64, there.key_for(*pair.a)}};
  void* descriptor = here.descriptor();
  const fi_msg_rma message{&piece, &descriptor, 1, pair.to_b, two, 2, nullptr, 0};
  EXPECT_EQ(fi_writemsg(pair.a->ep, &message, 0), -FI_EINVAL);
}

TEST(OfiMockPlaces, BothHaveToBeOpenOrNoByteIsTouched) {
  Places places("eagain=0", local_access | FI_REMOTE_READ);
  places.here.fill('x');
  ASSERT_EQ(places.post(fi_writemsg), 0);
  ASSERT_TRUE(places.ends());
  ASSERT_EQ(places.a->failed.size(), 1u);
  EXPECT_EQ(places.a->failed[0].entry.err, FI_EACCES);
  places.rest();
  EXPECT_TRUE(places.first.all(0, 0, 4096) && places.second.all(0, 0, 4096));
}

// The first place can be seen without the second, and never the other way round.
TEST(OfiMockPlaces, TheSecondIsLaterThanTheFirst) {
  bool torn = false;
  for (int seed = 1; seed < 20; ++seed) {
    Places places("eagain=0,late=16,seed=" + std::to_string(seed));
    places.here.fill('x');
    ASSERT_EQ(places.post(fi_writemsg), 0);
    ASSERT_TRUE(places.until([&] {
      const bool first = places.first.all('x', 0, 64);
      const bool second = places.second.all('x', 128, 192);
      EXPECT_TRUE(first || !second);
      torn = torn || (first && !second);
      return second;
    }));
  }
  EXPECT_TRUE(torn);
}

// What is written after the first place was read is found in the second, not in the first.
TEST(OfiMockPlaces, TheSecondIsReadLaterThanTheFirst) {
  bool torn = false;
  for (int seed = 1; seed < 40; ++seed) {
    Places places("eagain=0,late=16,seed=" + std::to_string(seed));
    ASSERT_EQ(places.post(fi_readmsg), 0);
    for (int value = 1; places.a->done.empty(); ++value) {
      places.first.fill(value % 100);
      places.second.fill(value % 100);
      places.a->look();
      places.b->look();
    }
    EXPECT_LE(*places.here.at(0), *places.here.at(64));
    torn = torn || *places.here.at(0) != *places.here.at(64);
  }
  EXPECT_TRUE(torn);
}

TEST(OfiMockPlaces, AKeyThatClosesInBetweenEndsTheSecond) {
  bool half = false;
  for (int seed = 1; seed < 20; ++seed) {
    Places places("eagain=0,late=16,seed=" + std::to_string(seed));
    places.here.fill('x');
    ASSERT_EQ(places.post(fi_writemsg), 0);
    ASSERT_TRUE(places.until([&] { return places.first.all('x', 0, 64); }));
    half = half || !places.second.all('x', 128, 192);
    const bool before = places.second.all('x', 128, 192);
    places.second.unregister();
    places.rest();
    EXPECT_EQ(places.second.all('x', 128, 192), before);
  }
  EXPECT_TRUE(half);
}

// As when a connection dies: the initiator's completion says that it has left.
TEST(OfiMockLost, AWriteThatIsDroppedCompletesAndDoesNotLandOrNotWhole) {
  bool none = false;
  bool first_alone = false;
  for (int seed = 1; seed < 20; ++seed) {
    Places places("eagain=0,drops=1,seed=" + std::to_string(seed));
    places.here.fill('x');
    ASSERT_EQ(places.post(fi_writemsg), 0);
    ASSERT_TRUE(places.ends());
    EXPECT_TRUE(places.a->failed.empty());
    places.rest();
    EXPECT_TRUE(places.second.all(0, 0, 4096));
    (places.first.all(0, 0, 4096) ? none : first_alone) = true;
  }
  EXPECT_TRUE(none && first_alone);
}

TEST(OfiMockLost, WhatIsTakenForeverNeverCompletesAndHoldsUpNothingElse) {
  for (const char* provider : {verbs, cxi, tcp}) {
    Pair pair(provider, "eagain=0,never=1,tx=4");
    const Pages here(*pair.a, 4096);
    Pages there(*pair.b, 4096);
    here.fill('x');
    const std::uint64_t key = there.key_for(*pair.a);
    for (int i = 0; i < 3; ++i)
      ASSERT_EQ(
          fi_write(pair.a->ep, here.at(), 64, here.descriptor(), pair.to_b, there.address(), key, mark(1)),
          0);
    pair.rest();
    EXPECT_TRUE(pair.a->done.empty() && pair.a->failed.empty());
    EXPECT_TRUE(there.all(0, 0, 64));
    ASSERT_EQ(fi_inject_write(pair.a->ep, here.at(), 64, pair.to_b, there.address(), key), 0);
    EXPECT_TRUE(pair.until([&] { return there.all('x', 0, 64); })) << "what is injected has nothing to lose";
  }
}

}  // namespace
}  // namespace harness::tests
