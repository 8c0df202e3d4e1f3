// SPDX-License-Identifier: Apache-2.0
// A process that writes into the memory of another is killed, or stopped, at random points, while the other
// revokes: revoke returns, and from then on no byte changes, also when the writer goes on.
//
// HARNESS_KILLS sets how many: 40 unless it says otherwise.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <harness/stack/random.hpp>
#include <harness/tests/support/seed.hpp>
#include <harness/tests/unit/transports/shm_pair.hpp>
#include <harness/transports/region_memory.hpp>

namespace harness::tests {
namespace {

constexpr std::uint64_t memory_bytes = 8 << 20;  // several chunks a put, so that most points lie inside one
constexpr std::uint64_t key = 7;
constexpr std::uint64_t second_ns = 1'000'000'000;

std::uint64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * second_ns + static_cast<std::uint64_t>(now.tv_nsec);
}

std::uint64_t wanted_kills() {
  const char* text = std::getenv("HARNESS_KILLS");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : 40;
}

// Fills the region again and again, each time with another byte, until it may not any more; then says so.
[[noreturn]] void writer(const std::string& address) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  ShmEnd end;
  end.take(end.shm.dial(address).value());
  Direct* const direct = end.endpoint->direct();
  while (!direct->reaches(key)) end.engine->poll();
  const RegionHandle to{key, memory_bytes, Access::all};
  std::vector<std::byte> source(memory_bytes);
  for (unsigned char fill = 1;; fill = static_cast<unsigned char>(fill % 250 + 1)) {
    std::fill(source.begin(), source.end(), static_cast<std::byte>(fill));
    if (direct->put(0, to, 0, source, {}) != Direct::Outcome::done) break;
  }
  end.send("refused");
  for (;;) end.engine->poll();
}

struct Target : ShmEnd {
  std::string address = shm.listen("", *this).value();
  std::shared_ptr<RegionMemory> memory = RegionMemory::make(memory_bytes).value();

  template <class Done>
  bool until(Done&& done) {
    const std::uint64_t limit_ns = now_ns() + 20 * second_ns;
    while (!done() && now_ns() < limit_ns) engine->poll();
    return done();
  }
  void forget() {
    endpoint.reset();
    got.clear();
    heard.clear();
    gate = Gate();
    for (unsigned i = 0; i < 5; ++i) engine->poll();
  }
};

enum class How : std::uint8_t { runs, stopped, killed };

void revoke_while(How how) {
  const std::uint64_t seed = tests::seed(2000);
  SCOPED_TRACE("HARNESS_SEED=" + std::to_string(seed));
  Random random(seed);
  Target target;
  std::uint64_t orphaned = 0;
  std::uint64_t worst_ns = 0;
  for (std::uint64_t kill = 0; kill < wanted_kills(); ++kill) {
    const pid_t pid = fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) writer(target.address);
    ASSERT_TRUE(target.until([&] { return target.endpoint != nullptr; }));
    std::memset(target.memory->bytes().data(), 0, memory_bytes);
    Direct& direct = *target.endpoint->direct();
    direct.share({.key = key, .bytes = target.memory->bytes(), .access = Access::all, .in = target.memory});
    auto* const first = reinterpret_cast<volatile char*>(target.memory->bytes().data());
    ASSERT_TRUE(target.until([&] { return *first != 0; })) << "the writer has begun";
    const std::uint64_t until_ns = now_ns() + random.below(2'000'000);
    while (now_ns() < until_ns) target.engine->poll();
    ASSERT_TRUE(how != How::stopped ||
                (::kill(pid, SIGSTOP) == 0 && waitpid(pid, nullptr, WUNTRACED) == pid));
    ASSERT_TRUE(how != How::killed || ::kill(pid, SIGKILL) == 0);
    const std::uint64_t begun_ns = now_ns();
    direct.withdraw(key);
    worst_ns = std::max(worst_ns, now_ns() - begun_ns);
    const std::vector<std::byte> then(target.memory->bytes().begin(), target.memory->bytes().end());
    orphaned += target.value("regions_orphaned");
    ASSERT_TRUE(how != How::stopped || ::kill(pid, SIGCONT) == 0);
    if (how != How::killed) {
      ASSERT_TRUE(target.until([&] { return !target.got.empty(); })) << "the writer hears that it may not";
      EXPECT_EQ(target.got[0].text(), "refused");
      ASSERT_EQ(::kill(pid, SIGKILL), 0);
    }
    ASSERT_EQ(waitpid(pid, nullptr, 0), pid);
    ASSERT_TRUE(target.until([&] { return !target.heard.empty(); }));
    ASSERT_TRUE(std::equal(then.begin(), then.end(), target.memory->bytes().begin()))
        << "a byte was written after revoke had returned";
    target.forget();
    ASSERT_EQ(target.memory.use_count(), 1);
  }
  std::printf("%llu writers, %llu times pages exchanged, longest revoke %llu us\n",
              static_cast<unsigned long long>(wanted_kills()), static_cast<unsigned long long>(orphaned),
              static_cast<unsigned long long>(worst_ns / 1000));
}

