// SPDX-License-Identifier: Apache-2.0
// See machine.hpp.
#include <harness/bench/support/machine.hpp>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <vector>

#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <harness/config.hpp>

namespace harness::bench {

namespace {

std::string cpu_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("model name"))
      if (const auto colon = line.find(": "); colon != std::string::npos) return line.substr(colon + 2);
  return "unknown";
}

std::string kernel_name() {
  utsname name{};
  return uname(&name) == 0 ? std::string(name.sysname) + " " + name.release : "unknown";
}

std::string utc() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M UTC", &parts);
  return text.data();
}

cpu_set_t all_cores() {
  static const cpu_set_t at_start = [] {
    cpu_set_t set;
    sched_getaffinity(0, sizeof set, &set);
    return set;
  }();
  return at_start;
}

}  // namespace

std::uint64_t now_ns() noexcept {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_nsec);
}

bool pin(unsigned core) noexcept {
  all_cores();
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  return sched_setaffinity(0, sizeof set, &set) == 0;
}

void unpin() noexcept {
  const cpu_set_t all = all_cores();
  sched_setaffinity(0, sizeof all, &all);
}

unsigned core_count() noexcept {
  const cpu_set_t all = all_cores();
  return static_cast<unsigned>(CPU_COUNT(&all));
}

double copy_floor_ns() noexcept {
  constexpr std::size_t bytes = 64 * 1024;
  static std::vector<char> from(bytes, 1);
  static std::vector<char> to(bytes, 2);
  std::array<double, 5> times{};
  for (double& time : times) {
    const std::uint64_t begin = now_ns();
    for (int i = 0; i < 4; ++i) {
      std::memcpy(to.data(), from.data(), bytes);
      keep(to.data());
    }
    time = static_cast<double>(now_ns() - begin) / 4;
  }
  std::nth_element(times.begin(), times.begin() + times.size() / 2, times.end());
  return times[times.size() / 2];
}

void add_in_registers(std::uint64_t times) noexcept {
  std::uint64_t a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, h = 8;
  for (std::uint64_t i = 0; i < times; ++i) {
    a += 3, b += 5, c += 7, d += 9, e += 3, f += 5, g += 7, h += 9;
    // All eight are wanted in registers here: they cannot be added up ahead, nor by vectors.
    asm volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f), "+r"(g), "+r"(h));
  }
}

double Registers::add_ns() noexcept {
  constexpr int parts = 8;
  constexpr std::uint64_t times = 170'000;  // 8 adds each: 1/8 ms at 11 adds/ns
  const std::uint64_t begin = now_ns();
  std::uint64_t before = begin;
  for (int part = 0; part < parts; ++part) {
    add_in_registers(times);
    const std::uint64_t now = now_ns();
    best_ns_ = std::min(best_ns_, static_cast<double>(now - before) / (8 * times));
    before = now;
  }
  return static_cast<double>(before - begin) / (parts * 8 * times);
}

Machine this_machine() {
  Machine machine;
  machine.cpu = cpu_name();
  machine.cores = core_count();
  machine.kernel = kernel_name();
  machine.build = std::string("GCC ") + __VERSION__ +
                  (config::asserts_full ? ", development build: figures mean nothing" : ", release");
  const char* commit = std::getenv("HARNESS_COMMIT");  // set by bench/run
  machine.commit = commit != nullptr ? commit : "unknown";
  machine.date = utc();
  double load = 0;
  if (getloadavg(&load, 1) == 1) machine.load = load;
  return machine;
}

}  // namespace harness::bench
