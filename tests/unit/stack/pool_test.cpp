// SPDX-License-Identifier: Apache-2.0
// Pools and quotas: size classes, limits, what is counted and when it is told.
#include <harness/stack/pool.hpp>

#include <vector>

#include <gtest/gtest.h>

#include <harness/stack/message.hpp>

namespace harness {
namespace {

TEST(Pool, GivesTheSmallestClassThatFits) {
  Pool pool;
  for (const std::uint32_t total : Pool::class_bytes) {
    Slab* exact = pool.allocate(total - Pool::slab_header_bytes);
    EXPECT_EQ(exact->total_bytes(), total);
    Slab* more = pool.allocate(total - Pool::slab_header_bytes + 1);
    EXPECT_GT(more->total_bytes(), total);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(exact->bytes()) % 64, 0u);
    Pool::release(exact);
    Pool::release(more);
  }
  EXPECT_EQ(pool.alive_count(), 0u);
}

TEST(Pool, AllocatesNothingAfterWarmUp) {
  Pool pool;
  std::vector<Slab*> slabs;
  auto turn = [&] {
    for (std::uint32_t i = 0; i < 200; ++i) slabs.push_back(pool.allocate(i * 37));
    for (Slab* slab : slabs) Pool::release(slab);
    slabs.clear();
  };
  turn();
  const std::uint64_t grown = pool.grown_count();
  const std::uint64_t held = pool.held_bytes();
  for (int i = 0; i < 50; ++i) turn();
  EXPECT_EQ(pool.grown_count(), grown);
  EXPECT_EQ(pool.held_bytes(), held);
}

TEST(Pool, NeverHoldsMoreThanItsLimitAndRecoversFromIt) {
  constexpr std::uint64_t limit_bytes = 1 << 20;
  Pool pool(limit_bytes);
  for (const std::uint32_t capacity : {100u, 1400u, 60'000u, 300'000u}) {
    std::vector<Slab*> slabs;
    for (Slab* slab = pool.allocate(capacity); slab != nullptr; slab = pool.allocate(capacity)) {
      ASSERT_LE(pool.held_bytes(), limit_bytes);
      slabs.push_back(slab);
    }
    const std::size_t most = slabs.size();
    for (Slab* slab : slabs) Pool::release(slab);
    slabs.clear();
    EXPECT_EQ(pool.alive_count(), 0u);
    for (Slab* slab = pool.allocate(capacity); slab != nullptr; slab = pool.allocate(capacity))
      slabs.push_back(slab);
    EXPECT_EQ(slabs.size(), most) << "as many again";
    for (Slab* slab : slabs) Pool::release(slab);
  }
}

TEST(Pool, GivesLargeSlabsBackToTheHeap) {
  Pool pool(10 << 20);
  const std::uint64_t before = pool.held_bytes();
  Slab* slab = pool.allocate(5 << 20);
  ASSERT_NE(slab, nullptr);
  EXPECT_EQ(pool.alive_count(), 1u);
  EXPECT_EQ(pool.held_bytes(), before + slab->total_bytes());
  EXPECT_EQ(pool.allocate(6 << 20), nullptr) << "beyond the limit together";
  Pool::release(slab);
  EXPECT_EQ(pool.held_bytes(), before);
  EXPECT_EQ(pool.alive_count(), 0u);
}

TEST(Pool, KeepsALargeSlabForTheNextOneOfItsSizeUntilTheLimitWantsIt) {
  Pool pool(64 << 20);
  const Quota::Owner quota = Quota::make(10 << 20);
  Slab* slab = pool.allocate(1 << 20, quota.get());
  const std::uint64_t grown = pool.grown_count();
  Pool::release(slab);
  EXPECT_EQ(pool.alive_count(), 0u);
  EXPECT_EQ(quota->used_bytes(), 0u);
  EXPECT_EQ(pool.allocate(1000 << 10, quota.get()), slab);
  EXPECT_EQ(quota->used_bytes(), slab->charge_bytes());
  EXPECT_EQ(pool.grown_count(), grown);
  Pool::release(slab);
  EXPECT_EQ(quota->used_bytes(), 0u);
  Slab* half = pool.allocate(400 << 10);
  EXPECT_NE(half, slab) << "no slab twice as large as wanted";
  Slab* whole = pool.allocate(63 << 20);
  ASSERT_NE(whole, nullptr) << "what is only kept makes room";
  EXPECT_GE(whole->capacity, 63u << 20);
  Pool::release(half);
  Pool::release(whole);
}

TEST(Pool, KeepsNoMoreLargeSlabsThanASixteenthOfItsLimit) {
  Pool pool(64 << 20);
  std::vector<Slab*> slabs;
  for (int i = 0; i < 20; ++i) slabs.push_back(pool.allocate(1 << 20));
  for (Slab* slab : slabs) Pool::release(slab);
  EXPECT_GE(pool.held_bytes(), 3u << 20);
  EXPECT_LE(pool.held_bytes(), 4u << 20);
}

TEST(Pool, GivesForeignMemoryBackToItsOwner) {
  Pool pool;
  struct Owner {
    alignas(64) std::byte memory[sizeof(Slab) + 500];
    Slab* given_back = nullptr;
  } owner;
  const Quota::Owner quota = Quota::make(10'000);
  const std::uint64_t held = pool.held_bytes();
  Slab* slab = pool.adopt(owner.memory, 500, &owner,
                          [](Slab* back) noexcept { static_cast<Owner*>(back->owner)->given_back = back; });
  Message message = Message::over(slab, 300);
  message.charge(*quota);
  EXPECT_EQ(message.home(), slab);
  EXPECT_EQ(message.run().data(), owner.memory + sizeof(Slab) + Message::headroom_bytes);
  Message part = message.slice(pool, 100, 200);
  EXPECT_EQ(part.home(), nullptr) << "its headers lie elsewhere";
  EXPECT_EQ(quota->used_bytes(), 564u);
  EXPECT_EQ(pool.alive_count(), 2u) << "the slice has a header block of its own";
  message.reset();
  EXPECT_EQ(owner.given_back, nullptr);
  part.reset();
  EXPECT_EQ(owner.given_back, slab);
  EXPECT_EQ(quota->used_bytes(), 0u);
  EXPECT_EQ(pool.alive_count(), 0u);
  EXPECT_GE(pool.held_bytes(), held) << "only the header block was the pool's own";
}

TEST(Pool, KeepsASlabUntilItsLastReferenceGoes) {
  Pool pool;
  Slab* slab = pool.allocate(10);
  Pool::retain(slab);
  Pool::release(slab);
  EXPECT_EQ(pool.alive_count(), 1u);
  Pool::release(slab);
  EXPECT_EQ(pool.alive_count(), 0u);
}

TEST(Quota, CountsTheBytesAskedForWhileTheyLive) {
  Pool pool;
  const Quota::Owner quota = Quota::make(10'000);
  Message one = Message::make(pool, 100, quota.get());
  EXPECT_EQ(quota->used_bytes(), 64u + 128u + 100u);
  Message twin = one.slice(pool, 0, 50);
  EXPECT_EQ(quota->used_bytes(), 292u) << "a header block of its own is no received byte";
  one.reset();
  EXPECT_EQ(quota->used_bytes(), 292u) << "the slice keeps the slab alive";
  twin.reset();
  EXPECT_EQ(quota->used_bytes(), 0u);
  EXPECT_EQ(quota->peak_bytes(), 292u);
}

TEST(Quota, ChargesSlabsThatNobodyCountsYetOnce) {
  Pool pool;
  const Quota::Owner first = Quota::make(1 << 20);
  const Quota::Owner second = Quota::make(1 << 20);
  Message message = Message::make(pool, 100, first.get());
  Message tail = Message::make(pool, 1500);
  ASSERT_TRUE(message.append(pool, std::move(tail)));
  message.charge(*second);
  message.charge(*second);
  EXPECT_EQ(first->used_bytes(), 292u);
  EXPECT_EQ(second->used_bytes(), 64u + 128u + 1500u);
  message.reset();
  EXPECT_EQ(first->used_bytes() + second->used_bytes(), 0u);
}

TEST(Quota, TellsOnceWhenTheUseFallsBelowTheLimit) {
  Pool pool;
  const Quota::Owner quota = Quota::make(500);
  unsigned told = 0;
  std::vector<Message> kept;
  for (int i = 0; i < 4; ++i) kept.push_back(Message::make(pool, 10, quota.get()));
  EXPECT_TRUE(quota->exhausted());
  quota->when_below([](void* count) noexcept { ++*static_cast<unsigned*>(count); }, &told);
  kept.pop_back();
  kept.pop_back();
  EXPECT_EQ(told, 0u) << "512 is not below 500";
  kept.pop_back();
  EXPECT_EQ(told, 1u);
  kept.pop_back();
  EXPECT_EQ(told, 1u);
  quota->when_below([](void* count) noexcept { ++*static_cast<unsigned*>(count); }, &told);
  quota->when_below(nullptr, nullptr);
  kept.push_back(Message::make(pool, 2000, quota.get()));
  kept.clear();
  EXPECT_EQ(told, 1u) << "withdrawn";
}

TEST(Quota, OutlivesItsOwnerWhileMessagesCountOnIt) {
  Pool pool;
  Quota::Owner quota = Quota::make(1000);
  Message one = Message::make(pool, 10, quota.get());
  Message two = Message::make(pool, 10, quota.get());
  quota.reset();
  one.reset();
  two.reset();  // frees the quota: the address sanitizer looks on
  EXPECT_EQ(pool.alive_count(), 0u);
}

}  // namespace
}  // namespace harness
