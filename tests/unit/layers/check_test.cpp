// SPDX-License-Identifier: Apache-2.0
// Checkers: each breach is told, and an orderly run is not accused.
#include <functional>

#include <gtest/gtest.h>

#include <harness/layers/all.hpp>
#include <harness/layers/check/check_boundary.hpp>
#include <harness/layers/check/check_channels.hpp>
#include <harness/layers/check/check_death.hpp>
#include <harness/layers/check/check_fifo.hpp>
#include <harness/layers/check/check_integrity.hpp>
#include <harness/layers/check/check_no_duplicates.hpp>
#include <harness/layers/check/check_reliable.hpp>
#include <harness/stack/contract.hpp>
#include <harness/tests/support/pair.hpp>

namespace harness::layers {
namespace {

using tests::layer;
using tests::Medium;
using tests::Pair;

constexpr Properties tidy = property::message | property::reliable | property::fifo |
                            property::no_duplicates | property::checked16 | property::channels |
                            property::death_immediate;
constexpr Properties unordered = property::message | property::reliable | property::checked16;

std::string numbered(unsigned channel, std::uint64_t sequence, std::string_view body = "x") {
  std::string made(wire::bytes_of<wire::Numbered>, '\0');
  wire::encode(wire::Numbered{static_cast<std::uint8_t>(channel), sequence},
               reinterpret_cast<std::byte*>(made.data()));
  return made.append(body);
}

/// Two ends with one checker, fed by hand.
template <Layer Checker>
struct Watched : Pair {
  explicit Watched(Properties word = tidy) : Pair({layer<Checker>()}, {.word = word}) {}
  Watched& hear(unsigned channel, std::initializer_list<std::uint64_t> sequences) {
    for (const std::uint64_t sequence : sequences) inject(1, as_bytes(numbered(channel, sequence)));
    return *this;
  }
  [[nodiscard]] std::uint64_t breaches() const { return ends[1].value(Checker::descriptor.name, "breaches"); }
  [[nodiscard]] unsigned told() const { return ends[1].count(EventKind::violated); }
};

TEST(Check, NoCheckerAccusesAnOrderlyLink) {
  Pair pair({layer<CheckBoundary>(), layer<CheckIntegrity>(), layer<CheckFifo>(), layer<CheckNoDuplicates>(),
             layer<CheckReliable>(), layer<CheckDeath>(), layer<CheckChannels>()},
            {.word = tidy});
  for (unsigned i = 0; i < 500; ++i) {
    ASSERT_EQ(pair.ends[0].send(std::string(i % 90, static_cast<char>(i)), 0), Errc::ok);
    pair.run();
  }
  pair.ends[1].stack->event({EventKind::closed});
  ASSERT_EQ(pair.ends[1].delivered.size(), 500u);
  for (unsigned i = 0; i < 500; ++i)
    EXPECT_EQ(pair.ends[1].body(i), std::string(i % 90, static_cast<char>(i)));
  EXPECT_EQ(pair.ends[1].count(EventKind::violated), 0u);
}

TEST(Check, EveryCheckerPromisesNothing) {
  Catalogue catalogue;
  add_all(catalogue);
  for (const LayerType& type : catalogue.layers()) {
    if (!type.descriptor->name.starts_with("check_")) continue;
    EXPECT_TRUE(promises_nothing(type.descriptor->contract)) << type.descriptor->name;
    EXPECT_TRUE(type.descriptor->contract.clears.empty()) << type.descriptor->name;
  }
}

TEST(CheckFifo, TellsOfAMessageAfterALaterOneOfItsChannelOnly) {
  Watched<CheckFifo> watched;
  EXPECT_EQ(watched.hear(0, {1, 2, 5}).hear(1, {1}).hear(0, {5, 0, 6}).breaches(), 0u);
  EXPECT_EQ(watched.hear(0, {4}).breaches(), 1u);
  EXPECT_EQ(watched.ends[1].details.back(), "fifo: a message came after a later one");
  EXPECT_EQ(watched.ends[1].delivered.size(), 8u) << "it watches and does not repair";
}

TEST(CheckNoDuplicates, TellsOfARepeatedNumberInAnyOrder) {
  Watched<CheckNoDuplicates> watched;
  EXPECT_EQ(watched.hear(3, {7, 2, 1, 9, 0, 0}).hear(4, {7}).breaches(), 0u);
  EXPECT_EQ(watched.hear(3, {2}).breaches(), 1u);
  EXPECT_EQ(watched.hear(3, {9}).breaches(), 2u);
}

TEST(CheckNoDuplicates, JudgesNothingOlderThanItsWindow) {
  constexpr std::uint64_t window = check::Arrivals::window;
  Watched<CheckNoDuplicates> watched;
  EXPECT_EQ(watched.hear(0, {1, 2, window + 1, 2, 1}).breaches(), 1u) << "2 is inside, 1 is not";
  EXPECT_EQ(watched.ends[1].value("check_no_duplicates", "unknown_messages"), 1u);
}

TEST(CheckReliable, TellsOfAGapAtOnceOverAnOrderedLayer) {
  Watched<CheckReliable> watched;
  EXPECT_EQ(watched.hear(0, {1, 2}).hear(1, {1, 2}).breaches(), 0u);
  EXPECT_EQ(watched.hear(0, {5}).breaches(), 2u);
  EXPECT_EQ(watched.ends[1].details.back(), "reliable: a message is missing although later ones came");
}

TEST(CheckReliable, WaitsForTheOrderlyEndOverAnUnorderedLayer) {
  Watched<CheckReliable> watched(unordered);
  EXPECT_EQ(watched.hear(0, {3, 1, 6, 4, 2}).breaches(), 0u);
  watched.ends[1].stack->event({EventKind::closed});
  EXPECT_EQ(watched.breaches(), 1u) << "5 never came";
}

TEST(CheckReliable, ALinkThatIsLostOwesNothing) {
  Watched<CheckReliable> watched(unordered);
  watched.hear(0, {3}).ends[1].stack->event({EventKind::peer_lost, Errc::timed_out});
  EXPECT_EQ(watched.told(), 0u);
}

TEST(CheckReliable, TellsOfWhatLeavesItsWindowUnseen) {
  constexpr std::uint64_t window = check::Arrivals::window;
  Watched<CheckReliable> watched(unordered);
  EXPECT_EQ(watched.hear(0, {1, 3, window + 1}).breaches(), 0u) << "2 may still come";
  EXPECT_EQ(watched.hear(0, {window + 2}).breaches(), 1u);
  EXPECT_EQ(watched.hear(0, {3 * window}).breaches(), 2 * window - 4) << "all but the four that came";
}

TEST(CheckBoundary, TellsOfAMessageCutOrJoined) {
  Watched<CheckBoundary> watched;
  watched.inject(1, as_bytes(std::string_view("\3\0\0\0abc", 7)));
  EXPECT_EQ(watched.breaches(), 0u);
  watched.inject(1, as_bytes(std::string_view("\3\0\0\0ab", 6)));
  EXPECT_EQ(watched.breaches(), 1u);
  watched.inject(1, as_bytes(std::string_view("\3\0\0\0abcd", 8)));
  EXPECT_EQ(watched.breaches(), 2u);
  watched.inject(1, as_bytes(std::string_view("\3\0", 2)));
  EXPECT_EQ(watched.breaches(), 3u);
  EXPECT_EQ(watched.ends[1].delivered.size(), 3u) << "without a header there is no message";
}

TEST(CheckIntegrity, TellsOfEverySingleBit) {
  Watched<CheckIntegrity> watched;
  std::string frame;
  watched.wires[0].filter = [&](Message& message) {
    frame = std::string(message.text());
    return true;
  };
  ASSERT_EQ(watched.ends[0].send("thirteen byte"), Errc::ok);
  watched.run();
  ASSERT_EQ(frame.size(), 21u);
  EXPECT_EQ(watched.breaches(), 0u);
  for (std::size_t bit = 0; bit < frame.size() * 8; ++bit) {
    std::string damaged = frame;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    watched.inject(1, as_bytes(damaged));
    EXPECT_EQ(watched.breaches(), bit + 1);
  }
}

TEST(CheckIntegrity, TheDigestDoesNotDependOnHowABodyIsScattered) {
  Watched<CheckIntegrity> watched;
  for (unsigned cut = 0; cut <= 20; ++cut) {
    Message message =
        Message::copy_of(watched.engine.pool(), std::string_view("0123456789abcdefghij").substr(0, cut));
    Message rest =
        Message::copy_of(watched.engine.pool(), std::string_view("0123456789abcdefghij").substr(cut));
    ASSERT_TRUE(message.append(watched.engine.pool(), std::move(rest)));
    ASSERT_EQ(watched.ends[0].stack->send(std::move(message)), Errc::ok);
  }
  watched.run();
  EXPECT_EQ(watched.ends[1].delivered.size(), 21u);
  EXPECT_EQ(watched.breaches(), 0u);
}

TEST(CheckDeath, TellsOfAMessageFromAPeerReportedLost) {
  Watched<CheckDeath> watched;
  watched.inject(1, as_bytes(std::string_view("x")));
  EXPECT_EQ(watched.told(), 0u);
  watched.ends[1].stack->event({EventKind::peer_lost, Errc::timed_out});
  watched.inject(1, as_bytes(std::string_view("y")));
  EXPECT_EQ(watched.breaches(), 1u);
}

TEST(CheckChannels, TellsOfAnotherChannelAndOfAPausedOne) {
  Watched<CheckChannels> watched;  // the medium of a Pair names no channel: all come on 0
  ASSERT_EQ(watched.ends[0].send("a", 0), Errc::ok);
  watched.run();
  EXPECT_EQ(watched.breaches(), 0u);
  ASSERT_EQ(watched.ends[0].send("b", 5), Errc::ok);
  watched.run();
  EXPECT_EQ(watched.breaches(), 1u);
  watched.ends[1].stack->event({EventKind::pause, Errc::ok, {}, 1});
  ASSERT_EQ(watched.ends[0].send("c", 0), Errc::ok);
  watched.run();
  EXPECT_EQ(watched.breaches(), 2u);
  watched.ends[1].stack->event({EventKind::resume, Errc::ok, {}, 1});
  ASSERT_EQ(watched.ends[0].send("d", 0), Errc::ok);
  watched.run();
  EXPECT_EQ(watched.breaches(), 2u);
}

TEST(Check, APromiseBrokenForGoodDoesNotFloodWhoListens) {
  Watched<CheckFifo> watched;
  watched.hear(0, {1000});
  for (std::uint64_t i = 1; i < 1000; ++i) watched.hear(0, {i});
  EXPECT_EQ(watched.breaches(), 999u);
  EXPECT_EQ(watched.told(), 10u) << "1, 2, 4 … 512";
}

}  // namespace
}  // namespace harness::layers
