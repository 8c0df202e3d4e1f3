// SPDX-License-Identifier: Apache-2.0
// Operations that the provider takes and never completes: the link ends with a sentence, once the peer has
// said often enough that it polled its own, and not before. Seconds pass as fast as the test lets them.
#include <stdlib.h>

#include <optional>

#include <harness/tests/support/direct_end.hpp>
#include <harness/transports/ofi/transport.hpp>

namespace harness::transports {
namespace {

using ofi::Overdue;
using tests::DirectEnd, tests::pattern;
using Outcome = Direct::Outcome;

constexpr unsigned turns_a_second = 40;
constexpr unsigned patience_s = Overdue::answers_max + 4;
constexpr std::uint64_t hour_ns = 3'600'000'000'000;

class OfiOverdue : public testing::TestWithParam<const char*> {
 protected:
  // `knobs` hold from the first frame on, which is injected.
  void open(const std::string& knobs) {
    dial(knobs);
    near_->send(1);
    ASSERT_TRUE(pass(patience_s, true, [&] { return far_->got.size() == 1; }));
    memory_ = RegionMemory::make(64 * 1024).value();
  }
  void dial(const std::string& knobs) {
    setenv("HARNESS_MOCK", knobs.c_str(), 1);
    near_.emplace(GetParam());
    far_.emplace(GetParam());
    tests::dial(*near_, *far_);
    unsetenv("HARNESS_MOCK");
    ASSERT_TRUE(tests::turn_until(*near_, *far_, [&] { return far_->endpoint != nullptr; }));
  }
  RegionHandle share() {
    const Exposed region{7, memory_->bytes(), Access::all, AtomicDomain::nic, memory_};
    far_->direct->share(region);
    EXPECT_TRUE(pass(10, true, [&] { return near_->direct->reaches(region.key); }));
    return {region.key, region.bytes.size(), Access::all, AtomicDomain::nic};
  }
  // Lets up to so many seconds pass until it is so.
  bool pass(unsigned seconds, bool far_turns, const std::function<bool()>& done) {
    for (unsigned second = 0; second < seconds; ++second) {
      for (unsigned turn = 0; turn < turns_a_second; ++turn) {
        near_->engine->poll();
        if (far_turns) far_->engine->poll();
        if (done()) return true;
      }
      for (DirectEnd* end : {&*near_, &*far_})
        if (end == &*near_ || far_turns)
          end->engine->timers().advance(end->engine->now_ns() + ++seconds_ * 1'000'000'000);
    }
    return done();
  }
  static bool has_ended(const DirectEnd& end) {
    return std::find(end.codes.begin(), end.codes.end(), Errc::peer_lost) != end.codes.end();
  }
  // What it heard last names the provider, what was lost, and what to do.
  static void judge(const DirectEnd& end, std::string_view what) {
    ASSERT_FALSE(end.details.empty());
    const std::string& said = end.details.back();
    for (const std::string_view word :
         {what, std::string_view(GetParam()), std::string_view("ofi(provider=")})
      EXPECT_NE(said.find(word), std::string::npos) << said;
  }
  void ends_near(std::string_view what) {
    EXPECT_FALSE(pass(Overdue::answers_max - 1, true, [&] { return has_ended(*near_); })) << "too early";
    ASSERT_TRUE(pass(patience_s, true, [&] { return has_ended(*near_) && has_ended(*far_); }));
    judge(*near_, what);
  }
  void ends_with(Outcome outcome, std::string_view what) {
    ASSERT_EQ(outcome, Outcome::begun);
    ends_near(what);
    EXPECT_EQ(near_->ended.at(1), Errc::peer_lost);
  }

  std::optional<DirectEnd> near_, far_;
  std::shared_ptr<RegionMemory> memory_;
  std::uint64_t seconds_ = 0;
};

TEST_P(OfiOverdue, EndsALinkWhoseSendNeverCompletes) {
  open("never=1");
  near_->send(1000);
  ends_near("a send");
}

// It was injected: no later number tells the peer, and the provider's error names nobody.
TEST_P(OfiOverdue, EndsALinkWhoseLastFrameIsLost) {
  dial("errors=1,eagain=0");
  near_->send(5);
  EXPECT_FALSE(pass(Overdue::answers_max - 1, true, [&] { return has_ended(*far_); })) << "too early";
  ASSERT_TRUE(pass(patience_s, true, [&] { return has_ended(*near_) && has_ended(*far_); }));
  judge(*far_, "a receive of a frame that was sent");
}

TEST_P(OfiOverdue, EndsALinkWhoseOfferIsNeverRead) {
  open("never=1");
  near_->send(100'000);
  ASSERT_TRUE(pass(patience_s + 2, true, [&] { return has_ended(*near_) && has_ended(*far_); }));
  judge(*far_, "a read of an offered frame");
}

TEST_P(OfiOverdue, EndsALinkWhosePutNeverCompletes) {
  open("never=1");
  ends_with(near_->direct->put(1, share(), 0, pattern(1000), {}), "a put");
}

TEST_P(OfiOverdue, EndsALinkWhoseGetNeverCompletes) {
  open("never=1");
  std::vector<std::byte> into(1000);
  ends_with(near_->direct->get(1, share(), 0, into), "a get");
}

TEST_P(OfiOverdue, EndsALinkWhoseAtomicNeverCompletes) {
  if (GetParam() == std::string_view("mock-tcp")) GTEST_SKIP() << "it has no atomics";
  open("never=1");
  std::uint64_t before = 0;
  ends_with(near_->direct->atomic(1, AtomicOp::add, share(), 0, 1, 0, before), "an atomic");
}

// Both ends are told, long before the linger is over.
TEST_P(OfiOverdue, EndsALinkThatClosesAndWhoseSendNeverCompletes) {
  open("never=1");
  near_->send(1000);
  near_->endpoint->close(hour_ns);
  near_->endpoint.reset();
  EXPECT_FALSE(pass(Overdue::answers_max - 1, true, [&] { return has_ended(*far_); })) << "too early";
  EXPECT_TRUE(pass(patience_s, true, [&] { return has_ended(*far_); }));
}

// The same operations over a provider that is honest, while the peer is stopped.
TEST_P(OfiOverdue, WaitsForAPeerThatDoesNotTurn) {
  open("eagain=0");
  const RegionHandle region = share();
  near_->send(1000);
  ASSERT_EQ(near_->direct->put(1, region, 0, pattern(1000), {}), Outcome::begun);
  EXPECT_FALSE(pass(600, false, [&] { return !near_->codes.empty(); }));
  EXPECT_TRUE(pass(10, true, [&] { return far_->got.size() == 2 && near_->ended.size() == 1; }));
  EXPECT_EQ(near_->ended.at(1), Errc::ok);
  EXPECT_FALSE(pass(3 * patience_s, true, [&] { return has_ended(*near_) || has_ended(*far_); }));
}

// The provider keeps an injected frame for seconds; its peer has closed and said how many there are.
TEST_P(OfiOverdue, WaitsForAFrameThatIsLate) {
  open(GetParam() == std::string_view("mock-tcp") ? "eagain=0,late=1500" : "eagain=0,late=300");
  near_->send(5);
  near_->endpoint->close(hour_ns);
  near_->endpoint.reset();
  const std::uint64_t before = seconds_;
  ASSERT_TRUE(pass(patience_s, true, [&] { return !far_->codes.empty(); }));
  EXPECT_EQ(far_->codes[0], Errc::closed) << far_->details[0];
  EXPECT_EQ(far_->got.size(), 2u);
  EXPECT_GT(seconds_ - before, 4u) << "too fast to tell anything";
}

// A link that closes may need a late frame to go on, one of credit: without a descriptor nothing else tells.
TEST_P(OfiOverdue, PollsForALateFrameWhileItCloses) {
  if (GetParam() != std::string_view("mock-tcp")) GTEST_SKIP() << "it has a descriptor";
  dial("eagain=0,late=1000000");
  far_->send(5);
  ASSERT_TRUE(tests::turn_until(*near_, *far_, [&] {
    near_->engine->arm();
    return far_->value("bells") != 0;
  }));
  while (near_->engine->arm() == 0) {  // it asks a second time
  }
  for (unsigned turn = 0; turn < 16; ++turn) far_->engine->poll();
  near_->endpoint->close(hour_ns);
  std::uint64_t longest_ns = 0;
  for (unsigned rest = 0; rest < 100; ++rest) longest_ns = std::max(longest_ns, near_->engine->arm());
  EXPECT_LE(longest_ns, 2 * ofi::Ofi::retry_ns_max);
}

// Many that are late each: all of them take longer than the patience with one.
TEST_P(OfiOverdue, WaitsForManyThatCompleteOneByOne) {
  open("eagain=0,late=150");
  const RegionHandle region = share();
  constexpr unsigned puts = 60;
  unsigned begun = 0;
  const auto ended = [&] {
    while (begun < puts && near_->direct->put(begun, region, 0, pattern(1000), {}) == Outcome::begun) ++begun;
    return near_->ended.size() == puts || has_ended(*near_);
  };
  const std::uint64_t before = seconds_;
  ASSERT_TRUE(pass(2000, true, ended));
  EXPECT_FALSE(has_ended(*near_)) << near_->details.back();
  EXPECT_GT((seconds_ - before) / 2, patience_s) << "too fast to tell anything";
}

// One put is lost, and others go on all the time, of which some are under way at each look.
TEST_P(OfiOverdue, FindsOneAmongManyThatComplete) {
  open("never=0.01,late=40,eagain=0,seed=3");
  const RegionHandle region = share();
  unsigned begun = 0;
  const auto keep_on = [&] {
    if (near_->direct->put(begun + 1, region, 0, pattern(1000), {}) == Outcome::begun) ++begun;
    return has_ended(*near_);
  };
  EXPECT_TRUE(pass(10 * patience_s, true, keep_on));
  EXPECT_GT(near_->ended.size(), 10u);
  EXPECT_EQ(near_->value("direct_puts"), begun) << "of a link that has ended";
}

// One look a second at what has been under way since the first of them.
class OfiOverdueCount : public testing::Test {
 protected:
  Overdue::Verdict look(bool answered, bool all_answer, std::uint64_t bytes) {
    if (answered) overdue_.answered();
    overdue_.see(since_, ofi::Operation::Kind::put, ++looks_);
    const auto verdict = overdue_.judge(false, all_answer, bytes);
    if (verdict == Overdue::Verdict::ask) overdue_.asked();
    return verdict;
  }
  // Looks until it is lost; 0: not within a thousand.
  unsigned lost_after(bool all_answer, std::uint64_t bytes) {
    for (unsigned looks = 1; looks <= 1000; ++looks)
      if (look(true, all_answer, bytes) == Overdue::Verdict::lost) return looks;
    return 0;
  }

  Overdue overdue_;
  std::uint32_t since_ = 0;
  std::uint32_t looks_ = 0;
};

// The first look finds it, the second asks.
TEST_F(OfiOverdueCount, LosesAfterTwentyAnswers) { EXPECT_EQ(lost_after(true, 0), 2 + Overdue::answers_max); }

TEST_F(OfiOverdueCount, WaitsLongerForWhatMayGoFirst) {
  EXPECT_EQ(lost_after(true, 10 * Overdue::bytes_an_answer), 2 + Overdue::answers_max + 10);
}

TEST_F(OfiOverdueCount, CountsNothingWhileAnotherPeerOwesAnAnswer) {
  EXPECT_EQ(lost_after(false, 0), 0u);
  EXPECT_EQ(lost_after(true, 0), Overdue::answers_max);
}

TEST_F(OfiOverdueCount, CountsNothingWithoutAnAnswer) {
  for (unsigned looks = 0; looks < 100; ++looks) EXPECT_NE(look(false, true, 0), Overdue::Verdict::lost);
  EXPECT_TRUE(overdue_.is_asking());
}

INSTANTIATE_TEST_SUITE_P(Mock, OfiOverdue, testing::Values("mock-verbs", "mock-cxi", "mock-tcp"),
                         [](const auto& tried) { return std::string(tried.param).substr(5); });

}  // namespace
}  // namespace harness::transports