// ---- what a signal says ----

constexpr std::uint64_t rounds = 300;
constexpr std::uint64_t signalled_bytes = 64 << 10;
constexpr std::uint64_t signal_at = 0;    // the round that is there …
constexpr std::uint64_t answer_at = 512;  // … and the one that has been judged
constexpr std::uint64_t bytes_at = 4096;

[[noreturn]] void signaller(const std::string& address) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  ShmEnd end;
  end.take(end.shm.dial(address).value());
  Direct* const direct = end.endpoint->direct();
  while (!direct->reaches(key)) end.engine->poll();
  const RegionHandle to{key, memory_bytes, Access::all};
  std::vector<std::byte> source(signalled_bytes);
  for (std::uint64_t round = 1; round <= rounds; ++round) {
    std::fill(source.begin(), source.end(), static_cast<std::byte>(round));
    const Signal signal{.kind = Signal::Kind::word, .region = to, .offset = signal_at, .value = round};
    direct->put(0, to, bytes_at, source, signal);
    std::uint64_t judged = 0;
    while (judged != round) direct->get(0, to, answer_at, std::as_writable_bytes(std::span(&judged, 1)));
  }
  for (;;) end.engine->poll();
}

TEST(PutShmKill, ASignalThatIsSeenSaysThatEveryByteIsThere) {
  Target target;
  const pid_t pid = fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) signaller(target.address);
  ASSERT_TRUE(target.until([&] { return target.endpoint != nullptr; }));
  Direct& direct = *target.endpoint->direct();
  direct.share({.key = key, .bytes = target.memory->bytes(), .access = Access::all, .in = target.memory});
  auto* const words = target.memory->as<std::uint64_t>();
  const std::byte* const bytes = target.memory->bytes().data() + bytes_at;
  std::uint64_t early = 0;
  for (std::uint64_t round = 1; round <= rounds; ++round) {
    const std::uint64_t limit_ns = now_ns() + 20 * second_ns;
    while (std::atomic_ref(words[signal_at / 8]).load(std::memory_order_acquire) != round)
      ASSERT_LT(now_ns(), limit_ns);
    for (const std::uint64_t at : {signalled_bytes - 1, signalled_bytes / 2, std::uint64_t{0}})
      early += bytes[at] != static_cast<std::byte>(round) ? 1 : 0;
    std::atomic_ref(words[answer_at / 8]).store(round, std::memory_order_release);
  }
  EXPECT_EQ(early, 0u) << "a signal came before its bytes";
  ASSERT_EQ(::kill(pid, SIGKILL), 0);
  ASSERT_EQ(waitpid(pid, nullptr, 0), pid);
}

TEST(PutShmKill, NoByteComesAfterRevoke) { revoke_while(How::runs); }
TEST(PutShmKill, NoByteComesAfterRevokeFromAWriterThatWasStoppedAndGoesOn) { revoke_while(How::stopped); }
TEST(PutShmKill, RevokeReturnsWhenTheWriterIsKilled) { revoke_while(How::killed); }

}  // namespace
}  // namespace harness::tests
