// SPDX-License-Identifier: Apache-2.0
// The record protocol of encrypt without a stack: numbers, epochs, the replay window against a naive set, and
// every bit of a record changed.
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include <harness/layers/encrypt/opener.hpp>
#include <harness/layers/encrypt/replay_window.hpp>
#include <harness/layers/encrypt/sealer.hpp>
#include <harness/stack/random.hpp>
#include <harness/tests/support/seed.hpp>

namespace harness::layers::encryption {
namespace {

using Record = std::vector<std::byte>;
constexpr std::uint64_t second_ns = 1'000'000'000;

/// One direction: what `sealer` makes, `opener` opens.
struct Direction {
  explicit Direction(RekeyLimits limits = {}, bool strict = false, Suite suite = Suite::aes)
      : sealer(hash, suite, secret(), without_pause(limits), 0), opener(hash, suite, secret(), strict) {}

  static RekeyLimits without_pause(RekeyLimits limits) { return limits.pause_ns = 0, limits; }
  static Secret secret() {
    EXPECT_TRUE(libraries_ready());
    Secret made;
    made.bytes.fill(std::byte{0x5a});
    return made;
  }
  Record seal(std::string_view text, std::uint64_t now_ns = 0) {
    Record record(wire::encrypt_bytes + text.size());
    EXPECT_TRUE(sealer.seal(now_ns, as_bytes(text), record.data(), record.data() + wire::encrypt_bytes));
    return record;
  }
  Verdict open(const Record& record, std::uint64_t now_ns = 0) {
    plain.assign(record.size() - wire::encrypt_bytes, std::byte{});
    return opener.open(now_ns, record.data(), Bytes(record).subspan(wire::encrypt_bytes), plain.data());
  }
  /// What the last open gave.
  [[nodiscard]] std::string text() const { return std::string(as_text(plain)); }

