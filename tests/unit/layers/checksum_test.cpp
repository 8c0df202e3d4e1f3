// SPDX-License-Identifier: Apache-2.0
// checksum: RFC 3720's vectors, both ways against each other, damage over lossy and reliable layers.
#include <gtest/gtest.h>

#include <harness/layers/checksum.hpp>
#include <harness/layers/checksum/crc32c.hpp>
#include <harness/layers/heartbeat.hpp>
#include <harness/tests/support/pair.hpp>
#include <harness/tests/support/seed.hpp>

namespace harness::layers {
namespace {

using tests::layer;
using tests::Pair;

constexpr Properties lossy = property::message;

std::uint32_t of(const std::vector<std::uint8_t>& bytes) {
  return crc32c::extend(0, {reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()});
}

TEST(Checksum, Rfc3720B4TheTestVectorsHold) {
  std::vector<std::uint8_t> bytes(32, 0);
  EXPECT_EQ(of(bytes), 0x8a9136aau);
  bytes.assign(32, 0xff);
  EXPECT_EQ(of(bytes), 0x62a8ab43u);
  for (std::uint8_t i = 0; i < 32; ++i) bytes[i] = i;
  EXPECT_EQ(of(bytes), 0x46dd794eu);
  for (std::uint8_t i = 0; i < 32; ++i) bytes[i] = static_cast<std::uint8_t>(31 - i);
  EXPECT_EQ(of(bytes), 0x113fdb5cu);
  const std::vector<std::uint8_t> read_command = {0x01, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,    0, 0, 0, 0,
                                                  0x14, 0,    0, 0, 0, 0, 4, 0, 0, 0, 0, 0x14, 0, 0, 0, 0x18,
                                                  0x28, 0,    0, 0, 0, 0, 0, 0, 2, 0, 0, 0,    0, 0, 0, 0};
  EXPECT_EQ(of(read_command), 0xd9963a56u);
}

TEST(Checksum, CoversTheHeadersOfTheLayersAboveAndTheirLength) {
  Pair pair({layer<Heartbeat>(), layer<Checksum>()});
  ASSERT_EQ(pair.ends[0].send("body"), Errc::ok);
  pair.run();
  ASSERT_EQ(pair.ends[1].delivered.size(), 1u);
  EXPECT_EQ(pair.ends[1].body(0), "body");
}

TEST(Checksum, TheInstructionAndTheTableAgreeAtEveryLengthAndCut) {
  if (!crc32c::has_instruction()) GTEST_SKIP() << "this processor has no crc32 instruction";
  Random random(tests::seed(5));
  std::vector<std::byte> bytes(20'000);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.next());
  for (std::size_t length = 0; length < 4000; length += 1 + length / 64) {
    const std::size_t at = random.below(64);
    const Bytes run = Bytes(bytes).subspan(at, length);
    const auto start = static_cast<std::uint32_t>(random.next());
    ASSERT_EQ(crc32c::by_instruction(start, run), crc32c::by_table(start, run)) << length;
    const std::size_t cut = random.below(length + 1);
    ASSERT_EQ(crc32c::extend(crc32c::extend(start, run.first(cut)), run.subspan(cut)),
              crc32c::extend(start, run));
  }
  ASSERT_EQ(crc32c::by_instruction(0, bytes), crc32c::by_table(0, bytes));
}

TEST(Checksum, PassesWhatIsWhole) {
  Pair pair({layer<Checksum>()});
  pair.send_all(0, 100, [](unsigned i) { return std::string(i * 9, 'x'); });
  EXPECT_EQ(pair.ends[1].delivered.size(), 100u);
  EXPECT_EQ(pair.ends[1].value("checksum", "checked_messages"), 100u);
}

TEST(Checksum, FindsEverySingleBitThatChangedAndEveryCut) {
  const std::string body = "sixteen bytes ok";
  Pair pair({layer<Checksum>()}, {.word = lossy});
  std::string frame;
  pair.wires[0].filter = [&](Message& sent) {
    frame.assign(sent.size(), '\0');
    sent.copy_to(reinterpret_cast<std::byte*>(frame.data()));
    return false;
  };
  ASSERT_EQ(pair.ends[0].send(body), Errc::ok);
  for (std::size_t bit = 0; bit < frame.size() * 8; ++bit) {
    std::string damaged = frame;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    pair.inject(1, as_bytes(damaged));
  }
  for (std::size_t left = 0; left < frame.size(); ++left) pair.inject(1, as_bytes(frame.substr(0, left)));
  pair.inject(1, as_bytes(frame + "z"));
  EXPECT_TRUE(pair.ends[1].delivered.empty());
  EXPECT_EQ(pair.ends[1].value("checksum", "damaged_messages"), frame.size() * 9 + 1);
  EXPECT_EQ(pair.ends[1].count(EventKind::corrupt), 0u);
  pair.inject(1, as_bytes(frame));
  ASSERT_EQ(pair.ends[1].delivered.size(), 1u);
}

TEST(Checksum, ClosesAReliableLinkAndHandsUpNothingAfterTheDamage) {
  Pair pair({layer<Checksum>()});
  std::string frame;
  pair.wires[0].filter = [&](Message& sent) {
    frame.assign(sent.size(), '\0');
    sent.copy_to(reinterpret_cast<std::byte*>(frame.data()));
    return false;
  };
  ASSERT_EQ(pair.ends[0].send("whole"), Errc::ok);
  std::string damaged = frame;
  damaged.back() = '!';
  pair.inject(1, as_bytes(damaged));
  pair.inject(1, as_bytes(frame));
  pair.inject(1, as_bytes(damaged));
  EXPECT_EQ(pair.ends[1].count(EventKind::corrupt), 1u);
  EXPECT_TRUE(pair.ends[1].delivered.empty());
}

TEST(Checksum, ReadsAHeaderAndABodyInSeveralPieces) {
  Pair pair({layer<Checksum>()}, {.copies = false});
  Message message = Message::copy_of(pair.engine.pool(), "first piece, ");
  ASSERT_TRUE(message.append(pair.engine.pool(), Message::copy_of(pair.engine.pool(), "second piece")));
  ASSERT_EQ(pair.ends[0].stack->send(std::move(message)), Errc::ok);
  pair.run();
  ASSERT_EQ(pair.ends[1].delivered.size(), 1u);
  EXPECT_EQ(pair.ends[1].body(0), "first piece, second piece");
}

}  // namespace
}  // namespace harness::layers
