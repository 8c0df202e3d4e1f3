// SPDX-License-Identifier: Apache-2.0
// See duo.hpp.
#include <harness/bench/support/duo.hpp>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <new>

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <harness/bench/support/machine.hpp>
#include <harness/bench/support/program.hpp>

namespace harness::bench {

namespace {

constexpr unsigned near_core = 0;
constexpr unsigned far_core = 1;

void nap() noexcept {
  const timespec a_little{0, 200'000};
  nanosleep(&a_little, nullptr);
}

}  // namespace

void Board::put_text(unsigned at, const std::string& what) noexcept {
  const std::size_t bytes = std::min(what.size(), text[at].size() - 1);
  std::memcpy(text[at].data(), what.data(), bytes);
  text[at][bytes] = 0;
}

Duo::Duo(std::vector<Job> jobs) {
  if (core_count() < 2) {
    std::puts("skipped: two processes that poll need two cores, and there is one");
    std::exit(77);  // what ctest calls a skip
  }
  void* memory = mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) give_up({Errc::io, "no shared page", std::strerror(errno), "more memory"});
  board_ = new (memory) Board;
  pid_ = fork();
  if (pid_ < 0) give_up({Errc::io, "no second process", std::strerror(errno), "fewer processes"});
  if (pid_ == 0) far_side(jobs);
  pin(near_core);
}

Duo::~Duo() {
  board_->wanted.set(leave);
  waitpid(pid_, nullptr, 0);
  munmap(board_, sizeof(Board));
  unpin();
}

void Duo::far_side(const std::vector<Job>& jobs) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  pin(far_core % core_count());
  for (;;) {
    const std::uint64_t wanted = board_->wanted.get();
    board_->entered.set(wanted);
    if (wanted == leave) _exit(0);
    const Still still(*board_, wanted);
    if (wanted == ping_pong) {
      std::uint64_t seen = ~std::uint64_t{0};  // answers what was asked before we came, too
      while (still)
        if (const std::uint64_t now = board_->ping.get(); now != seen) board_->pong.set(seen = now);
    } else if (wanted >= first_job) {
      jobs.at(wanted - first_job)(*board_, still);
    }
    while (still) nap();
  }
}

void Duo::check_alive() {
  if (pid_ > 0 && waitpid(pid_, nullptr, WNOHANG) == 0) return;
  give_up(
      {Errc::peer_lost, "the far process ended", "it said why above, or was killed", "the program again"});
}

void Duo::wait_for(const std::function<bool()>& ready, const char* what) {
  const std::uint64_t begin = now_ns();
  for (std::uint64_t checked = begin; !ready();) {
    const std::uint64_t now = now_ns();
    if (now - checked < 10'000'000) continue;
    checked = now;
    check_alive();
    if (now - begin > timeout_ns)
      give_up({Errc::timed_out, std::string("waited too long: ") + what, "30 s have passed",
               "a machine with less to do"});
  }
}

void Duo::want(std::uint64_t what) {
  if (board_->wanted.get() == what) return;
  board_->wanted.set(what);
  wait_for([&] { return board_->entered.get() == what; }, "the far side to change its job");
}

double Duo::cache_line_ns() {
  const std::uint64_t before = board_->wanted.get();
  want(ping_pong);
  constexpr unsigned trips = 200;
  std::array<double, 15> times{};
  std::uint64_t count = board_->ping.get();
  for (double& time : times) {
    const std::uint64_t begin = now_ns();
    for (unsigned i = 0; i < trips; ++i) {
      board_->ping.set(++count);
      for (unsigned spins = 0; board_->pong.get() != count; ++spins)
        if (spins > 100'000'000) check_alive();
    }
    time = static_cast<double>(now_ns() - begin) / (2 * trips);
  }
  want(before);
  std::nth_element(times.begin(), times.begin() + times.size() / 2, times.end());
  return times[times.size() / 2];
}

Floor Duo::floor() {
  return {"cache line", "ns", [this] { return cache_line_ns(); }};
}

}  // namespace harness::bench
