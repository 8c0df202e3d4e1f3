// SPDX-License-Identifier: Apache-2.0
// A peer of shm that lies about the memory and the regions which it shares.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <harness/stack/random.hpp>
#include <harness/tests/support/seed.hpp>
#include <harness/tests/unit/transports/shm_region_liar.hpp>

namespace harness::tests {
namespace {

TEST_F(ShmDirectLies, AnHonestPeerIsReached) {
  greet();
  liar->show();
  liar->region();
  ASSERT_TRUE(victim.until([&] { return reaches(7); }));
  const RegionHandle at{7, memory_bytes, Access::all};
  EXPECT_EQ(victim.endpoint->direct()->put(0, at, 5, as_bytes("here"), {}), Direct::Outcome::done);
  EXPECT_EQ(std::memcmp(liar->memory->bytes().data() + 5, "here", 4), 0);
}

// The first operation of a link, as the peer would see it while it is under way.
TEST_F(ShmDirectLies, WhatThePeerDidNotWaitForIsNotDone) {
  greet();
  liar->show();
  liar->region();
  ASSERT_TRUE(victim.until([&] { return reaches(7); }));
  const RegionHandle at{7, memory_bytes, Access::all};
  Direct& direct = *victim.endpoint->direct();
  const auto flight = [](std::uint64_t number) {
    return number * wire::ShmPage::flight_step | wire::ShmPage::flight_in(7, 7);
  };
  std::uint64_t word = 0;
  liar->page().abandoned = flight(1);
  EXPECT_EQ(direct.put(0, at, 0, as_bytes("void"), {}), Direct::Outcome::no);
  EXPECT_EQ(direct.put(0, at, 0, as_bytes("done"), {}), Direct::Outcome::done);
  liar->page().abandoned = flight(3);
  EXPECT_EQ(direct.get(0, at, 0, std::as_writable_bytes(std::span(&word, 1))), Direct::Outcome::no);
  liar->page().abandoned = flight(4);
  EXPECT_EQ(direct.atomic(0, AtomicOp::add, at, 0, 1, 0, word), Direct::Outcome::no);
  EXPECT_EQ(direct.atomic(0, AtomicOp::add, at, 0, 1, 0, word), Direct::Outcome::done);
}

TEST_F(ShmDirectLies, AboutMemoryEndTheLink) {
  const auto swap_file = [](RegionLiar& l, int file, std::uint64_t bytes) {
    send_packet(l.socket, ShmMemory{.slot = 3, .flags = 1, .bytes = bytes}, file);
    close(file);
  };
  const auto unsealed = [](int leave_out, std::uint64_t bytes) {
    const int file = memfd_create("liar", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    EXPECT_EQ(posix_fallocate(file, 0, static_cast<off_t>(bytes)), 0);
    for (const int seal : {F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_SEAL})
      EXPECT_TRUE(seal == leave_out || fcntl(file, F_ADD_SEALS, seal) == 0);
    return file;
  };
  expect_each_ends({
      {"a slot beyond the table", [](auto& l) { l.show({.slot = 64, .bytes = memory_bytes}); }},
      {"a slot that is taken", [](auto& l) { l.show(), l.show(); }},
      {"no bytes", [](auto& l) { l.show({.slot = 3, .bytes = 0}); }},
      {"no whole pages", [](auto& l) { l.show({.slot = 3, .bytes = memory_bytes - 1}); }},
      {"more than there is", [](auto& l) { l.show({.slot = 3, .bytes = 2 * memory_bytes}); }},
      {"more than anything", [](auto& l) { l.show({.slot = 3, .bytes = ~std::uint64_t{4095}}); }},
      {"memory that shrinks", [&](auto& l) { swap_file(l, unsealed(F_SEAL_SHRINK, 4096), 4096); }},
      {"memory that grows", [&](auto& l) { swap_file(l, unsealed(F_SEAL_GROW, 4096), 4096); }},
      {"seals to be broken", [&](auto& l) { swap_file(l, unsealed(F_SEAL_SEAL, 4096), 4096); }},
      {"a descriptor of something else", [&](auto& l) { swap_file(l, open("/dev/null", O_RDWR), 4096); }},
      {"memory without its pages",
       [&](auto& l) {
         const int file = unsealed(0, 4096 * 4);
         EXPECT_EQ(fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096), 0);
         swap_file(l, file, 4096 * 4);
       }},
      {"memory without its descriptor",
       [](auto& l) { send_packet(l.socket, ShmMemory{.slot = 3, .bytes = memory_bytes}); }},
  });
}

TEST_F(ShmDirectLies, AboutRegionsEndTheLink) {
  expect_each_ends({
      {"a region with a descriptor",
       [](auto& l) {
         l.show();
         std::array<std::byte, 32> raw{};
         wire::encode(ShmRegion{.slot = 3, .access = 7, .key = 7}, raw.data());
         wire::encode(ShmPlace{0, 8}, raw.data() + 16);
         transports::shm::send_bytes(l.socket, raw, l.memory->file());
       }},
      {"a region nowhere", [](auto& l) { l.region({.slot = 3, .access = 7, .key = 7}, {0, 8}); }},
      {"a region beyond the table", [](auto& l) { l.region({.slot = 200, .access = 7, .key = 7}, {0, 8}); }},
      {"a region without a key", [](auto& l) { l.show(), l.region({.slot = 3, .access = 7}, {0, 8}); }},
      {"a region without bytes",
       [](auto& l) { l.show(), l.region({.slot = 3, .access = 7, .key = 7}, {0, 0}); }},
      {"a region behind its memory",
       [](auto& l) { l.show(), l.region({.slot = 3, .access = 7, .key = 7}, {memory_bytes, 1}); }},
      {"a region that goes round",
       [](auto& l) { l.show(), l.region({.slot = 3, .access = 7, .key = 7}, {8, ~std::uint64_t{0} - 3}); }},
      {"a region longer than its memory",
       [](auto& l) { l.show(), l.region({.slot = 3, .access = 7, .key = 7}, {8, memory_bytes}); }},
      {"a region for nothing", [](auto& l) { l.show(), l.region({.slot = 3, .key = 7}, {0, 8}); }},
      {"a region for more than there is",
       [](auto& l) { l.show(), l.region({.slot = 3, .access = 8, .key = 7}, {0, 8}); }},
      {"writing where memory is for reading",
       [](auto& l) {
         l.show({.slot = 3, .bytes = memory_bytes});
         l.region({.slot = 3, .access = 2, .key = 7}, {0, 8});
       }},
      {"a region twice", [](auto& l) { l.show(), l.region(), l.region(); }},
      {"the end of nothing",
       [](auto& l) { send_packet(l.socket, ShmMemory{.kind = ShmPacket::Kind::drop, .slot = 3}); }},
      {"the end beyond the table",
       [](auto& l) { send_packet(l.socket, ShmMemory{.kind = ShmPacket::Kind::drop, .slot = 99}); }},
  });
}

TEST_F(ShmDirectLies, MemoryBeforeTheGreetingIsRefused) {
  RegionLiar early(victim.name);
  early.show();
  expect_refused(victim);
}

// It says that it may be written, and cannot be: what stands there goes by messages.
TEST_F(ShmDirectLies, MemoryThatCannotBeMappedAsSaidIsNotReached) {
  greet();
  const std::string path = "/proc/self/fd/" + std::to_string(liar->memory->file());
  const Descriptor reading(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  send_packet(liar->socket, ShmMemory{.slot = 3, .flags = 1, .bytes = memory_bytes}, reading.get());
  liar->region();
  victim.turns(2000);
  EXPECT_TRUE(victim.heard.empty());
  EXPECT_FALSE(reaches(7));
}

TEST_F(ShmDirectLies, ANewRegionTakesThePlaceOfAFormerOne) {
  greet();
  liar->show();
  liar->region(7);
  ASSERT_TRUE(victim.until([&] { return reaches(7); }));
  liar->region(7 + 256);
  ASSERT_TRUE(victim.until([&] { return reaches(7 + 256); }));
  EXPECT_FALSE(reaches(7));
  send_packet(liar->socket, ShmMemory{.kind = ShmPacket::Kind::drop, .slot = 3});
  EXPECT_TRUE(victim.until([&] { return !reaches(7 + 256); }));
}

// Packets that are nearly right, of any kind, in any order: the link ends with a word or goes on, and
// whatever it says to be reached lies in the memory.
TEST_F(ShmDirectLies, RandomPacketsMapNothingOutside) {
  Random random(seed(21));
  for (unsigned round = 0; round < 60; ++round) {
    greet();
    for (unsigned i = 0; i < 60 && victim.heard.empty(); ++i) {
      const auto near = [&](std::uint64_t value) { return random.below(10) == 0 ? random.next() : value; };
      const auto slot = static_cast<std::uint8_t>(near(random.below(4)));
      const unsigned what = static_cast<unsigned>(random.below(8));
      if (what == 0) {
        liar->show({.slot = slot,
                    .flags = static_cast<std::uint16_t>(random.below(4)),
                    .bytes = near(memory_bytes)});
      } else if (what == 1 && random.below(4) == 0) {
        send_packet(liar->socket, ShmMemory{.kind = ShmPacket::Kind::drop, .slot = slot});
      } else {
        const std::uint64_t key = near(1 + random.below(1000));
        liar->page().live[key % 256] = key;
        liar->region(
            {.slot = slot, .access = static_cast<std::uint16_t>(near(1 + random.below(7))), .key = key},
            {near(random.below(memory_bytes)), near(1 + random.below(100))});
      }
      victim.turns(2);
      for (std::uint64_t key = 1; key <= 1000 && victim.heard.empty(); ++key)
        if (reaches(key)) {
          std::string into(1, ' ');
          const RegionHandle at{key, 1, Access::all};
          static_cast<void>(
              victim.endpoint->direct()->get(0, at, 0, std::as_writable_bytes(std::span(into))));
          static_cast<void>(victim.endpoint->direct()->put(0, at, 0, as_bytes(into), {}));
        }
    }
  }
}

}  // namespace
}  // namespace harness::tests
