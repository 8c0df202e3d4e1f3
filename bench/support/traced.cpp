// SPDX-License-Identifier: Apache-2.0
// See traced.hpp.
#include <harness/bench/support/traced.hpp>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <new>

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace harness::bench {

namespace {

constexpr long begin_number = 100'001;
constexpr long end_number = 100'002;

// Set by the child while it is inside its region, read by the parent between single steps.
std::atomic<bool>* inside_region = nullptr;

struct Known {
  std::uint64_t number;
  const char* name;
};
constexpr std::array known = {Known{SYS_read, "read"},
                              Known{SYS_write, "write"},
                              Known{SYS_sendto, "sendto"},
                              Known{SYS_recvfrom, "recvfrom"},
                              Known{SYS_sendmsg, "sendmsg"},
                              Known{SYS_recvmsg, "recvmsg"},
                              Known{SYS_readv, "readv"},
                              Known{SYS_writev, "writev"},
                              Known{SYS_epoll_wait, "epoll_wait"},
                              Known{SYS_epoll_ctl, "epoll_ctl"},
                              Known{SYS_futex, "futex"},
                              Known{SYS_mmap, "mmap"},
                              Known{SYS_munmap, "munmap"},
                              Known{SYS_brk, "brk"},
                              Known{SYS_madvise, "madvise"},
                              Known{SYS_clock_gettime, "clock"},
                              Known{SYS_timerfd_settime, "timer"}};

std::string name_of(std::uint64_t number) {
  for (const Known& one : known)
    if (one.number == number) return one.name;
  return fmt::format("call {}", number);
}

// What the threads of the child called inside the region.
class Counter {
 public:
  void stopped(pid_t thread) {
    __ptrace_syscall_info info{};
    if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) <= 0) return;
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
      called_[thread] = info.entry.nr;
      if (info.entry.nr == begin_number) counting_ = true;
      if (info.entry.nr == end_number) counting_ = false;
    } else if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
      const std::uint64_t number = called_[thread];
      if (!counting_ || number == begin_number) return;
      Calls& calls = trace.by_name[name_of(number)];
      ++(info.exit.rval == -EAGAIN ? calls.again : calls.done);
    }
  }
  [[nodiscard]] bool counting() const noexcept { return counting_; }
  Trace trace;

 private:
  std::map<pid_t, std::uint64_t> called_;
  bool counting_ = false;
};

// Forks the child, stopped before its first step.
Result<pid_t> start(const std::function<void()>& child) {
  const pid_t pid = fork();
  if (pid < 0) return fail(Errc::io, "no child to trace", std::strerror(errno));
  if (pid == 0) {
    if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(1);
    raise(SIGSTOP);
    child();
    _exit(0);
  }
  int status = 0;
  if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
    return fail(Errc::denied, "cannot trace a child", "ptrace is not allowed here",
                "a container with SYS_PTRACE");
  ptrace(PTRACE_SETOPTIONS, pid, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL);
  return pid;
}

bool ended_well(int status) { return WIFEXITED(status) && WEXITSTATUS(status) == 0; }

tl::unexpected<Error> child_failed(int status) {
  return fail(Errc::io, "the traced child failed", fmt::format("wait status {:#x}", status));
}

tl::unexpected<Error> child_lost() { return fail(Errc::io, "lost the traced child", std::strerror(errno)); }

Result<Trace> step_by_call(pid_t child) {
  Counter counter;
  ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
  for (;;) {
    int status = 0;
    const pid_t thread = waitpid(-1, &status, __WALL);
    if (thread < 0) return child_lost();
    if (!WIFSTOPPED(status)) {
      if (thread != child) continue;
      if (ended_well(status)) return counter.trace;
      return child_failed(status);
    }
    const int stop = WSTOPSIG(status);
    const bool is_call = stop == (SIGTRAP | 0x80);
    if (is_call) counter.stopped(thread);
    const bool is_signal = !is_call && stop != SIGTRAP && stop != SIGSTOP;
    ptrace(PTRACE_SYSCALL, thread, nullptr, is_signal ? stop : 0);
  }
}

// From call to call up to the region, then by single steps until the child has left it.
Result<std::uint64_t> step_by_instruction(pid_t child) {
  Counter counter;
  std::uint64_t steps = 0;
  bool stepping = false;
  for (;;) {
    ptrace(stepping ? PTRACE_SINGLESTEP : PTRACE_SYSCALL, child, nullptr, nullptr);
    int status = 0;
    if (waitpid(child, &status, 0) != child) return child_lost();
    if (ended_well(status)) return steps;
    if (!WIFSTOPPED(status)) return child_failed(status);
    if (!stepping) {
      if (steps == 0) counter.stopped(child);
      stepping = steps == 0 && counter.counting();
    } else if (inside_region->load()) {
      ++steps;
    } else if (steps != 0) {
      stepping = false;
    }
  }
}

}  // namespace

std::uint64_t Trace::done() const {
  std::uint64_t sum = 0;
  for (const auto& [name, calls] : by_name) sum += calls.done;
  return sum;
}

std::uint64_t Trace::again() const {
  std::uint64_t sum = 0;
  for (const auto& [name, calls] : by_name) sum += calls.again;
  return sum;
}

std::string Trace::text() const {
  std::string text;
  for (const auto& [name, calls] : by_name) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, calls.done);
    if (calls.again != 0) text += fmt::format(" (+ {} again)", calls.again);
  }
  return text.empty() ? "none" : text;
}

void begin_region() noexcept {
  syscall(begin_number);
  if (inside_region != nullptr) inside_region->store(true);
}

void end_region() noexcept {
  if (inside_region != nullptr) inside_region->store(false);
  syscall(end_number);
}

Result<Trace> trace(const std::function<void()>& child) {
  const auto pid = start(child);
  return pid ? step_by_call(*pid) : tl::unexpected<Error>(pid.error());
}

Result<std::uint64_t> count_instructions(const std::function<void()>& child) {
  void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return fail(Errc::io, "no shared page", std::strerror(errno));
  inside_region = new (page) std::atomic<bool>(false);
  const auto pid = start(child);
  auto counted = pid ? step_by_instruction(*pid) : tl::unexpected<Error>(pid.error());
  inside_region = nullptr;
  munmap(page, 4096);
  return counted;
}

}  // namespace harness::bench
