// SPDX-License-Identifier: Apache-2.0
// What is ofi's own beside the contract of every transport: hellos, bells, offers, the control link.
#include <array>
#include <chrono>
#include <cstdio>
#include <fstream>

#include <poll.h>

#include <harness/tests/support/process_end.hpp>
#include <harness/transports/tcp.hpp>

namespace harness::transports {
namespace {

using tests::connect;
using tests::dial;
using tests::ofi_missing;
using tests::ofi_options;
using tests::settle;
using tests::turn_until;
using End = tests::ProcessEnd;

constexpr std::uint64_t limit_ns = 20'000'000'000;  // only a failing case gets there

std::uint64_t now_ns() {
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

bool is_readable(int descriptor) {
  pollfd waited{descriptor, POLLIN, 0};
  return ::poll(&waited, 1, static_cast<int>(limit_ns / 1'000'000)) == 1;
}

TEST(Ofi, RefusesAPeerThatUsesAnotherProviderAndSaysWhich) {
  for (const auto* provider : {"shm", "tcp"})
    if (const std::string why = ofi_missing(provider); !why.empty()) GTEST_SKIP() << why;
  End near("tcp"), far("shm");
  dial(near, far);
  near.send(1);
  ASSERT_TRUE(turn_until(near, far, [&] { return near.is_over() && far.is_over(); }));
  EXPECT_EQ(near.codes[0], Errc::conflict);
  EXPECT_NE(near.details[0].find("tcp;ofi_rxm"), std::string::npos) << near.details[0];
  EXPECT_NE(near.details[0].find("shm"), std::string::npos) << near.details[0];
  EXPECT_EQ(far.codes[0], near.codes[0]);
  EXPECT_EQ(far.details[0], near.details[0]);
}

TEST(Ofi, RefusesAPeerThatSpeaksSomethingElseThanOfi) {
  if (const std::string why = ofi_missing("shm"); !why.empty()) GTEST_SKIP() << why;
  End far("shm");
  const std::string address = far.transport->listen("127.0.0.1:0", far).value();
  Tcp tcp(*far.engine);
  auto stranger = std::move(tcp.dial(address).value());
  const MutableBytes room = stranger->reserve(40);
  ASSERT_EQ(room.size(), 40u);
  std::memset(room.data(), 'x', room.size());
  stranger->commit();
  ASSERT_TRUE(far.engine->run_until([&] { return far.is_over(); }, limit_ns));
  EXPECT_EQ(far.codes[0], Errc::corrupt);
}

TEST(Ofi, GivesUpAPeerThatNeverSaysHello) {
  if (const std::string why = ofi_missing("shm"); !why.empty()) GTEST_SKIP() << why;
  OptionValues options = ofi_options("shm");
  options.set(ofi::option_connect_timeout, 1000);
  End far("shm");
  far.transport = std::move(ofi::type().make(*far.engine, options).value());
  const std::string address = far.transport->listen("127.0.0.1:0", far).value();
  Tcp tcp(*far.engine);
  const auto stranger = std::move(tcp.dial(address).value());
  ASSERT_TRUE(far.engine->run_until([&] { return far.is_over(); }, limit_ns));
  EXPECT_EQ(far.codes[0], Errc::timed_out);
}

void offers_large_frames_alone(std::string_view provider) {
  if (const std::string why = ofi_missing(provider); !why.empty()) GTEST_SKIP() << why;
  End near(provider), far(provider);
  connect(near, far);
  const auto limit = static_cast<std::uint32_t>(near.value("eager_bytes_max"));
  near.send(limit - 16);  // its header makes it full
  near.send(limit - 15);
  near.send(200'000);
  ASSERT_TRUE(turn_until(near, far, [&] { return far.got.size() == 4; }));
  EXPECT_EQ(far.got, (std::vector<std::uint32_t>{1, limit - 16, limit - 15, 200'000}));
  EXPECT_EQ(near.value("offered_frames"), 2u);
  EXPECT_EQ(far.value("read_frames"), 2u);
  EXPECT_TRUE(turn_until(near, far, [&] { return near.endpoint->drained(); })) << "taken was never said";
}

TEST(Ofi, OffersWhatDoesNotFitIntoAMessageOverShm) { offers_large_frames_alone("shm"); }
TEST(Ofi, OffersWhatDoesNotFitIntoAMessageOverTcp) { offers_large_frames_alone("tcp"); }

Message made(End& end, std::uint32_t bytes, int fill) {
  Message message = end.endpoint->make(end.engine->pool(), bytes);
  std::memset(message.writable().data(), fill, bytes);
  return message;
}

// Ten times the arena, so its memory must come back.
void reads_made_messages_in_place(std::string_view provider) {
  if (const std::string why = ofi_missing(provider); !why.empty()) GTEST_SKIP() << why;
  constexpr std::uint32_t large = 200'000;
  constexpr int count = 50;
  End near(provider), far(provider);
  std::array<std::byte, 2> edges{};  // first and last byte of what arrived
  far.up = [&](Bytes front) { edges = {front.front(), front.back()}; };
  connect(near, far);
  for (int i = 1; i <= count; ++i) {
    Message message = made(near, large, i);
    near.send(std::move(message));
    ASSERT_TRUE(turn_until(near, far, [&] { return far.got.size() == static_cast<std::size_t>(i) + 1; }));
    EXPECT_EQ(edges, (std::array{std::byte(i), std::byte(i)}));
  }
  EXPECT_EQ(near.value("offered_frames"), near.value("in_place_frames"));
  EXPECT_EQ(near.value("in_place_frames"), std::uint64_t{count});
}

TEST(Ofi, LetsThePeerReadAMessageWhereItWasWrittenOverShm) { reads_made_messages_in_place("shm"); }
TEST(Ofi, LetsThePeerReadAMessageWhereItWasWrittenOverTcp) { reads_made_messages_in_place("tcp"); }

TEST(Ofi, CopiesWhatDoesNotFitBesideMessagesThatTheApplicationKeeps) {
  if (const std::string why = ofi_missing("shm"); !why.empty()) GTEST_SKIP() << why;
  End near("shm"), far("shm");
  std::array<std::byte, 2> edges{};
  far.up = [&](Bytes front) { edges = {front.front(), front.back()}; };
  connect(near, far);
  std::vector<Message> kept;
  for (int i = 0; i < 8; ++i) kept.push_back(made(near, 200'000, i));  // more than the arena has room for
  for (int i = 0; i < 8; ++i) {
    Message message = made(near, 200'000, 10 + i);
    near.send(std::move(message));
    ASSERT_TRUE(turn_until(near, far, [&] { return far.got.size() == static_cast<std::size_t>(i) + 2; }));
  }
  EXPECT_EQ(near.value("in_place_frames"), 0u);
  for (auto& message : kept) near.send(std::move(message));
  kept.clear();
  ASSERT_TRUE(turn_until(near, far, [&] { return far.got.size() == 17; }));
  EXPECT_GT(near.value("in_place_frames"), 0u);
  EXPECT_EQ(edges, (std::array{std::byte(7), std::byte(7)}));
}

TEST(Ofi, AMessageMadeForALinkOutlivesItAndTheTransport) {
  if (const std::string why = ofi_missing("shm"); !why.empty()) GTEST_SKIP() << why;
  End near("shm"), far("shm");
  connect(near, far);
  Message kept = made(near, 100'000, 5);
  near.endpoint->close(0);
  near.endpoint.reset();
  near.engine->poll();
  near.transport.reset();
  std::memset(kept.writable().data(), 6, kept.body_size());
  EXPECT_EQ(kept.front().back(), std::byte{6});
}

// Bytes of mappings that ask for large pages, and begin where one may be.
std::size_t asking_bytes() {
  std::ifstream maps("/proc/self/smaps");
  std::size_t sum = 0, begin = 0, end = 0;
  for (std::string line; std::getline(maps, line);) {
    if (std::size_t from = 0, to = 0; std::sscanf(line.c_str(), "%zx-%zx ", &from, &to) == 2)
      begin = from, end = to;
    if (line.starts_with("VmFlags:") && line.find(" hg") != std::string::npos && begin % (2 << 20) == 0)
      sum += end - begin;
  }
  return sum;
}

TEST(Ofi, LiesInLargePagesWhereThereIsRoomForOne) {
  if (const std::string why = ofi_missing("shm"); !why.empty()) GTEST_SKIP() << why;
  if (!std::ifstream("/sys/kernel/mm/transparent_hugepage/enabled")) GTEST_SKIP() << "the system has none";
  const std::size_t before = asking_bytes();
  End near("shm"), far("shm");
  connect(near, far);
  const std::size_t opened = asking_bytes();
  EXPECT_GE(opened, before + (4 << 20)) << "what both receive into";
  near.send(100'000);
  ASSERT_TRUE(turn_until(near, far, [&] { return far.got.size() == 2; }));
  EXPECT_GE(asking_bytes(), opened + (2 << 20)) << "the arena";
}

// Both engines stand in one thread, so nobody looks at the sleeper's queue: its descriptor alone must tell.
void wakes_who_sleeps(std::string_view provider) {
  if (const std::string why = ofi_missing(provider); !why.empty()) GTEST_SKIP() << why;
  End near(provider), far(provider);
  connect(near, far);
  for (unsigned frames = 2; frames < 5; ++frames) {
    while (far.engine->arm() == 0) near.engine->poll();  // until it would sleep
    settle(near);
    near.send(10);
    settle(near);
    ASSERT_TRUE(is_readable(far.engine->descriptor())) << "nobody woke it for frame " << frames;
    ASSERT_TRUE(turn_until(far, near, [&] { return far.got.size() == frames; }));
  }
}

TEST(Ofi, IsRungOutOfItsSleepByAPeerOverShm) { wakes_who_sleeps("shm"); }
TEST(Ofi, IsRungOutOfItsSleepByAPeerOverTcp) { wakes_who_sleeps("tcp"); }

// A process that sleeps whenever it may: it turns only when its descriptor says so.
void turn_when_told(End& end, int timeout_ms) {
  pollfd waited{end.engine->descriptor(), POLLIN, 0};
  if (::poll(&waited, 1, timeout_ms) <= 0) return;
  while (end.engine->arm() == 0) {
  }
}

bool until_asleep(End& near, End& far, const std::function<bool()>& done) {
  for (End* end : {&near, &far})
    while (end->engine->arm() == 0) {
    }
  const std::uint64_t stop = now_ns() + limit_ns;
  while (!done() && now_ns() < stop) {
    turn_when_told(near, 0);
    turn_when_told(far, 1);
  }
  return done();
}

// Not a turn of either side but those that its descriptor asks for: the first connection of the fabric, small
// frames, and one that is read.
void works_between_sleepers(std::string_view provider) {
  if (const std::string why = ofi_missing(provider); !why.empty()) GTEST_SKIP() << why;
  End near(provider), far(provider);
  dial(near, far);
  near.send(1);
  ASSERT_TRUE(until_asleep(near, far, [&] { return far.got.size() == 1; }));
  for (const std::uint32_t bytes : {10u, 250'000u, 20u, 100'000u}) {
    const std::size_t before = near.got.size() + far.got.size();
    near.send(bytes);
    far.send(bytes);
    ASSERT_TRUE(until_asleep(near, far, [&] { return near.got.size() + far.got.size() == before + 2; }))
        << bytes;
  }
}

TEST(Ofi, WorksBetweenTwoThatSleepOverShm) { works_between_sleepers("shm"); }
TEST(Ofi, WorksBetweenTwoThatSleepOverTcp) { works_between_sleepers("tcp"); }

// Over tcp the fabric makes its first connection with the first frame, and both ends must turn for that.
TEST(Ofi, RingsASleeperThatTheProviderHasToConnectTo) {
  if (const std::string why = ofi_missing("tcp"); !why.empty()) GTEST_SKIP() << why;
  End near("tcp"), far("tcp");
  dial(near, far);
  ASSERT_TRUE(turn_until(near, far, [&] { return far.endpoint != nullptr; }));
  settle(near, far);
  while (far.engine->arm() == 0) {
  }
  settle(near);
  near.send(1);
  EXPECT_EQ(near.value("again"), 1u);
  EXPECT_EQ(near.value("bells"), 1u);
}

TEST(Ofi, RingsASleeperWhoseFrameItReads) {
  if (const std::string why = ofi_missing("tcp"); !why.empty()) GTEST_SKIP() << why;
  End near("tcp"), far("tcp");
  connect(near, far);
  near.send(100'000);
  while (near.engine->arm() == 0) {
  }
  EXPECT_EQ(far.value("bells"), 0u);
  settle(far);
  EXPECT_EQ(far.value("bells"), 1u);
  EXPECT_TRUE(until_asleep(near, far, [&] { return far.got.size() == 2; }));
}

TEST(Ofi, IsRungOnceForEachTimeItSleeps) {
  if (const std::string why = ofi_missing("shm"); !why.empty()) GTEST_SKIP() << why;
  End near("shm"), far("shm");
  connect(near, far);
  while (far.engine->arm() == 0) near.engine->poll();
  settle(near);
  const std::uint64_t before = near.value("bells");
  for (unsigned i = 0; i < 20; ++i) near.send(10);
  EXPECT_EQ(near.value("bells") - before, 1u);
  EXPECT_TRUE(turn_until(near, far, [&] { return far.got.size() == 21; }));
}

}  // namespace
}  // namespace harness::transports
