// SPDX-License-Identifier: Apache-2.0
// shm beyond the contract of every transport: sleeping and bells, hot links, what an idle link holds.
#include <harness/transports/shm.hpp>

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include <harness/tests/unit/transports/shm_pair.hpp>

namespace harness::transports {
namespace {

using tests::ShmEnd;
using tests::ShmPair;

bool fall_asleep(ShmEnd& end) {
  for (unsigned i = 0; i < 100; ++i)
    if (end.engine->arm() != 0) return true;
  return false;
}

TEST(Shm, WakesAPeerThatSleepsByItsDescriptor) {
  ShmPair pair;
  ASSERT_TRUE(fall_asleep(pair.far));
  EXPECT_FALSE(tests::is_readable(pair.far.engine->descriptor()));
  pair.near.send("wake up");
  pair.near.engine->poll();
  ASSERT_TRUE(tests::is_readable(pair.far.engine->descriptor()));
  while (pair.far.got.empty()) pair.far.engine->poll();
  EXPECT_EQ(pair.far.got[0].text(), "wake up");
}

TEST(Shm, RingsOnceASleep) {
  ShmPair pair;
  for (unsigned sleeps = 1; sleeps <= 3; ++sleeps) {
    const std::uint64_t before = pair.near.value("bells_out");
    ASSERT_TRUE(fall_asleep(pair.far));
    for (unsigned i = 0; i < 5; ++i) {
      pair.near.send("again");
      pair.near.engine->poll();
    }
    EXPECT_EQ(pair.near.value("bells_out"), before + 1);
    ASSERT_TRUE(pair.until([&] { return pair.far.got.size() == 5 * sleeps; }));
  }
}

TEST(Shm, RingsNobodyWhoLooksByItself) {
  ShmPair pair;
  pair.near.send("first");
  ASSERT_TRUE(pair.until([&] { return pair.far.got.size() == 1; }));
  const std::uint64_t before = pair.near.value("bells_out");
  for (unsigned i = 0; i < 50; ++i) {
    pair.near.send("more");
    pair.turns(1);
  }
  ASSERT_TRUE(pair.until([&] { return pair.far.got.size() == 51; }));
  EXPECT_EQ(pair.near.value("bells_out"), before);
}

TEST(Shm, DoesNotSleepOverWhatCameWhileItFellAsleep) {
  ShmPair pair;
  pair.near.send("keeps it hot");
  ASSERT_TRUE(pair.until([&] { return pair.far.got.size() == 1; }));
  pair.near.send("just before");
  pair.near.engine->poll();
  EXPECT_FALSE(pair.far.shm.rest()) << "there is a frame in the ring";
  ASSERT_TRUE(pair.until([&] { return pair.far.got.size() == 2; }));
}

TEST(Shm, WakesAHeldSenderThatSleepsWhenThereIsRoom) {
  ShmPair pair;
  pair.far.endpoint->pause_receive(true);
  const std::string body(10'000, 'x');
  while (!pair.near.held()) pair.near.send(body);
  ASSERT_TRUE(fall_asleep(pair.near));
  EXPECT_FALSE(tests::is_readable(pair.near.engine->descriptor()));
  pair.far.endpoint->pause_receive(false);
  for (unsigned i = 0; i < 50; ++i) pair.far.engine->poll();
  EXPECT_TRUE(tests::is_readable(pair.near.engine->descriptor()));
  ASSERT_TRUE(pair.until([&] { return !pair.near.held(); }));
}

TEST(Shm, DeliversWhatADiallerLeftThatWentBeforeItWasAccepted) {
  ShmEnd near, far;
  near.take(near.shm.dial(far.shm.listen("", far).value()).value());
  near.send("in passing");
  near.endpoint->close(1'000'000'000);
  near.endpoint.reset();
  for (unsigned i = 0; i < 100'000 && far.heard.empty(); ++i) far.engine->poll();
  ASSERT_EQ(far.got.size(), 1u);
  EXPECT_EQ(far.got[0].text(), "in passing");
  ASSERT_EQ(far.heard.size(), 1u);
  EXPECT_EQ(far.heard[0].code, Errc::closed);
}

TEST(Shm, TakesDiallersLaterWhenTooManyHaveNotGreeted) {
  ShmEnd near, far;
  const std::string address = far.shm.listen("", far).value();
  std::vector<shm::Descriptor> silent(Shm::greeting_max);
  for (shm::Descriptor& socket : silent) socket = shm::connect_to(*shm::parse(address));
  near.take(near.shm.dial(address).value());
  near.send("in passing");
  near.endpoint->close(1'000'000'000);
  near.endpoint.reset();
  for (unsigned i = 0; i < 100; ++i) far.engine->poll();
  EXPECT_EQ(far.shm.connection_count(), silent.size()) << "the dialler waits behind those that are silent";
  EXPECT_TRUE(fall_asleep(far)) << "who waits is no reason to stay awake";
  silent.front().close();
  for (unsigned i = 0; i < 100'000 && far.heard.empty(); ++i) far.engine->poll();
  ASSERT_EQ(far.got.size(), 1u);
  EXPECT_EQ(far.got[0].text(), "in passing");
}

TEST(Shm, SendsOnWhileItLingersAsleep) {
  OptionValues options(Shm::type().options);
  options.set(Shm::option_arena, 0);
  ShmPair pair(options);
  const std::string body(3'000'000, 'l');
  pair.near.send(body);
  pair.near.endpoint->close(10'000'000'000);
  pair.near.endpoint.reset();
  for (unsigned i = 0; i < 1000 && pair.far.got.empty(); ++i) {
    ASSERT_TRUE(fall_asleep(pair.near));
    for (unsigned j = 0; j < 200; ++j) pair.far.engine->poll();
    if (tests::is_readable(pair.near.engine->descriptor())) pair.near.engine->poll();
  }
  ASSERT_EQ(pair.far.got.size(), 1u);
  EXPECT_EQ(pair.far.got[0].body_size(), body.size());
}

TEST(Shm, CoolsALinkThatIsIdleWhileOthersAreNot) {
  ShmPair pair;
  pair.near.send("once");
  ASSERT_TRUE(pair.until([&] { return pair.far.got.size() == 1; }));
  for (unsigned i = 0; i <= Shm::hot_misses_max; ++i) pair.far.engine->poll();
  const std::uint64_t before = pair.near.value("bells_out");
  pair.near.send("after a long time");
  ASSERT_TRUE(pair.until([&] { return pair.far.got.size() == 2; }));
  EXPECT_EQ(pair.near.value("bells_out"), before + 1);
}

TEST(Shm, ServesMoreBusyLinksThanItLooksAfter) {
  constexpr std::size_t links = Shm::hot_max + 40;
  ShmEnd near, far;
  const std::string address = far.shm.listen("", far).value();
  std::vector<std::unique_ptr<Endpoint>> dialled;
  for (std::size_t i = 0; i < links; ++i) dialled.push_back(near.shm.dial(address).value());
  const auto turn = [&] { near.engine->poll(), far.engine->poll(); };
  while (far.more.size() + 1 < links) turn();
  for (auto& endpoint : far.more) far.attach(*endpoint);
  for (std::size_t round = 1; round <= 20; ++round) {
    for (auto& endpoint : dialled) {
      Message message = Message::copy_of(near.engine->pool(), "to all");
      endpoint->down().fn(endpoint->down().self, nullptr, message.c());
    }
    for (unsigned i = 0; far.got.size() < round * links && i < 100'000; ++i) turn();
    ASSERT_EQ(far.got.size(), round * links);
  }
}

// ---- loans ----

TEST(Shm, LendsAMessageOfItsOwnMakingWithoutACopy) {
  ShmPair pair;
  Message message = pair.near.endpoint->make(pair.near.engine->pool(), 3 << 20);
  ASSERT_TRUE(message);
  std::memset(message.writable().data(), 'a', message.body_size());
  std::memcpy(message.push(4), "head", 4);
  pair.near.send(std::move(message));
  ASSERT_TRUE(pair.until([&] { return pair.far.got.size() == 1; }));
  const Message& got = pair.far.got[0];
  ASSERT_EQ(got.front().size(), (3u << 20) + 4);
  EXPECT_EQ(as_text(got.front()).substr(0, 5), "heada");
  EXPECT_EQ(as_text(got.front()).back(), 'a');
  EXPECT_EQ(pair.near.value("loans_out"), 1u);
  EXPECT_EQ(pair.near.value("loans_staged"), 0u);
  EXPECT_EQ(pair.near.value("parts_out"), 0u);
  EXPECT_GE(pair.far.quota->used_bytes(), 3u << 20) << "the receiver's quota counts what it keeps";
  pair.far.got.clear();
  EXPECT_EQ(pair.far.quota->used_bytes(), 0u);
  static_cast<void>(pair.near.endpoint->make(pair.near.engine->pool(), 5000));
  EXPECT_EQ(pair.near.value("loans_not_returned"), 0u);
}

TEST(Shm, CopiesALargeMessageOfOthersOnceAndLendsTheCopy) {
  ShmPair pair;
  const std::string body(500'000, 'b');
  pair.near.send(body);
  ASSERT_TRUE(pair.until([&] { return pair.far.got.size() == 1; }));
  EXPECT_EQ(as_text(pair.far.got[0].front()), body);
  EXPECT_EQ(pair.near.value("loans_staged"), 1u);
}

TEST(Shm, UsesTheSameMemoryForLoansThatComeBack) {
  ShmPair pair;
  const std::byte* first = nullptr;
  for (unsigned i = 0; i < 300; ++i) {
    Message message = pair.near.endpoint->make(pair.near.engine->pool(), 1 << 20);
    if (first == nullptr) first = message.writable().data();
    ASSERT_EQ(message.writable().data(), first);
    pair.near.send(std::move(message));
    ASSERT_TRUE(pair.until([&] { return !pair.far.got.empty(); }));
    pair.far.got.clear();
  }
}

TEST(Shm, CopiesInPartsWhenNothingMayBeLent) {
  OptionValues options(Shm::type().options);
  options.set(Shm::option_arena, 0);
  ShmPair pair(options);
  const std::string body(3'000'000, 'c');
  pair.near.send(body);
  ASSERT_TRUE(pair.until([&] { return pair.far.got.size() == 1; }));
  EXPECT_EQ(as_text(pair.far.got[0].front()), body);
  EXPECT_EQ(pair.near.value("loans_out"), 0u);
  EXPECT_GT(pair.near.value("parts_out"), 80u);
  EXPECT_FALSE(Shm::type().facts(options, {}).word.covers(property::loan));
}

TEST(Shm, KeepsALoanReadableAfterItsLinkAndItsLenderAreGone) {
  Message kept;
  ShmEnd far;
  {
    ShmEnd near;
    const std::string address = far.shm.listen("", far).value();
    near.take(near.shm.dial(address).value());
    const auto turn = [&] { near.engine->poll(), far.engine->poll(); };
    while (far.endpoint == nullptr || near.shm.connection_count() == 0) turn();
    for (unsigned i = 0; i < 8; ++i) turn();
    Message message = near.endpoint->make(near.engine->pool(), 100'000);
    std::memset(message.writable().data(), 'k', 100'000);
    near.send(std::move(message));
    while (far.got.empty()) turn();
    Message unsent = near.endpoint->make(near.engine->pool(), 50'000);
    near.endpoint.reset();
    for (unsigned i = 0; i < 8; ++i) turn();
    std::memset(unsent.writable().data(), 'u', 50'000);
  }
  for (unsigned i = 0; i < 8; ++i) far.engine->poll();
  far.endpoint.reset();
  for (unsigned i = 0; i < 8; ++i) far.engine->poll();
  EXPECT_EQ(far.shm.connection_count(), 0u);
  EXPECT_EQ(as_text(far.got[0].front()), std::string(100'000, 'k'));
  EXPECT_GT(tests::mapping_count(), 0u);
  far.got.clear();
  EXPECT_EQ(tests::mapping_count(), 0u);
}

TEST(Buddy, GivesBlocksThatDoNotOverlapAndJoinsThemAgain) {
  shm::Buddy buddy(4);
  const auto one = buddy.take(0), two = buddy.take(2), three = buddy.take(3);
  EXPECT_EQ(one, 0u);
  EXPECT_EQ(two, 4u);
  EXPECT_EQ(three, 8u);
  EXPECT_EQ(buddy.take(3), std::nullopt);
  EXPECT_EQ(buddy.take(1), 2u);
  buddy.give(4, 2);
  buddy.give(0, 0);
  EXPECT_EQ(buddy.take(3), std::nullopt) << "leaves 2 and 3 are out";
  buddy.give(2, 1);
  EXPECT_EQ(buddy.take(3), 0u);
  buddy.give(0, 3);
  buddy.give(8, 3);
  EXPECT_EQ(buddy.take(4), 0u);
}

// ---- what it holds and leaves ----

TEST(Shm, HoldsAFewPagesBeforeItsFirstTraffic) {
  const std::size_t before = tests::resident_kib();
  ShmPair pair;
  EXPECT_LE(tests::resident_kib() - before, 64u) << "both ends of one link";
}

TEST(Shm, LeavesNothingBehind) {
  const std::size_t descriptors = tests::descriptor_count();
  const std::size_t mappings = tests::mapping_count();
  {
    ShmPair pair;
    const std::size_t open = tests::descriptor_count();
    EXPECT_GT(tests::mapping_count(), mappings);
    for (unsigned i = 0; i < 20; ++i) pair.near.send(std::string(20'000, 'x'));
    pair.turns(50);
    pair.near.endpoint->close(1'000'000'000);
    ASSERT_TRUE(pair.until([&] { return !pair.far.heard.empty(); }));
    pair.near.endpoint.reset();
    pair.far.endpoint.reset();
    pair.turns(3);
    EXPECT_EQ(pair.near.shm.connection_count() + pair.far.shm.connection_count(), 0u);
    EXPECT_EQ(tests::mapping_count(), mappings);
    EXPECT_LT(tests::descriptor_count(), open) << "the sockets of the link";
  }
  EXPECT_EQ(tests::descriptor_count(), descriptors);
}

TEST(Shm, NamesTheUserInTheAddressOfAnother) {
  ShmEnd end;
  const std::string other = std::to_string(shm::own_uid() + 1) + "/main";
  const auto listening = end.shm.listen(other, end);
  ASSERT_FALSE(listening);
  EXPECT_EQ(listening.error().code, Errc::denied);
  end.take(end.shm.dial(other).value());
  while (end.heard.empty()) end.engine->poll();
  EXPECT_EQ(end.heard[0].code, Errc::unreachable);
  EXPECT_EQ(end.endpoint->peer_address(), "shm:" + other);
  for (const auto* wrong : {"", "a b", "/main", "x/main", "1001/", "99999999999/main"})
    EXPECT_FALSE(shm::parse(wrong)) << wrong;
}

TEST(Shm, RefusesOptionsThatItCannotChangeAnyMore) {
  ShmPair pair;
  OptionValues options(Shm::type().options);
  options.set(Shm::option_ring, 1 << 20);
  EXPECT_EQ(pair.near.endpoint->configure(options), Errc::unsupported);
}

// Two threads stand in for two processes. Each maps the memory at addresses of its own, so the thread
// sanitizer sees nothing of the rings here; what it can see: shm_ring_test.cpp.
TEST(Shm, CarriesFramesBetweenTwoThreads) {
  constexpr std::uint32_t frames = 20'000;
  std::atomic<bool> over{false};
  std::string address;
  std::atomic<bool> listening{false};
  std::thread echo([&] {
    ShmEnd far;
    address = far.shm.listen("", far).value();
    listening = true;
    std::size_t answered = 0;
    while (!over) {
      far.engine->run_until([&] { return over || (answered < far.got.size() && !far.held()); }, 10'000'000);
      while (answered < far.got.size() && !far.held()) far.send(std::move(far.got[answered++]));
    }
  });
  while (!listening) std::this_thread::yield();
  ShmEnd near;
  near.take(near.shm.dial(address).value());
  std::uint32_t sent = 0, back = 0;
  bool right = true;
  while (back < frames) {
    for (unsigned i = 0; i < 20 && sent < frames && !near.held() && sent - back < 100; ++i, ++sent) {
      Message message = Message::make(near.engine->pool(), 4 + sent % 97 * (sent % 50 == 0 ? 1000 : 1));
      store<std::uint32_t>(message.writable().data(), sent);
      near.send(std::move(message));
    }
    near.engine->run_until([&] { return !near.got.empty(); }, 10'000'000);
    for (Message& message : near.got)
      right = right && load<std::uint32_t>(message.gathered(near.engine->pool()).data()) == back++;
    near.got.clear();
  }
  over = true;
  echo.join();
  EXPECT_TRUE(right) << "a frame is missing, changed or out of its place";
}

}  // namespace
}  // namespace harness::transports
