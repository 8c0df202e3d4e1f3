// SPDX-License-Identifier: Apache-2.0
// Regions that the peer reaches by itself over shm, at the endpoint: share, put, get, atomics, revoke, ends.
#include <atomic>

#include <gtest/gtest.h>

#include <harness/tests/unit/transports/shm_pair.hpp>
#include <harness/transports/region_memory.hpp>

namespace harness::tests {
namespace {

using Outcome = Direct::Outcome;
using transports::shm::Exports;

constexpr std::uint64_t kib = 1024;

struct Sink {
  unsigned gone = 0;
  explicit Sink(Direct& direct) {
    direct.attach({.self = this,
                   .ended = [](void*, std::uint64_t, Errc, Bytes) { FAIL() << "everything is done at once"; },
                   .room = [](void*) { FAIL() << "nothing is ever full"; },
                   .gone = [](void* self, Direct&) { ++static_cast<Sink*>(self)->gone; }});
  }
};

std::shared_ptr<RegionMemory> memory_of(std::uint64_t bytes) { return RegionMemory::make(bytes).value(); }

// The far end shares, the near one reaches.
class ShmDirect : public ::testing::Test {
 protected:
  static Exposed exposed(std::uint64_t key, const std::shared_ptr<RegionMemory>& in,
                         Access access = Access::all, std::uint64_t offset = 0, std::uint64_t bytes = 0) {
    return {.key = key,
            .bytes = in->bytes().subspan(offset, bytes != 0 ? bytes : in->bytes().size() - offset),
            .access = access,
            .in = in};
  }
  RegionHandle share(const Exposed& region) {
    target().share(region);
    EXPECT_TRUE(pair_.until([&] { return origin().reaches(region.key); }));
    return handle(region);
  }
  static RegionHandle handle(const Exposed& region) {
    return {region.key, region.bytes.size(), region.access, region.atomics};
  }
  Direct& origin() { return *pair_.near.endpoint->direct(); }
  Direct& target() { return *pair_.far.endpoint->direct(); }
  Outcome put(const RegionHandle& to, std::uint64_t offset, std::string_view text, Signal signal = {}) {
    return origin().put(0, to, offset, as_bytes(text), signal);
  }
  static std::string text(const RegionMemory& memory, std::uint64_t offset, std::uint64_t bytes) {
    return {memory.as<char>() + offset, bytes};
  }

