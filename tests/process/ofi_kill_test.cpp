// SPDX-License-Identifier: Apache-2.0
// Peers of ofi are killed in other processes: the survivor must hear of it, have every frame that came
// without a gap before, and go on with the next one.
//
// Over tcp a victim is killed at a random point of its flood. Over libfabric's shm it is killed when it
// rests: who dies inside that provider may hold a lock in our memory, and nobody can take it from a dead
// process
// (docs/transports/ofi.md). Victims are forked before libfabric is loaded, which it needs.
#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <ctime>

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <harness/stack/random.hpp>
#include <harness/tests/support/ofi_options.hpp>
#include <harness/tests/support/seed.hpp>

namespace harness::tests {
namespace {

constexpr unsigned victims = 6;
constexpr unsigned frames_of_a_rest = 300;

std::uint64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

std::uint32_t size_of(std::uint32_t number) {
  return number % 40 == 39 ? 200'000 : number % 7 == 6 ? 9'000 : 4 + number % 300;
}

// Waits for an address, dials it and sends: for ever, or `frames_of_a_rest` and then nothing.
[[noreturn]] void victim(int addresses, std::string_view provider, bool rests) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::string address(100, '\0');
  const ssize_t bytes = ::read(addresses, address.data(), address.size());
  if (bytes <= 0) _exit(1);
  address.resize(static_cast<std::size_t>(bytes));
  auto engine = std::move(transports::OsEngine::make().value());
  auto transport = std::move(transports::ofi::type().make(*engine, ofi_options(provider)).value());
  auto endpoint = std::move(transport->dial(address).value());
  Gate gate;
  Receiver receiver;
  receiver.gate = &gate;
  endpoint->attach(receiver);
  const Entry down = endpoint->down();
  for (std::uint32_t number = 0;;) {
    if (!gate.held(Gate::transport_bit) && (!rests || number < frames_of_a_rest)) {
      Message message = Message::make(engine->pool(), size_of(number));
      store<std::uint32_t>(message.writable().data(), number++);
      down.fn(down.self, down.next, message.c());
    }
    engine->poll();
  }
}

struct Survivor final : Acceptor {
  std::unique_ptr<transports::OsEngine> engine = std::move(transports::OsEngine::make().value());
  std::unique_ptr<Transport> transport;
  std::unique_ptr<Endpoint> endpoint;
  std::uint32_t next = 0;
  bool whole = true;
  bool over = false;
  Errc code = Errc::ok;

  void accepted(std::unique_ptr<Endpoint> accepted) override {
    endpoint = std::move(accepted);
    next = 0;
    over = false;
    Receiver receiver;
    receiver.up = {[](void* self, const Entry*, harness_message* raw) {
                     auto& mine = *static_cast<Survivor*>(self);
                     Message& message = Message::from_c(raw);
                     mine.whole = mine.whole && message.size() == size_of(mine.next) &&
                                  load<std::uint32_t>(message.front().data()) == mine.next;
                     ++mine.next;
                   },
                   this, nullptr};
    receiver.self = this;
    receiver.event = [](void* self, const Event& event) {
      auto& mine = *static_cast<Survivor*>(self);
      if (event.kind == EventKind::writable) return;
      mine.over = true;
      mine.code = event.code;
    };
    endpoint->attach(receiver);
  }
};

struct Victim {
  pid_t pid = -1;
  int addresses = -1;
};

Victim fork_one(std::string_view provider, bool rests) {
  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe(ends.data()), 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::close(ends[1]);
    victim(ends[0], provider, rests);
  }
  ::close(ends[0]);
  return {pid, ends[1]};
}

void kill_all(std::string_view provider, bool rests) {
  const std::uint64_t seed = tests::seed(1000);
  SCOPED_TRACE("HARNESS_SEED=" + std::to_string(seed));
  Random random(seed);
  std::vector<Victim> all;
  for (unsigned i = 0; i < victims; ++i) all.push_back(fork_one(provider, rests));
  const std::string missing = ofi_missing(provider);
  if (!missing.empty()) {
    for (const Victim& one : all) ::kill(one.pid, SIGKILL), ::waitpid(one.pid, nullptr, 0);
    GTEST_SKIP() << missing;
  }
  Survivor survivor;
  survivor.transport =
      std::move(transports::ofi::type().make(*survivor.engine, ofi_options(provider)).value());
  const std::string address = survivor.transport->listen("127.0.0.1:0", survivor).value();
  std::vector<std::uint64_t> noticed_us;
  std::uint64_t frames = 0;
  for (const Victim& one : all) {
    ASSERT_EQ(::write(one.addresses, address.data(), address.size()), static_cast<ssize_t>(address.size()));
    const unsigned least = rests ? frames_of_a_rest : static_cast<unsigned>(random.below(2000));
    survivor.engine->run_until([&] { return survivor.endpoint != nullptr && survivor.next >= least; },
                               20'000'000'000);
    ASSERT_NE(survivor.endpoint, nullptr);
    ASSERT_GE(survivor.next, least);
    ASSERT_EQ(::kill(one.pid, SIGKILL), 0);
    const std::uint64_t killed_ns = now_ns();
    survivor.engine->run_until([&] { return survivor.over; }, 20'000'000'000);
    noticed_us.push_back((now_ns() - killed_ns) / 1000);
    ASSERT_TRUE(survivor.over) << "the survivor waits for a dead peer";
    EXPECT_NE(survivor.code, Errc::closed);
    EXPECT_TRUE(survivor.whole) << "a frame is missing, changed or cut";
    frames += survivor.next;
    ASSERT_EQ(::waitpid(one.pid, nullptr, 0), one.pid);
    ::close(one.addresses);
    survivor.endpoint.reset();
    survivor.next = 0;
  }
  std::sort(noticed_us.begin(), noticed_us.end());
  std::printf("%zu kills after %llu frames; noticed after %llu us (median), %llu us (worst)\n",
              noticed_us.size(), static_cast<unsigned long long>(frames),
              static_cast<unsigned long long>(noticed_us[noticed_us.size() / 2]),
              static_cast<unsigned long long>(noticed_us.back()));
}

TEST(OfiKill, NoticesAPeerThatIsKilledAtAnyPointOverTcp) { kill_all("tcp", false); }
TEST(OfiKill, NoticesAPeerThatIsKilledAtRestOverShm) { kill_all("shm", true); }

}  // namespace
}  // namespace harness::tests
