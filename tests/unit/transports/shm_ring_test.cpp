// SPDX-License-Identifier: Apache-2.0
// The two ends of a ring by themselves: laps, the word behind a record, and what two threads see of it.
#include <harness/transports/shm/ring.hpp>

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include <harness/transports/shm/memory.hpp>

namespace harness::transports::shm {
namespace {

constexpr std::uint64_t ring_bytes = 32 << 10;

class ShmRing : public testing::Test {
 protected:
  ShmRing() {
    EXPECT_TRUE(memory_.back(0, ring_bytes));
    writer_.open(
        memory_.file(), ring_bytes, [](void*, std::uint64_t, std::uint64_t) noexcept { return true; },
        nullptr);
    reader_.open(memory_.file(), ring_bytes);
  }
  bool write(std::uint64_t word, std::uint32_t bytes) {
    std::byte* at = writer_.room(bytes);
    if (at == nullptr) return false;
    for (std::uint32_t i = 0; i + 8 <= bytes; i += 8) store<std::uint64_t>(at + i, word);
    writer_.commit(wire::ShmKind::data, bytes);
    return true;
  }
  // The first word of the record at the front; 0 when there is none.
  std::uint64_t take() {
    Found found;
    EXPECT_TRUE(reader_.look(found)) << "not a record";
    if (found.kind == wire::ShmKind::none) return 0;
    const std::uint64_t word = load<std::uint64_t>(found.payload);
    reader_.pop(found.bytes);
    return word;
  }

  Descriptor file_;
  Memory memory_ = Memory::make({0, ring_bytes, 0}, file_);
  wire::ShmLine line_{};
  RingWriter writer_;
  RingReader reader_;
};

TEST_F(ShmRing, ShowsTheFirstRecordsOfABatchAndTheLastTogether) {
  for (std::uint64_t word = 1; word <= 5; ++word) write(word, 8);
  EXPECT_FALSE(reader_.stirs());
  writer_.release();
  for (std::uint64_t word = 1; word <= 5; ++word) EXPECT_EQ(take(), word);
  EXPECT_EQ(take(), 0u);
}

// What the former lap left behind the record is a header that would do: right sequence, kind and length.
TEST_F(ShmRing, NeverTakesWhatAFormerLapLeftForARecord) {
  constexpr std::uint32_t large = 4088;  // 64 lines
  constexpr std::uint32_t records = ring_bytes / 4096;
  const std::uint64_t forged = 8 | std::uint64_t{1} << 28 | std::uint64_t{records + 1} << 34;
  for (std::uint32_t i = 0; i < records; ++i) {
    ASSERT_TRUE(write(forged, large));
    writer_.release();
    EXPECT_EQ(take(), forged);
    reader_.publish(line_);
    ASSERT_TRUE(writer_.credit(line_.consumed));
  }
  write(7, 8);
  writer_.release();
  EXPECT_EQ(take(), 7u);
  EXPECT_EQ(take(), 0u) << "nothing was written behind it";
}

// A full ring still has the word behind its last record, which is not the first one's header.
TEST_F(ShmRing, LosesNothingWhenItIsFilledToItsLastLine) {
  for (unsigned lap = 0; lap < 5; ++lap) {
    std::uint64_t written = 0, taken = 0;
    while (write(written + 1, 8)) {
      ++written;
      writer_.release();
    }
    EXPECT_GE(written, ring_bytes / 64 - 1);
    while (const std::uint64_t word = take()) EXPECT_EQ(word, ++taken);
    EXPECT_EQ(taken, written);
    reader_.publish(line_);
    ASSERT_TRUE(writer_.credit(line_.consumed));
  }
}

TEST_F(ShmRing, BelievesNoCreditThatCannotBe) {
  write(1, 8);
  write(2, 8);
  writer_.release();
  write(3, 8);
  EXPECT_FALSE(writer_.credit(129)) << "the third record is not shown yet";
  EXPECT_TRUE(writer_.credit(64));
  EXPECT_FALSE(writer_.credit(63));
  EXPECT_FALSE(writer_.credit(~std::uint64_t{0}));
}

// Both threads use the same addresses, so the thread sanitizer sees a load or store that is not ordered.
TEST_F(ShmRing, OrdersBetweenTwoThreadsWhatItShows) {
  constexpr std::uint64_t records = 100'000;
  const auto size_of = [](std::uint64_t word) { return static_cast<std::uint32_t>(8 + word % 20 * 8); };
  std::atomic<bool> over{false};
  std::thread sending([&] {
    for (std::uint64_t word = 1; word <= records && !over;) {
      if (write(word, size_of(word))) {
        if (word++ % 3 == 0) writer_.release();
        continue;
      }
      writer_.release();
      if (!writer_.credit(load_shared(line_.consumed))) over = true;
      std::this_thread::yield();
    }
    writer_.release();
  });
  std::uint64_t next = 1;
  for (Found found; next <= records && !over;) {
    if (!reader_.look(found)) break;
    if (found.kind == wire::ShmKind::none) {
      reader_.publish(line_);
      std::this_thread::yield();
      continue;
    }
    bool right = found.bytes == size_of(next);
    for (std::uint32_t i = 0; i < found.bytes && right; i += 8)
      right = load<std::uint64_t>(found.payload + i) == next;
    if (!right) break;
    reader_.pop(found.bytes);
    ++next;
  }
  over = true;
  sending.join();
  EXPECT_EQ(next, records + 1) << "the record after those before is none, or not what was written";
}

}  // namespace
}  // namespace harness::transports::shm
