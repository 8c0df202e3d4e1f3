// SPDX-License-Identifier: Apache-2.0
// resume: numbers, keeping and telling, holding, closing, and peers whose numbers cannot be.
// Lost connections: tests/sim/resume_test.cpp.
#include <gtest/gtest.h>

#include <harness/layers/resume.hpp>
#include <harness/tests/support/pair.hpp>

namespace harness::layers {
namespace {

using tests::layer;
using tests::Pair;

constexpr std::uint64_t ms = 1'000'000;
constexpr std::int64_t small_retain = 64 << 10;

template <class H>
std::string bytes(const H& header) {
  std::string text(wire::bytes_of<H>, '\0');
  wire::encode(header, reinterpret_cast<std::byte*>(text.data()));
  return text;
}
std::string numbered(std::uint64_t sequence, unsigned channel = 0) {
  return bytes(wire::ResumeMessage{wire::ResumeForm::message, static_cast<std::uint8_t>(channel), sequence}) +
         "body";
}
std::string have(std::uint64_t sequence, wire::ResumeForm form = wire::ResumeForm::have) {
  return bytes(wire::ResumeHave{form, 0}) + bytes(wire::ResumeGot{0, sequence});
}
/// One end that just got these frames.
struct Injected : Pair {
  explicit Injected(const std::vector<std::string>& frames) : Pair({layer<Resume>()}) {
    for (const std::string& frame : frames) inject(1, as_bytes(frame));
  }
  [[nodiscard]] bool corrupt() const { return ends[1].count(EventKind::corrupt) == 1; }
};

TEST(Resume, AddsSevenBytesAndNothingElseToAMessage) {
  Pair pair({layer<Resume>()});
  for (unsigned channel : {0u, 7u, 31u}) ASSERT_EQ(pair.ends[0].send("abc", channel), Errc::ok);
  EXPECT_EQ(pair.wires[0].data_bytes, 3u * 10);
  pair.run();
  ASSERT_EQ(pair.ends[1].delivered.size(), 3u);
  EXPECT_EQ(pair.ends[1].delivered[2], (tests::Delivered{"abc", 31}));
  EXPECT_EQ(pair.wires[1].carried, 0u);
}

TEST(Resume, TellsWhatWasGotAfterTheDelayInOneFrame) {
  Pair pair({layer<Resume>()});
  pair.send_all(0, 100, [](unsigned i) { return std::to_string(i); });
  pair.run();
  EXPECT_GT(pair.ends[0].value("resume", "kept_bytes"), 100u * 256);
  pair.advance(11 * ms);
  EXPECT_EQ(pair.ends[0].value("resume", "kept_bytes"), 0u);
  EXPECT_EQ(pair.ends[1].value("resume", "haves_sent"), 1u);
}

TEST(Resume, TellsAtOnceWhenAQuarterOfWhatTheSenderMayKeepWasGot) {
  Pair pair({layer<Resume>({{Resume::retain, small_retain}})});
  pair.send_all(0, 2000, [](unsigned) { return std::string(500, 'x'); });
  pair.run();
  EXPECT_EQ(pair.ends[1].delivered.size(), 2000u);
  EXPECT_LT(pair.ends[0].value("resume", "kept_bytes"), static_cast<std::uint64_t>(small_retain));
  EXPECT_LE(pair.ends[1].value("resume", "haves_sent"), 2000u * 763 / (small_retain / 4) + 1);
}

TEST(Resume, HoldsTheSenderAtItsBoundUntilThePeerTells) {
  Pair pair({layer<Resume>({{Resume::retain, small_retain}})}, {.capacity_frames = 10'000});
  pair.wires[0].stuck = true;
  unsigned taken = 0;
  while (pair.ends[0].send(std::string(500, 'x')) == Errc::ok) ASSERT_LT(++taken, 1000u);
  EXPECT_EQ(taken, (small_retain + 755) / 756);
  EXPECT_EQ(pair.ends[0].count(EventKind::writable), 0u);
  pair.wires[0].stuck = false;
  pair.run();
  EXPECT_EQ(pair.ends[0].count(EventKind::writable), 1u);
  EXPECT_EQ(pair.ends[0].send("more"), Errc::ok);
}

TEST(Resume, AMessageThatComesAgainIsDroppedAndCounted) {
  Injected pair({numbered(1), numbered(2), numbered(1), numbered(2), numbered(3)});
  EXPECT_EQ(pair.ends[1].delivered.size(), 3u);
  EXPECT_EQ(pair.ends[1].value("resume", "duplicate_messages"), 2u);
  EXPECT_FALSE(pair.corrupt());
}

TEST(Resume, AGapClosesTheLink) { EXPECT_TRUE(Injected({numbered(1), numbered(3)}).corrupt()); }
TEST(Resume, AChannelAbove31ClosesTheLink) { EXPECT_TRUE(Injected({numbered(1, 32)}).corrupt()); }
TEST(Resume, AFrameCutShortClosesTheLink) {
  EXPECT_TRUE(Injected({""}).corrupt());
  EXPECT_TRUE(Injected({numbered(1).substr(0, 6)}).corrupt());
  EXPECT_TRUE(Injected({have(0).substr(0, 5)}).corrupt());
}
TEST(Resume, APeerThatHasWhatWasNeverSentClosesTheLink) {
  EXPECT_TRUE(Injected({have(1)}).corrupt());
  EXPECT_TRUE(Injected({have(1, wire::ResumeForm::have_first)}).corrupt());
  EXPECT_FALSE(Injected({have(0)}).corrupt());
}

TEST(Resume, ACloseWaitsUntilThePeerHasEverythingAndAsksForIt) {
  Pair pair({layer<Resume>()});
  ASSERT_EQ(pair.ends[0].send("last words"), Errc::ok);
  pair.ends[0].stack->event({EventKind::close});
  EXPECT_NE(pair.ends[0].gate.word(), 0u);  // the link sends no FIN yet
  pair.run();
  EXPECT_EQ(pair.ends[1].body(0), "last words");
  EXPECT_EQ(pair.ends[0].gate.word(), 0u);
  EXPECT_EQ(pair.ends[0].value("resume", "kept_bytes"), 0u);
}

TEST(Resume, WhatIsSentAfterContactWasLostIsKeptForTheNextConnection) {
  Pair pair({layer<Resume>()});
  ASSERT_EQ(pair.ends[0].send("before"), Errc::ok);
  pair.run();
  pair.ends[0].stack->event({EventKind::peer_lost});
  EXPECT_EQ(pair.ends[0].send("after"), Errc::would_block);
  EXPECT_EQ(pair.wires[0].carried, 1u);
}

}  // namespace
}  // namespace harness::layers
