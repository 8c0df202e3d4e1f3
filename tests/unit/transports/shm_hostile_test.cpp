// SPDX-License-Identifier: Apache-2.0
// A peer of shm that lies: memory that is not sealed or shrinks, records and credit lines of any content.
//
// Each time the link must end with a word, or go on, with bounded work; the sanitizers watch that nothing
// outside is touched. Lies one by one: shm_lies_test.cpp; here those of memory, floods, and random ones.
// HARNESS_HOSTILE_RECORDS sets how many mutated records are tried: 20,000 unless it says otherwise.
#include <cstdlib>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <harness/stack/random.hpp>
#include <harness/tests/support/seed.hpp>
#include <harness/tests/unit/transports/shm_liar.hpp>

namespace harness::transports {
namespace {

using shm::Descriptor;
using tests::arena_bytes;
using tests::expect_refused;
using tests::Liar;
using tests::ring_bytes;
using tests::Victim;
using wire::ShmKind;

TEST(ShmHostile, ALinkToAnHonestPeerOpens) {
  Victim victim;
  Liar peer(victim.name);
  peer.hello();
  std::memcpy(peer.at(0) + 8, "hello", 5);
  peer.record(ShmKind::data, 5);
  victim.turns(8);
  ASSERT_NE(victim.endpoint, nullptr);
  victim.turns(8);
  ASSERT_EQ(victim.got.size(), 1u);
  EXPECT_EQ(victim.got[0].text(), "hello");
}

TEST(ShmHostile, RefusesMemoryWithoutEverySeal) {
  constexpr int seals[] = {F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_FUTURE_WRITE, F_SEAL_SEAL};
  for (const int missing : seals) {
    Victim victim;
    Liar peer(victim.name);
    peer.file = Descriptor(memfd_create("liar", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    ASSERT_EQ(ftruncate(peer.file.get(), static_cast<off_t>(shm::page_bytes + ring_bytes)), 0);
    for (const int seal : seals)
      EXPECT_TRUE(seal == missing || fcntl(peer.file.get(), F_ADD_SEALS, seal) == 0);
    peer.hello();
    expect_refused(victim);
  }
}

TEST(ShmHostile, ThePeerCannotTakeBackMemoryThatItHasShown) {
  Victim victim;
  const Liar peer(victim.name);
  peer.hello();
  victim.turns(8);
  ASSERT_NE(victim.endpoint, nullptr);
  const int file = peer.file.get();
  EXPECT_NE(ftruncate(file, 0), 0);
  EXPECT_NE(ftruncate(file, 1 << 30), 0);
  EXPECT_NE(fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1 << 20), 0);
  EXPECT_NE(madvise(peer.mine.file(), shm::page_bytes, MADV_REMOVE), 0);
}

TEST(ShmHostile, RefusesADescriptorThatIsNoMemory) {
  Victim victim;
  Liar peer(victim.name);
  peer.file = Descriptor(dup(STDERR_FILENO));
  peer.hello();
  expect_refused(victim);
}

TEST(ShmHostile, RefusesAPacketThatIsNoGreeting) {
  for (unsigned lie = 0; lie < 4; ++lie) {
    Victim victim;
    const Liar peer(victim.name);
    wire::ShmPacket packet{.log2_bytes = 16};
    if (lie == 0) packet.magic ^= 1;
    if (lie == 1) packet.kind = static_cast<wire::ShmPacket::Kind>(7);
    if (lie < 2) shm::send_packet(peer.socket, packet, peer.file.get());
    if (lie == 2) send(peer.socket.get(), "too long for one", 16, MSG_NOSIGNAL);
    if (lie == 3) send(peer.socket.get(), "no file", 8, MSG_NOSIGNAL);
    expect_refused(victim);
  }
}

TEST(ShmHostile, RefusesMemoryShorterThanItsRing) {
  Victim victim;
  Liar peer(victim.name);
  peer.hello(17);
  expect_refused(victim);
}

TEST(ShmHostile, RefusesRingsOfASizeThatIsNotAllowed) {
  for (const unsigned log2 : {0u, 12u, 14u, 27u, 63u, 64u, 255u}) {
    Victim victim;
    Liar peer(victim.name);
    peer.hello(static_cast<std::uint8_t>(log2));
    expect_refused(victim);
  }
}

TEST(ShmHostile, KeepsNoStateForADiallerThatShowsNothing) {
  Victim victim;
  const Liar peer(victim.name);
  victim.turns(4);
  EXPECT_EQ(victim.endpoint, nullptr) << "nobody hears of it";
  EXPECT_EQ(victim.shm.connection_count(), 1u) << "it has 5 s to greet";
}

TEST(ShmHostile, BearsAFloodOfBells) {
  Victim victim;
  Liar peer(victim.name);
  peer.hello();
  victim.turns(4);
  for (unsigned i = 0; i < 5000; ++i) shm::send_bell(peer.socket);
  peer.record(ShmKind::data, 0);
  victim.turns(1000);
  EXPECT_EQ(victim.got.size(), 1u);
  EXPECT_TRUE(victim.heard.empty());
}

TEST(ShmHostile, HearsOfAFloodABoundedNumberATurnWhileALoanWaitsForItsArena) {
  Victim victim;
  Liar peer(victim.name);
  peer.hello();
  victim.turns(4);
  constexpr unsigned bells = 150;  // that a socket takes
  const std::uint64_t before = victim.value("bells_in");
  for (unsigned i = 0; i < bells; ++i) shm::send_bell(peer.socket);
  peer.lend_arena();
  peer.loan({64, 3, 100});
  std::uint64_t heard = before;
  for (unsigned i = 0; i < 1'000'000 && victim.got.empty(); ++i) {
    victim.turns(1);
    const std::uint64_t now = victim.value("bells_in");
    EXPECT_LE(now - heard, 2 * shm::Connection::packets_max);
    heard = now;
  }
  EXPECT_EQ(heard, before + bells);
  ASSERT_EQ(victim.got.size(), 1u) << "the arena came behind the bells";
  EXPECT_TRUE(victim.heard.empty());
}

TEST(ShmHostile, PaysAPeerThatAlwaysWantsRoomInWordsAlone) {
  Victim victim;
  Liar peer(victim.name);
  peer.hello();
  victim.turns(4);
  const std::uint64_t before = victim.value("bells_out");
  peer.line().wants_room = 1;
  for (unsigned i = 0; i < 100; ++i) {
    peer.record(ShmKind::data, 8);
    victim.turns(2);
  }
  EXPECT_EQ(victim.got.size(), 100u);
  EXPECT_EQ(victim.value("bells_out"), before) << "it says that it looks by itself";
}

TEST(ShmHostile, SendsCopiesToAPeerThatNeverReturnsLoans) {
  Victim victim;
  Liar peer(victim.name);
  peer.hello();
  victim.turns(4);
  constexpr unsigned frames = 200;
  for (unsigned i = 0; i < frames && !victim.held(); ++i) {
    victim.send(victim.endpoint->make(victim.engine->pool(), 8000));
    victim.turns(1);
  }
  const tests::Described values(*victim.endpoint);
  EXPECT_EQ(values["loans_not_returned"], shm::Lender::slots);
  EXPECT_TRUE(victim.held()) << "what came behind them was copied, until the ring was full";
  peer.line().returned = 1;
  shm::send_bell(peer.socket);
  EXPECT_TRUE(victim.until([&] { return victim.value("loans_not_returned") == shm::Lender::slots - 1u; }));
}

std::uint64_t wanted_records() {
  const char* text = std::getenv("HARNESS_HOSTILE_RECORDS");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : 20'000;
}

// What a lying peer writes: mostly nearly right, so that it gets far.
class Mutations {
 public:
  Mutations(Random& random, Liar& liar) : random_(random), liar_(liar) {}

  void one() {
    static constexpr ShmKind kinds[] = {ShmKind::data, ShmKind::data, ShmKind::setup, ShmKind::part,
                                        ShmKind::part, ShmKind::loan, ShmKind::loan,  ShmKind::bye};
    ShmKind kind = kinds[random_.below(random_.below(8) == 0 ? 8 : 7)];
    if (part_left_ != 0 && random_.below(64) != 0) kind = ShmKind::part;
    const std::uint32_t bytes = length(kind);
    for (std::uint64_t i = 0; i + 8 <= std::min<std::uint64_t>(bytes, 64); i += 8)
      store<std::uint64_t>(liar_.at(liar_.tail) + 8 + i, random_.next());
    if (kind == ShmKind::part) wire::encode(part(bytes), liar_.at(liar_.tail) + 8);
    if (kind == ShmKind::loan) wire::encode(loan(), liar_.at(liar_.tail) + 8);
    std::uint64_t flips = 0;
    if (random_.below(64) == 0) flips = std::uint64_t{1} << random_.below(64);
    if (random_.below(256) == 0) flips = random_.next();
    liar_.record(kind, bytes, flips);
    if (random_.below(16) == 0) scribble_on_line();
    if (random_.below(32) == 0) shm::send_bell(liar_.socket);
  }

 private:
  std::uint32_t length(ShmKind kind) {
    if (kind == ShmKind::bye) return 0;
    if (kind == ShmKind::loan)
      return random_.below(256) != 0 ? 12u : static_cast<std::uint32_t>(random_.below(40));
    const std::uint64_t most = random_.below(8) == 0 ? ring_bytes / 8 - 8 : 200;
    if (kind != ShmKind::part || random_.below(256) == 0)
      return static_cast<std::uint32_t>(random_.below(most + 1));
    const std::uint64_t left = part_left_ != 0 ? part_left_ : most - 8;
    return static_cast<std::uint32_t>(9 + random_.below(std::min(left, most - 8)));
  }
  wire::ShmPart part(std::uint32_t bytes) {
    const std::uint32_t behind = bytes > 8 ? bytes - 8 : 0;
    if (part_left_ == 0 || random_.below(64) == 0) {
      part_ = {static_cast<std::uint32_t>(1 + random_.below(random_.below(64) == 0 ? 1u << 28 : 2000)),
               random_.below(64) == 0 ? static_cast<ShmKind>(random_.below(16)) : ShmKind::data, 0};
      part_left_ = part_.total;
    } else {
      part_.offset = part_.total - part_left_;
    }
    part_left_ -= std::min(part_left_, behind);
    if (random_.below(256) == 0) part_.offset ^= static_cast<std::uint32_t>(random_.next());
    return part_;
  }
  wire::ShmLoan loan() {
    const std::uint64_t at = random_.below(random_.below(64) == 0 ? std::uint64_t{1} << 48 : arena_bytes);
    return {at, static_cast<std::uint16_t>(random_.below(64) == 0 ? random_.below(65536) : slot_++ % 64),
            static_cast<std::uint32_t>(
                random_.below(random_.below(64) == 0 ? 1ull << 32 : arena_bytes - at % arena_bytes))};
  }
  void scribble_on_line() {
    wire::ShmLine& line = liar_.line();
    switch (random_.below(5)) {
      case 0:
        if (random_.below(8) == 0) shm::store_shared(line.consumed, random_.next() >> random_.below(64));
        return;
      case 1: shm::store_shared(line.consumed, line.consumed + random_.below(4096) / 64 * 64); return;
      case 2: shm::store_shared(line.returned, line.returned ^ std::uint64_t{1} << random_.below(64)); return;
      case 3: shm::store_shared(line.bell, static_cast<std::uint32_t>(random_.next())); return;
      default: shm::store_shared(line.wants_room, static_cast<std::uint32_t>(random_.below(2)));
    }
  }

  Random& random_;
  Liar& liar_;
  wire::ShmPart part_;
  std::uint32_t part_left_ = 0;
  unsigned slot_ = 0;
};

TEST(ShmHostile, SurvivesMutatedRecordsAndCreditLines) {
  const std::uint64_t seed = tests::seed(20261125);
  SCOPED_TRACE("HARNESS_SEED=" + std::to_string(seed));
  Random random(seed);
  const std::uint64_t records = wanted_records();
  Victim victim;
  std::uint64_t links = 0, corrupt = 0, frames = 0;
  for (std::uint64_t tried = 0; tried < records; ++links) {
    Liar liar(victim.name);
    liar.hello();
    liar.lend_arena();
    victim.turns(2);
    ASSERT_NE(victim.endpoint, nullptr);
    Mutations mutations(random, liar);
    for (unsigned i = 0; i < 200 && victim.heard.empty(); ++i, ++tried) {
      mutations.one();
      if (random.below(4) == 0 && !victim.held())
        victim.send(victim.endpoint->make(victim.engine->pool(), static_cast<std::uint32_t>(random.below(
                                                                     random.below(8) == 0 ? 40'000 : 300))));
      victim.turns(1);
      for (const Message& message : victim.got) frames += message.body_size() != 0 ? 1u : 0u;
      if (random.below(8) != 0) victim.got.clear();
    }
    victim.turns(3);
    for (const Event& event : victim.heard) {
      corrupt += event.code == Errc::corrupt ? 1 : 0;
      EXPECT_TRUE(event.kind == EventKind::writable || event.code == Errc::corrupt ||
                  event.code == Errc::closed || event.code == Errc::peer_lost)
          << event.detail;
    }
    victim.forget();
    ASSERT_LE(victim.shm.connection_count(), 1u);
  }
  EXPECT_EQ(victim.engine->pool().alive_count(), 0u);
  EXPECT_GT(corrupt, links / 2);
  EXPECT_GT(frames, 0u);
  std::printf("%llu records in %llu links, %llu of them ended as corrupt\n",
              static_cast<unsigned long long>(records), static_cast<unsigned long long>(links),
              static_cast<unsigned long long>(corrupt));
}

}  // namespace
}  // namespace harness::transports