  Hash hash{HashKind::sha256};
  Sealer sealer;
  Opener opener;
  std::vector<std::byte> plain;
};

std::uint64_t number_of(const Record& record) { return wire::decode<wire::Encrypt>(record.data()).number; }
unsigned epoch_of(const Record& record) { return wire::decode<wire::Encrypt>(record.data()).epoch; }
// ---- replay window ----

TEST(ReplayWindow, AgreesWithANaiveSet) {
  Random random(tests::seed(21));
  for (unsigned round = 0; round < 30; ++round) {
    ReplayWindow window;
    std::set<std::uint64_t> seen;
    std::uint64_t highest = 0;
    for (unsigned i = 0; i < 20'000; ++i) {
      std::uint64_t number = highest + random.below(3);
      if (random.below(4) == 0) number = highest - std::min(highest, random.below(9000));
      if (random.below(500) == 0) number = highest + random.below(20'000);
      const bool old =
          !seen.empty() && *seen.rbegin() + 1 - std::min(number, *seen.rbegin() + 1) > ReplayWindow::width;
      ASSERT_EQ(window.seen(number), old || seen.contains(number)) << number << " after " << i;
      if (window.seen(number)) continue;
      window.set(number);
      seen.insert(number);
      highest = std::max(highest, number);
    }
  }
}

TEST(ReplayWindow, IsExactly8192Wide) {
  ReplayWindow window;
  window.set(10'000);
  EXPECT_FALSE(window.seen(10'000 - 8191));
  EXPECT_TRUE(window.seen(10'000 - 8192));
  window.set(10'000 - 8191);
  EXPECT_TRUE(window.seen(10'000 - 8191));
  window.set(10'001);
  EXPECT_TRUE(window.seen(10'000 - 8191)) << "out of the window";
  EXPECT_FALSE(window.seen(10'000 - 8190));
}

TEST(ReplayWindow, ALeapForgetsWhatWasThereBefore) {
  for (const std::uint64_t leap : {8191u, 8192u, 8193u, 20'000u, 1u << 20}) {
    ReplayWindow window;
    for (std::uint64_t i = 0; i < 100; ++i) window.set(i);
    window.set(99 + leap);
    for (std::uint64_t i = 100 + leap - std::min<std::uint64_t>(leap, 8192); i < 99 + leap; ++i)
      ASSERT_EQ(window.seen(i), i < 100) << leap << ' ' << i;
  }
}

// ---- records ----

TEST(Record, OpensWhatWasSealedAndEachNumberOnce) {
  for (const Suite suite : {Suite::aes, Suite::chacha}) {
    Direction way({}, false, suite);
    std::set<std::uint64_t> numbers;
    for (std::size_t bytes = 0; bytes < 3000; bytes += 37) {
      const std::string text(bytes, 'x');
      const Record record = way.seal(text);
      EXPECT_TRUE(numbers.insert(number_of(record)).second);
      ASSERT_EQ(way.open(record), Verdict::good);
      ASSERT_EQ(way.text(), text);
      ASSERT_EQ(way.open(record), Verdict::replayed);
    }
  }
}

TEST(Record, EveryBitOfItIsCovered) {
  Direction way;
  const Record record = way.seal("sixteen bytes ok");
  for (std::size_t bit = 0; bit < record.size() * 8; ++bit) {
    Record changed = record;
    changed[bit / 8] ^= std::byte{1} << bit % 8;
    // A changed index in the window, or a changed epoch within reach, is tried and found out by the tag.
    ASSERT_NE(way.open(changed, bit * second_ns), Verdict::good) << bit;
    ASSERT_EQ(way.text(), std::string(16, '\0')) << "no plain text of a forgery";
  }
  for (std::size_t left = wire::encrypt_bytes; left < record.size(); ++left)
    ASSERT_EQ(way.open(Record(record.begin(), record.begin() + static_cast<std::ptrdiff_t>(left))),
              Verdict::forged);
  Record longer = record;
  longer.push_back({});
  ASSERT_EQ(way.open(longer), Verdict::forged);
  ASSERT_EQ(way.open(record), Verdict::good) << "forgeries move no window";
}

TEST(Record, TheOtherDirectionsKeysOpenNothing) {
  Direction way;
  Hash hash(HashKind::sha256);
  Secret other = Direction::secret();
  other.bytes[0] ^= std::byte{1};
  Opener reflected(hash, Suite::aes, other, false);
  const Record record = way.seal("mine");
  std::array<std::byte, 4> to{};
  EXPECT_EQ(reflected.open(0, record.data(), Bytes(record).subspan(24), to.data()), Verdict::forged);
}

TEST(Record, AfterTooManyForgeriesNothingIsTaken) {
  Direction way;
  way.opener.set_forged(Opener::forged_max - 1);
  Record forged = way.seal("a");
  forged.back() ^= std::byte{1};
  EXPECT_EQ(way.open(forged), Verdict::forged);
  EXPECT_EQ(way.open(way.seal("b")), Verdict::used_up);
}

TEST(Record, HoweverTheyAreMutatedNoneIsAccepted) {
  const char* const wanted = std::getenv("HARNESS_RECORDS");
  const std::uint64_t count = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 200'000;
  Random random(tests::seed(22));
  Direction way({.records = 64});
  std::vector<Record> real;
  for (unsigned i = 0; i < 200; ++i) real.push_back(way.seal(std::string(i % 90, 'r')));
  for (unsigned i = 0; i < 130; ++i) ASSERT_EQ(way.open(real[i]), Verdict::good);
  for (std::uint64_t i = 0; i < count; ++i) {
    Record record = real[random.below(real.size())];
    const Record before = record;
    for (std::uint64_t n = random.between(1, 4); n > 0; --n)
      record[random.below(record.size())] ^= static_cast<std::byte>(random.between(1, 255));
    if (random.below(16) == 0) record.resize(wire::encrypt_bytes + random.below(record.size() - 23));
    if (random.below(64) == 0) {  // a splice: the header of one, the text of another
      const Record& other = real[random.below(real.size())];
      record.assign(other.begin(), other.end());
      std::copy_n(before.begin(), 8, record.begin());
      if (record == other) continue;
    }
    if (record == before) continue;
    ASSERT_NE(way.open(record, i * 1000), Verdict::good) << "mutation " << i;
  }
  EXPECT_EQ(way.open(real[130]), Verdict::good) << "and nothing was lost by it";
}

// ---- epochs ----

TEST(Epochs, ADirectionRenewsItsKeyByCountBytesAndTime) {
  Direction count({.records = 3});
  for (unsigned i = 0; i < 7; ++i) {
    const Record record = count.seal("x");
    EXPECT_EQ(epoch_of(record), i / 3);
    EXPECT_EQ(number_of(record), i);
    EXPECT_EQ(count.open(record), Verdict::good);
  }
  Direction bytes({.bytes = 100});
  for (const unsigned epoch : {0u, 0u, 1u, 1u, 2u}) {
    const Record record = bytes.seal(std::string(40, 'x'));
    EXPECT_EQ(epoch_of(record), epoch);
    EXPECT_EQ(bytes.open(record), Verdict::good);
  }
  EXPECT_EQ(epoch_of(bytes.seal(std::string(500, 'x'))), 3u) << "more than an epoch holds: one of its own";
  EXPECT_EQ(epoch_of(bytes.seal("x")), 4u);
  Direction time({.time_ns = 5 * second_ns});
  EXPECT_EQ(epoch_of(time.seal("x", 5 * second_ns - 1)), 0u);
  EXPECT_EQ(epoch_of(time.seal("x", 5 * second_ns)), 1u);
  EXPECT_EQ(epoch_of(time.seal("x", 90 * second_ns)), 2u) << "one step, however long it was silent";
}

TEST(Epochs, StepsAreAPauseApartUnlessTheHardBoundIsReached) {
  Hash hash(HashKind::sha256);
  Sealer sealer(hash, Suite::aes, Direction::secret(), {.records = 2, .bytes = 100}, 0);
  std::array<std::byte, 200> record{};
  const auto seal = [&](std::uint64_t now_ns) {
    EXPECT_TRUE(sealer.seal(now_ns, Bytes(record).subspan(24, 60), record.data(), record.data() + 24));
    return sealer.epoch();
  };
  for (unsigned i = 0; i < 5000; ++i) ASSERT_EQ(seal(i), 0u);
  EXPECT_EQ(seal(second_ns - 1), 0u);
  EXPECT_EQ(seal(second_ns), 1u);
  for (unsigned i = 0; i < 5000; ++i) ASSERT_EQ(seal(second_ns + i), 1u);
  EXPECT_EQ(seal(2 * second_ns), 2u);
  for (std::uint64_t i = 1; i < key_records_max; ++i)
    ASSERT_TRUE(sealer.seal(2 * second_ns, {}, record.data(), record.data()));
  EXPECT_EQ(sealer.epoch(), 2u);
  EXPECT_EQ(seal(2 * second_ns), 3u);
}

TEST(Epochs, TheirNameGoesRoundAndTheKeysGoOn) {
  Direction way({.records = 1});
  for (unsigned i = 0; i < 600; ++i) {
    const Record record = way.seal("x");
    ASSERT_EQ(epoch_of(record), i % 256);
    ASSERT_EQ(way.open(record), Verdict::good);
    ASSERT_EQ(way.opener.epoch(), i);
  }
}

TEST(Epochs, NoKeySealsMoreThanItsHardBoundAndNoNumberComesRound) {
  Direction way({.records = ~std::uint64_t{0}});
  std::array<std::byte, wire::encrypt_bytes> header;
  for (std::uint64_t i = 0; i < key_records_max; i += 1)
    ASSERT_TRUE(way.sealer.seal(0, {}, header.data(), header.data()));
  EXPECT_EQ(way.sealer.epoch(), 0u);
  EXPECT_EQ(epoch_of(way.seal("x")), 1u);
  Direction old({.records = 1});
  old.sealer.set_number(link_records_max - key_records_max);
  old.seal("x");
  EXPECT_FALSE(old.sealer.seal(0, {}, header.data(), header.data())) << "the last numbers are not begun";
}

TEST(Epochs, RecordsOvertakenAtAStepStillOpenUntilTheKeyIsRetired) {
  Direction way({.records = 4});
  std::vector<Record> records;
  for (unsigned i = 0; i < 12; ++i) records.push_back(way.seal(std::to_string(i)));
  ASSERT_EQ(way.open(records[0]), Verdict::good);
  ASSERT_EQ(way.open(records[5]), Verdict::good);  // epoch 1
  ASSERT_TRUE(way.opener.has_previous());
  ASSERT_EQ(way.open(records[1]), Verdict::good) << "epoch 0, late";
  ASSERT_EQ(way.open(records[1]), Verdict::replayed) << "its window is still there";
  ASSERT_EQ(way.open(records[0]), Verdict::replayed);
  ASSERT_EQ(way.opener.epoch(), 1u);
  way.opener.retire();
  ASSERT_EQ(way.open(records[2]), Verdict::stale);
  ASSERT_EQ(way.open(records[9]), Verdict::good);  // epoch 2
  ASSERT_EQ(way.open(records[6]), Verdict::good);
  ASSERT_EQ(way.open(records[3]), Verdict::stale) << "two epochs back";
}

TEST(Epochs, ForgeriesThatNameTheNextEpochDoNotHinderIt) {
  Direction way({.records = 2});
  std::vector<Record> records;
  for (unsigned i = 0; i < 6; ++i) records.push_back(way.seal("x"));
  ASSERT_EQ(way.open(records[0]), Verdict::good);
  for (unsigned i = 0; i < 100; ++i) {
    Record forged = records[2];
    forged.back() ^= std::byte{1};
    ASSERT_EQ(way.open(forged), Verdict::forged);
  }
  ASSERT_EQ(way.opener.epoch(), 0u);
  ASSERT_EQ(way.open(records[1]), Verdict::good);
  ASSERT_EQ(way.open(records[2]), Verdict::good);
  ASSERT_EQ(way.opener.epoch(), 1u);
}

TEST(Epochs, ASpentNumberThatNamesAFarEpochLeavesNoKeyBehind) {
  Direction way({.records = 1});
  std::vector<Record> records;
  for (unsigned i = 0; i < 6; ++i) records.push_back(way.seal("x"));
  ASSERT_EQ(way.open(records[0]), Verdict::good);
  Record forged = records[5];
  wire::encode(wire::Encrypt{static_cast<std::uint8_t>(epoch_of(records[5])), 0}, forged.data());
  EXPECT_EQ(way.open(forged), Verdict::replayed);
  EXPECT_EQ(way.open(records[1]), Verdict::good)
      << "the key of the far epoch is in the place of the next one";
  EXPECT_EQ(way.open(records[5]), Verdict::good) << "nobody was refused: no pause";
}

TEST(Epochs, AfterAPartitionALeapWithinReachOpensAndForgedOnesAreRare) {
  Direction way({.records = 1});
  std::vector<Record> records;
  for (unsigned i = 0; i < 30; ++i) records.push_back(way.seal("x"));
  ASSERT_EQ(way.open(records[0]), Verdict::good);
  Record forged = records[5];
  forged.back() ^= std::byte{1};
  EXPECT_EQ(way.open(forged, second_ns), Verdict::forged);
  EXPECT_EQ(way.open(forged, second_ns), Verdict::stale) << "no second derivation at once";
  EXPECT_EQ(way.open(records[5], second_ns), Verdict::stale);
  EXPECT_EQ(way.open(records[1], second_ns), Verdict::good) << "the forged leap does not hinder the next one";
  EXPECT_EQ(way.open(records[5], second_ns + Opener::leap_pause_ns), Verdict::good);
  EXPECT_EQ(way.opener.epoch(), 5u);
  EXPECT_EQ(way.open(records[5 + Opener::ahead_max + 1], 9 * second_ns), Verdict::stale) << "too far";
  EXPECT_EQ(way.open(records[5 + Opener::ahead_max], 9 * second_ns), Verdict::good);
}

TEST(Epochs, OnAnOrderedMediumAGapIsDamage) {
  Direction way({.records = 3}, true);
  std::vector<Record> records;
  for (unsigned i = 0; i < 9; ++i) records.push_back(way.seal("x"));
  EXPECT_EQ(way.open(records[1]), Verdict::gap);
  for (const unsigned i : {0u, 1u, 2u, 3u}) EXPECT_EQ(way.open(records[i]), Verdict::good);
  EXPECT_EQ(way.open(records[2]), Verdict::replayed) << "nothing late";
  EXPECT_EQ(way.open(records[5]), Verdict::gap);
  EXPECT_EQ(way.open(records[6]), Verdict::gap)
      << "the first of an epoch does not hide what was cut before it";
  EXPECT_EQ(way.open(records[4]), Verdict::good);
}

TEST(Epochs, NoNumberComesTwiceInAnyMixOfLimits) {
  Random random(tests::seed(23));
  for (unsigned round = 0; round < 20; ++round) {
    Direction way({.records = random.between(1, 9), .bytes = random.between(1, 300), .time_ns = second_ns});
    std::uint64_t now_ns = 0, last = 0;
    for (unsigned i = 0; i < 500; ++i) {
      now_ns += random.below(second_ns / 3);
      const Record record = way.seal(std::string(random.below(80), 'x'), now_ns);
      ASSERT_TRUE(i == 0 || number_of(record) > last);
      last = number_of(record);
      ASSERT_EQ(way.open(record, now_ns), Verdict::good);
    }
  }
}

}  // namespace
}  // namespace harness::layers::encryption