  ShmPair pair_;
  std::shared_ptr<RegionMemory> memory_ = memory_of(64 * kib);
};

TEST_F(ShmDirect, WritesReadsAndSignalsWithoutAFrame) {
  const RegionHandle region = share(exposed(7, memory_));
  const Signal set{.kind = Signal::Kind::word, .region = region, .offset = 8, .value = 77};
  EXPECT_TRUE(origin().signals(set));
  EXPECT_EQ(put(region, 100, "hello", set), Outcome::done);
  EXPECT_EQ(text(*memory_, 100, 5), "hello");
  EXPECT_EQ(memory_->as<std::uint64_t>()[1], 77u);
  const Signal add{
      .kind = Signal::Kind::word, .op = SignalOp::add, .region = region, .offset = 8, .value = 3};
  EXPECT_EQ(put(region, 0, "", add), Outcome::done);
  EXPECT_EQ(memory_->as<std::uint64_t>()[1], 80u);
  std::string into(5, ' ');
  EXPECT_EQ(origin().get(0, region, 100, std::as_writable_bytes(std::span(into))), Outcome::done);
  EXPECT_EQ(into, "hello");
  EXPECT_EQ(pair_.near.endpoint->frames_sent(), 0u);
}

TEST_F(ShmDirect, WritesEveryLengthToItsPlaceAndNotBeyond) {
  const RegionHandle region = share(exposed(7, memory_));
  std::string source(3000, '\0');
  for (std::size_t i = 0; i < source.size(); ++i) source[i] = static_cast<char>('a' + i % 23);
  std::vector<std::size_t> lengths(80);
  for (std::size_t i = 0; i < lengths.size(); ++i) lengths[i] = i;
  lengths.push_back(3000);
  for (const std::size_t bytes : lengths) {
    std::memset(memory_->bytes().data(), '.', memory_->bytes().size());
    ASSERT_EQ(put(region, 65, std::string_view(source).substr(0, bytes)), Outcome::done);
    ASSERT_EQ(text(*memory_, 64, bytes + 2), "." + source.substr(0, bytes) + ".") << bytes;
    std::string into(bytes, ' ');
    ASSERT_EQ(origin().get(0, region, 65, std::as_writable_bytes(std::span(into))), Outcome::done);
    ASSERT_EQ(into, source.substr(0, bytes));
  }
}

TEST_F(ShmDirect, CopiesLongBytesInChunks) {
  const std::uint64_t bytes = 3 * transports::shm::MappedDirect::chunk_bytes + 4096;
  const auto large = memory_of(bytes);
  const RegionHandle region = share(exposed(7, large));
  std::string source(bytes - 8, '\0');
  for (std::size_t i = 0; i < source.size(); ++i) source[i] = static_cast<char>(i * 7 + i / 4096);
  const Signal set{.kind = Signal::Kind::word, .region = region, .offset = 0, .value = 1};
  ASSERT_EQ(put(region, 8, source, set), Outcome::done);
  EXPECT_EQ(text(*large, 8, bytes - 8), source);
  EXPECT_EQ(*large->as<std::uint64_t>(), 1u);
  std::string into(bytes - 8, ' ');
  ASSERT_EQ(origin().get(0, region, 8, std::as_writable_bytes(std::span(into))), Outcome::done);
  EXPECT_EQ(into, source);
}

TEST_F(ShmDirect, AnAtomicOperationGivesTheFormerWord) {
  const RegionHandle region = share(exposed(7, memory_));
  std::uint64_t before = 99;
  EXPECT_EQ(origin().atomic(0, AtomicOp::add, region, 16, 5, 0, before), Outcome::done);
  EXPECT_EQ(before, 0u);
  EXPECT_EQ(origin().atomic(0, AtomicOp::swap, region, 16, 8, 0, before), Outcome::done);
  EXPECT_EQ(before, 5u);
  EXPECT_EQ(origin().atomic(0, AtomicOp::compare_swap, region, 16, 1, 9, before), Outcome::done);
  EXPECT_EQ(before, 8u);
  EXPECT_EQ(memory_->as<std::uint64_t>()[2], 8u);
  EXPECT_EQ(origin().atomic(0, AtomicOp::compare_swap, region, 16, 1, 8, before), Outcome::done);
  EXPECT_EQ(memory_->as<std::uint64_t>()[2], 1u);
}

TEST_F(ShmDirect, ReachesNothingOfAWithdrawnRegion) {
  const RegionHandle region = share(exposed(7, memory_));
  const RegionHandle other = share(exposed(8, memory_));
  target().withdraw(region.key);
  const Signal set{.kind = Signal::Kind::word, .region = region, .offset = 8, .value = 77};
  EXPECT_FALSE(origin().reaches(region.key));
  EXPECT_FALSE(origin().signals(set));
  EXPECT_EQ(put(region, 0, "late"), Outcome::no);
  EXPECT_EQ(put(other, 0, "late", set), Outcome::no);
  std::uint64_t before = 0;
  EXPECT_EQ(origin().atomic(0, AtomicOp::add, region, 0, 1, 0, before), Outcome::no);
  std::string into(4, ' ');
  EXPECT_EQ(origin().get(0, region, 0, std::as_writable_bytes(std::span(into))), Outcome::no);
  EXPECT_EQ(text(*memory_, 0, 16), std::string(16, '\0'));
  EXPECT_EQ(put(other, 0, "fine"), Outcome::done);
  EXPECT_EQ(pair_.far.value("regions_withdrawn"), 1u);
  EXPECT_EQ(pair_.near.value("direct_refused"), 4u);
}

// What the handle claims beyond the region is for the target to refuse.
TEST_F(ShmDirect, LeavesWhatIsNotAllowedToMessages) {
  const RegionHandle reads = share(exposed(7, memory_, Access::read));
  const RegionHandle writes = share(exposed(8, memory_, Access::write, 4, 100));
  const RegionHandle words = share(exposed(9, memory_, Access::atomic, 4, 100));
  std::uint64_t before = 0;
  std::string into(4, ' ');
  const auto bytes = std::as_writable_bytes(std::span(into));
  EXPECT_EQ(origin().get(0, reads, 0, bytes), Outcome::done);
  EXPECT_EQ(put(reads, 0, "no"), Outcome::no);
  EXPECT_EQ(origin().atomic(0, AtomicOp::add, reads, 0, 1, 0, before), Outcome::no);
  EXPECT_EQ(put(writes, 98, "ok"), Outcome::done);
  EXPECT_EQ(put(writes, 99, "no"), Outcome::no);
  EXPECT_EQ(put(writes, ~std::uint64_t{0}, "no"), Outcome::no);
  EXPECT_EQ(origin().get(0, writes, 0, bytes), Outcome::no);
  EXPECT_EQ(origin().atomic(0, AtomicOp::add, words, 0, 1, 0, before), Outcome::no) << "not aligned";
  EXPECT_EQ(origin().atomic(0, AtomicOp::add, words, 4, 1, 0, before), Outcome::done);
  EXPECT_EQ(origin().atomic(0, AtomicOp::add, words, 92, 1, 0, before), Outcome::done);
  EXPECT_EQ(origin().atomic(0, AtomicOp::add, words, 100, 1, 0, before), Outcome::no);
  EXPECT_EQ(origin().put(0, writes, 0, as_bytes("no"), {.kind = Signal::Kind::immediate}), Outcome::no);
}

TEST_F(ShmDirect, SharesNothingThatOnlyThisProcessHas) {
  std::string own(4096, '.');
  target().share({.key = 7, .bytes = std::as_writable_bytes(std::span(own)), .access = Access::all});
  Exposed beside = exposed(8, memory_);
  beside.bytes = std::as_writable_bytes(std::span(own));
  target().share(beside);
  pair_.turns(2000);
  EXPECT_FALSE(origin().reaches(7));
  EXPECT_FALSE(origin().reaches(8));
  EXPECT_EQ(mapping_count(), 1 + 2 * 4u) << "the memory here, and the rings";
}

TEST_F(ShmDirect, TwoLinksShareOneMemory) {
  ShmPair other;
  const RegionHandle here = share(exposed(7, memory_));
  other.far.endpoint->direct()->share(exposed(9, memory_));
  Direct& there = *other.near.endpoint->direct();
  ASSERT_TRUE(other.until([&] { return there.reaches(9); }));
  const RegionHandle at{9, memory_->bytes().size(), Access::all};
  EXPECT_EQ(put(here, 0, "one"), Outcome::done);
  EXPECT_EQ(there.put(0, at, 4, as_bytes("two"), {}), Outcome::done);
  EXPECT_EQ(text(*memory_, 0, 7), std::string("one\0two", 7));
  EXPECT_EQ(put(at, 0, "who"), Outcome::no) << "the handle of another link";
  target().withdraw(here.key);
  EXPECT_EQ(put(here, 0, "no"), Outcome::no);
  EXPECT_EQ(there.put(0, at, 0, as_bytes("yes"), {}), Outcome::done);
}

TEST_F(ShmDirect, SharesInOrderWhatWasSharedBeforeTheLinkOpened) {
  ShmEnd dialler;
  dialler.take(dialler.shm.dial(pair_.address).value());
  Direct* const early = dialler.endpoint->direct();
  ASSERT_NE(early, nullptr);
  early->share(exposed(7, memory_));
  early->share(exposed(8, memory_));
  early->withdraw(7);
  const auto turn = [&] {
    dialler.engine->poll();
    pair_.far.engine->poll();
  };
  for (unsigned i = 0; i < 200'000 && (pair_.far.more.empty() || !pair_.far.more[0]->direct()->reaches(8));
       ++i)
    turn();
  ASSERT_FALSE(pair_.far.more.empty());
  Direct& reached = *pair_.far.more[0]->direct();
  EXPECT_FALSE(reached.reaches(7));
  const RegionHandle at{8, memory_->bytes().size(), Access::all};
  EXPECT_EQ(reached.put(0, at, 0, as_bytes("early"), {}), Outcome::done);
  EXPECT_EQ(text(*memory_, 0, 5), "early");
}

TEST_F(ShmDirect, SharesAsManyRegionsAsItsTableHas) {
  constexpr std::uint64_t many = Exports::regions_max + 40;
  for (std::uint64_t key = 1; key <= many; ++key)
    target().share(exposed(key, memory_, Access::all, 8 * key, 8));
  ASSERT_TRUE(pair_.until([&] { return origin().reaches(Exports::regions_max); }));
  for (std::uint64_t key = 1; key <= many; ++key)
    EXPECT_EQ(origin().reaches(key), key <= Exports::regions_max) << key;
  EXPECT_EQ(pair_.far.value("regions_shared"), Exports::regions_max);
  target().withdraw(5);
  target().share(exposed(Exports::regions_max + 5, memory_, Access::all, 8, 8));
  ASSERT_TRUE(pair_.until([&] { return origin().reaches(Exports::regions_max + 5); }));
  EXPECT_EQ(put({5, 8, Access::all}, 0, "no"), Outcome::no);
}

TEST_F(ShmDirect, MapsAsManyMemoriesAsItsTableHasAndNoneLongerThanItsRegions) {
  const std::size_t before = mapping_count();
  std::vector<std::shared_ptr<RegionMemory>> memories;
  for (std::uint64_t key = 1; key <= Exports::memories_max + 5; ++key)
    target().share(exposed(key, memories.emplace_back(memory_of(4096))));
  ASSERT_TRUE(pair_.until([&] { return origin().reaches(Exports::memories_max); }));
  EXPECT_FALSE(origin().reaches(Exports::memories_max + 1));
  EXPECT_EQ(mapping_count(), before + 2 * memories.size() - 5);
  for (std::uint64_t key = 1; key <= Exports::memories_max; ++key) target().withdraw(key);
  memories.clear();
  EXPECT_TRUE(pair_.until([&] { return mapping_count() == before; }));
  share(exposed(1000, memory_));
}

TEST_F(ShmDirect, AFullSocketLosesNoShare) {
  std::uint64_t key = 1;
  const auto fill = [&] {
    for (unsigned i = 0; i < Exports::regions_max; ++i)
      target().share(exposed(key + i, memory_, Access::all, 8, 8));
  };
  for (unsigned lap = 0; lap < 6; ++lap, key += Exports::regions_max) {  // the peer does not listen meanwhile
    fill();
    for (unsigned i = 0; i < Exports::regions_max; ++i) target().withdraw(key + i);
  }
  fill();
  EXPECT_TRUE(pair_.until([&] {
    for (unsigned i = 0; i < Exports::regions_max; ++i)
      if (!origin().reaches(key + i)) return false;
    return true;
  }));
  EXPECT_TRUE(pair_.far.heard.empty());
  EXPECT_TRUE(pair_.near.heard.empty());
}

// ---- ends ----

TEST_F(ShmDirect, TellsOnceThatItGoesWithItsEndpoint) {
  Sink sink(origin());
  share(exposed(7, memory_));
  pair_.near.endpoint.reset();
  EXPECT_EQ(sink.gone, 1u);
  pair_.turns(1000);
  EXPECT_EQ(sink.gone, 1u);
}

TEST_F(ShmDirect, EndsWithTheLinkAtBothSides) {
  Direct& near = origin();
  Sink sink(near);
  const RegionHandle region = share(exposed(7, memory_));
  pair_.far.endpoint.reset();  // withdraws at once, and tells later
  EXPECT_EQ(put(region, 0, "late"), Outcome::no);
  EXPECT_EQ(text(*memory_, 0, 4), std::string(4, '\0'));
  EXPECT_TRUE(pair_.until([&] { return !pair_.near.heard.empty(); }));
  EXPECT_EQ(sink.gone, 1u);
  EXPECT_EQ(put(region, 0, "late"), Outcome::no);
  pair_.near.endpoint.reset();
  EXPECT_EQ(sink.gone, 1u);
  pair_.turns(4);
  EXPECT_EQ(mapping_count(), 1u) << "the memory itself";
}

TEST_F(ShmDirect, EndsWithTheTransport) {
  auto pair = std::make_unique<ShmPair>();
  Direct& direct = *pair->far.endpoint->direct();
  Sink sink(direct);
  direct.share(exposed(7, memory_));
  std::unique_ptr<Endpoint> survivor = std::move(pair->far.endpoint);
  pair.reset();
  EXPECT_EQ(sink.gone, 1u);
  EXPECT_EQ(survivor->direct(), nullptr);
}

TEST_F(ShmDirect, LeavingWithdrawsAllAndTellsNothing) {
  Sink sink(target());
  const RegionHandle region = share(exposed(7, memory_));
  const RegionHandle other = share(exposed(8, memory_of(4096)));
  target().leave();
  EXPECT_EQ(put(region, 0, "late"), Outcome::no);
  EXPECT_EQ(put(other, 0, "late"), Outcome::no);
  pair_.far.endpoint.reset();
  EXPECT_EQ(sink.gone, 0u);
}

TEST_F(ShmDirect, AClosedLinkReachesNothingWhileItLingers) {
  const RegionHandle region = share(exposed(7, memory_));
  Direct& near = origin();
  Sink sink(near);
  pair_.far.endpoint->close(1'000'000'000);
  EXPECT_EQ(put(region, 0, "late"), Outcome::no);
  pair_.near.endpoint->close(1'000'000'000);
  EXPECT_FALSE(near.reaches(region.key));
  EXPECT_EQ(sink.gone, 0u) << "it is told in a poll";
  pair_.turns(2);
  EXPECT_EQ(sink.gone, 1u);
}

}  // namespace
}  // namespace harness::tests
