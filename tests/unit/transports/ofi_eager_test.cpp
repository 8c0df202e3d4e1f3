// SPDX-License-Identifier: Apache-2.0
// What ofi sends at once and what it offers: as an option says, and as it learns when its endpoint is made.
#include <cstdlib>
#include <filesystem>

#include <unistd.h>

#include <harness/tests/support/process_end.hpp>
#include <harness/transports/ofi/crossover.hpp>

namespace harness::transports {
namespace {

using tests::connect;
using tests::Described;
using tests::ofi_missing;
using tests::turn_until;
using End = tests::ProcessEnd;

constexpr std::uint32_t learnt = 0;
constexpr std::string_view from_table = "from the table: ";

OptionValues options(std::string_view provider, std::uint32_t eager) {
  OptionValues values = tests::ofi_options(provider);
  values.set(ofi::option_eager, eager);
  return values;
}

// Frames around every size that may be learnt, both ways.
void expect_carries_all_sizes(End& near, End& far) {
  std::vector<std::uint32_t> sizes{1};
  for (std::uint32_t bytes = 1024; bytes <= 128 * 1024; bytes *= 2)
    for (const std::uint32_t size : {bytes - 17, bytes - 16, bytes - 15, bytes}) sizes.push_back(size);
  const auto expect_from = [&](End& from, End& to) {
    to.got.clear();
    for (const std::uint32_t size : sizes) {
      from.send(size);
      ASSERT_TRUE(turn_until(near, far, [&] { return !to.got.empty() && to.got.back() == size; })) << size;
    }
    EXPECT_EQ(to.got, sizes);
  };
  expect_from(near, far);
  expect_from(far, near);
  EXPECT_TRUE(turn_until(near, far, [&] { return near.endpoint->drained() && far.endpoint->drained(); }));
}

void expect_learns(std::string_view provider) {
  if (const std::string why = ofi_missing(provider); !why.empty()) GTEST_SKIP() << why;
  End near(options(provider, learnt)), far(options(provider, learnt));
  connect(near, far);
  for (const End* end : {&near, &far}) {
    const auto told = Described(*end->endpoint);
    const std::string& text = told.texts.at("crossover");
    const std::uint64_t bytes = told.values.at("eager_bytes_max");
    EXPECT_NE(text.find("up to " + std::to_string(bytes / 1024) + " KiB"), std::string::npos) << text;
    EXPECT_TRUE(text.find("learnt") != std::string::npos || text.find(from_table) != std::string::npos)
        << text;
    EXPECT_GE(bytes, ofi::eager_bytes_min);
    EXPECT_LE(bytes, ofi::eager_bytes_max);
  }
  expect_carries_all_sizes(near, far);
}

TEST(OfiEager, IsLearntOverShm) { expect_learns("shm"); }
TEST(OfiEager, IsLearntOverTcp) { expect_learns("tcp"); }

std::size_t segments() {
  const std::string ours = std::to_string(::getpid()) + ":";
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/dev/shm"))
    count += entry.path().filename().string().starts_with(ours) ? 1u : 0u;
  return count;
}

TEST(OfiEager, LeavesNoSegmentWhenItIsLearnt) {
  if (const std::string why = ofi_missing("shm"); !why.empty()) GTEST_SKIP() << why;
  const std::size_t before = segments();
  {
    End end(options("shm", learnt));
    ASSERT_TRUE(end.transport->listen("127.0.0.1:0", end));
    EXPECT_EQ(segments(), before + 1);
  }
  EXPECT_EQ(segments(), before);
}

TEST(OfiEager, ObeysTheOption) {
  if (const std::string why = ofi_missing("tcp"); !why.empty()) GTEST_SKIP() << why;
  for (const std::uint32_t bytes : {1024u, 10'000u, ofi::eager_bytes_max}) {
    End near(options("tcp", bytes)), far(options("tcp", bytes));
    connect(near, far);
    near.send(bytes - 16);  // its header makes it full
    near.send(bytes - 15);
    ASSERT_TRUE(turn_until(near, far, [&] { return far.got.size() == 3; }));
    EXPECT_EQ(near.value("offered_frames"), 1u);
    EXPECT_NE(Described(*near.endpoint).texts.at("crossover").find("as the option says"), std::string::npos);
    expect_carries_all_sizes(near, far);
  }
}

// The largest eager frame costs one unit more than half of the least window: credit must come by itself
// before the next one lacks room.
TEST(OfiEager, FlowsThroughTheLeastWindow) {
  if (const std::string why = ofi_missing("tcp"); !why.empty()) GTEST_SKIP() << why;
  OptionValues least = options("tcp", ofi::eager_bytes_max);
  least.set(ofi::option_window, 128 * 1024);
  End near(least), far(least);
  connect(near, far);
  constexpr std::uint32_t frame = ofi::eager_bytes_max - 16;
  for (const std::uint32_t bytes : {frame, frame, frame - 64, frame, frame, 1u, frame, frame})
    near.send(bytes);
  ASSERT_TRUE(turn_until(near, far, [&] { return far.got.size() == 9; }));
  EXPECT_EQ(near.value("offered_frames"), 0u);
}

TEST(OfiEager, IsItsOwnInEachDirection) {
  if (const std::string why = ofi_missing("shm"); !why.empty()) GTEST_SKIP() << why;
  End near(options("shm", 4096)), far(options("shm", 32768));
  connect(near, far);
  EXPECT_EQ(near.value("eager_bytes_max"), 4096u);
  EXPECT_EQ(far.value("eager_bytes_max"), 32768u);
  near.send(20'000);
  far.send(20'000);
  ASSERT_TRUE(turn_until(near, far, [&] { return far.got.size() == 2 && near.got.size() == 1; }));
  EXPECT_EQ(near.value("offered_frames"), 1u);
  EXPECT_EQ(far.value("offered_frames"), 0u);
  expect_carries_all_sizes(near, far);
}

// ---- over providers that need no card ----

struct Mock {
  explicit Mock(const char* knobs) { ::setenv("HARNESS_MOCK", knobs, 1); }
  ~Mock() { ::unsetenv("HARNESS_MOCK"); }
};

// mock-verbs takes a message a receive, so a receive has the size that its end was told.
TEST(OfiEager, IsNoMoreThanTheReceivesOfThePeerTake) {
  const Mock mock("");
  End near(options("mock-verbs", 4096)), far(options("mock-verbs", 16384));
  connect(near, far);
  EXPECT_EQ(near.value("eager_bytes_max"), 4096u);
  EXPECT_EQ(far.value("eager_bytes_max"), 4096u);
  expect_carries_all_sizes(near, far);
}

std::string crossover_over(const char* provider, const char* knobs) {
  const Mock mock(knobs);
  End end(options(provider, learnt));
  auto address = end.transport->listen("127.0.0.1:0", end);
  if (!address) return address.error().text();
  end.take(std::move(end.transport->dial(*address).value()));
  return Described(*end.endpoint).texts.at("crossover");
}

// What was learnt is not measured again: that would take too long.
TEST(OfiEager, IsLearntOverAMockOnceInAProcess) {
  const Mock mock("late=0,eagain=0");
  std::string text;
  {
    End near(options("mock-cxi", learnt)), far(options("mock-cxi", learnt));
    connect(near, far);
    text = Described(*near.endpoint).texts.at("crossover");
    expect_carries_all_sizes(near, far);
  }
  if (text.find(from_table) != std::string::npos) GTEST_SKIP() << text;
  EXPECT_EQ(crossover_over("mock-cxi", "late=1000000"), text);
}

// mock-verbs is never learnt in this program: what is remembered of it would answer here.
TEST(OfiEager, IsTheTablesWhenTheProviderFails) {
  EXPECT_EQ(crossover_over("mock-verbs", "errors=1"),
            "up to 16 KiB, from the table: the provider failed when it was measured");
}

// Nothing completes before the probe gives up.
TEST(OfiEager, IsTheTablesWhenTheProviderTakesTooLong) {
  EXPECT_EQ(crossover_over("mock-verbs", "late=1000000"),
            "up to 16 KiB, from the table: measuring it took too long");
}

// What the probe has left under way completes while links are served.
TEST(OfiEager, IsNotDisturbedByAMeasureThatEndsTooLate) {
  const Mock mock("late=60000");
  End near(options("mock-verbs", learnt)), far(options("mock-verbs", 16384));
  connect(near, far);
  near.send(100'000);
  ASSERT_TRUE(turn_until(near, far, [&] { return far.got.size() == 2; }));
  for (unsigned turn = 0; turn < 200'000; ++turn) near.engine->poll();
  EXPECT_TRUE(near.codes.empty());
}

}  // namespace
}  // namespace harness::transports
