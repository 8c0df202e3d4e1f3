// SPDX-License-Identifier: Apache-2.0
// Regions of shm that are taken back from a peer which does not leave them.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <harness/tests/unit/transports/shm_region_liar.hpp>

namespace harness::tests {
namespace {

struct ShmOrphan : ShmDirectLies {
  std::shared_ptr<RegionMemory> memory = RegionMemory::make(memory_bytes).value();

  Exposed exposed(std::uint64_t key, Access access = Access::all) const {
    return {.key = key, .bytes = memory->bytes(), .access = access, .in = memory};
  }
  // The liar has the memory mapped, as an honest peer would.
  std::span<char> take_memory(std::uint64_t key, Access access = Access::all) {
    if (!victims) {
      const Received hello = liar->wait_for(ShmPacket::Kind::hello, [&] { victim.turns(1); });
      const std::uint64_t page = transports::shm::page_bytes;
      const char* why = "";
      victims = transports::shm::Memory::adopt(
          hello.file, {0, page + (std::uint64_t{1} << hello.packet.log2_bytes), page}, why);
      EXPECT_TRUE(victims) << why;
    }
    victim.endpoint->direct()->share(exposed(key, access));
    const Received shown = liar->wait_for(ShmPacket::Kind::memory, [&] { victim.turns(1); });
    reading_only = (fcntl(shown.file.get(), F_GETFL) & O_ACCMODE) == O_RDONLY;
    const int protection = reading_only ? PROT_READ : PROT_READ | PROT_WRITE;
    void* const at = mmap(nullptr, memory_bytes, protection, MAP_SHARED, shown.file.get(), 0);
    EXPECT_NE(at, MAP_FAILED);
    EXPECT_EQ(can_write(shown.file), !reading_only);
    return {static_cast<char*>(at), memory_bytes};
  }
  // The first page of the victim, as its peer sees it.
  [[nodiscard]] const wire::ShmPage& victim_page() const {
    return *reinterpret_cast<const wire::ShmPage*>(victims.file());
  }
  static bool can_write(const Descriptor& file) {
    void* const at = mmap(nullptr, memory_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    return at != MAP_FAILED && munmap(at, memory_bytes) == 0;
  }
  transports::shm::Memory victims;
  bool reading_only = false;
};

TEST_F(ShmOrphan, GivesADescriptorForReadingWhereNothingMayBeWritten) {
  greet();
  const std::span<char> theirs = take_memory(7, Access::read);
  EXPECT_TRUE(reading_only);
  memory->as<char>()[0] = 'x';
  EXPECT_EQ(theirs[0], 'x');
  const std::span<char> again = take_memory(8, Access::all);
  EXPECT_FALSE(reading_only);
  munmap(theirs.data(), theirs.size());
  munmap(again.data(), again.size());
}

TEST_F(ShmOrphan, WritesAfterARevokeThatThePeerDoesNotAnswerHitNothing) {
  greet();
  const std::span<char> theirs = take_memory(7);
  memory->as<char>()[1] = 'k';
  liar->page().flight = wire::ShmPage::flight_in(7, 7);
  victim.endpoint->direct()->withdraw(7);
  theirs[0] = '!';
  EXPECT_EQ(memory->as<char>()[0], '\0');
  EXPECT_EQ(memory->as<char>()[1], 'k') << "what stood there stays";
  EXPECT_EQ(victim_page().abandoned, liar->page().flight) << "the peer can know";
  EXPECT_EQ(victim.value("regions_orphaned"), 1u);
  EXPECT_EQ(victim.value("regions_shared"), 0u);
  EXPECT_TRUE(victim.heard.empty()) << "the link goes on";
  munmap(theirs.data(), theirs.size());
}

// A peer that stands still is in one operation, of one or two regions: the others are revoked at once.
TEST_F(ShmOrphan, ARevokeDoesNotWaitForAPeerThatIsElsewhere) {
  greet();
  const std::span<char> theirs = take_memory(7);
  for (const std::uint64_t key : {8u, 9u, 10u}) victim.endpoint->direct()->share(exposed(key));
  liar->page().flight = wire::ShmPage::flight_in(8, 9);  // the bytes in one, the signal in another
  victim.endpoint->direct()->withdraw(7);
  EXPECT_EQ(victim.value("regions_orphaned"), 0u);
  theirs[0] = '!';
  EXPECT_EQ(memory->as<char>()[0], '!') << "the pages are the same";
  victim.endpoint->direct()->withdraw(9);
  EXPECT_EQ(victim.value("regions_orphaned"), 1u) << "a word would be signalled there";
  EXPECT_EQ(victim.value("regions_shared"), 0u) << "of all regions in these pages";
  EXPECT_TRUE(victim.heard.empty());
  munmap(theirs.data(), theirs.size());
}

TEST_F(ShmOrphan, ARevokeDoesNotWaitForAPeerThatHasLeft) {
  greet();
  const std::span<char> theirs = take_memory(7);
  liar->page().flight = wire::ShmPage::flight_step;
  victim.endpoint->direct()->withdraw(7);
  theirs[0] = '!';
  EXPECT_EQ(memory->as<char>()[0], '!') << "nobody was there: the pages are the same";
  EXPECT_EQ(victim.value("regions_orphaned"), 0u);
  munmap(theirs.data(), theirs.size());
}

TEST_F(ShmOrphan, APeerThatIsGoneIsNotWaitedFor) {
  greet();
  const std::span<char> theirs = take_memory(7);
  liar->page().flight = wire::ShmPage::flight_in(7, 7);
  liar->socket.close();
  victim.endpoint->direct()->withdraw(7);
  EXPECT_EQ(victim.value("regions_orphaned"), 0u);
  munmap(theirs.data(), theirs.size());
}

// The other link's peer was told that its bytes are delivered: they stand in the fresh pages.
TEST_F(ShmOrphan, EndsTheSharesOfOtherLinksWithNoByteLost) {
  ShmPair pair;
  pair.far.endpoint->direct()->share(exposed(9));
  Direct& innocent = *pair.near.endpoint->direct();
  ASSERT_TRUE(pair.until([&] { return innocent.reaches(9); }));
  greet();
  const std::span<char> theirs = take_memory(7);
  const RegionHandle at{9, memory_bytes, Access::all};
  ASSERT_EQ(innocent.put(0, at, 8, as_bytes("delivered"), {}), Direct::Outcome::done);
  liar->page().flight = wire::ShmPage::flight_in(7, 7);
  victim.endpoint->direct()->withdraw(7);
  EXPECT_EQ(innocent.put(0, at, 8, as_bytes("by messag"), {}), Direct::Outcome::no);
  EXPECT_EQ(std::string(memory->as<char>() + 8, 9), "delivered");
  EXPECT_EQ(pair.far.value("regions_shared"), 0u);
  EXPECT_TRUE(pair.far.heard.empty()) << "its link goes on";
  pair.far.endpoint->direct()->share(exposed(10));
  EXPECT_TRUE(pair.until([&] { return innocent.reaches(10); })) << "the fresh pages may be shared";
  munmap(theirs.data(), theirs.size());
}

// Nobody could say whether what it was doing is in the fresh pages.
TEST_F(ShmOrphan, EndsTheLinkOfASecondPeerThatStandsStillInAnExchange) {
  Victim second;
  RegionLiar other(second.name);
  other.hello();
  ASSERT_TRUE(second.until([&] { return second.endpoint != nullptr; }));
  second.endpoint->direct()->share(exposed(20));
  other.page().flight = wire::ShmPage::flight_in(20, 20);
  greet();
  const std::span<char> theirs = take_memory(7);
  liar->page().flight = wire::ShmPage::flight_in(7, 7);
  victim.endpoint->direct()->withdraw(7);
  EXPECT_TRUE(victim.heard.empty());
  ASSERT_TRUE(second.until([&] { return !second.heard.empty(); }));
  EXPECT_EQ(second.heard[0].kind, EventKind::peer_lost);
  EXPECT_EQ(second.heard[0].code, Errc::timed_out);
  munmap(theirs.data(), theirs.size());
}

TEST_F(ShmOrphan, TheEndOfALinkOrphansWhatAPeerDoesNotLeave) {
  greet();
  const std::span<char> theirs = take_memory(7);
  liar->page().flight = wire::ShmPage::flight_in(7, 7);
  victim.endpoint.reset();
  theirs[0] = '!';
  EXPECT_EQ(memory->as<char>()[0], '\0');
  munmap(theirs.data(), theirs.size());
}

}  // namespace
}  // namespace harness::tests
