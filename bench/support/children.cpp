// SPDX-License-Identifier: Apache-2.0
// See children.hpp.
#include <harness/bench/support/children.hpp>

#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <harness/bench/support/machine.hpp>
#include <harness/bench/support/program.hpp>

namespace harness::bench {

namespace {

constexpr unsigned attempts_max = 100;
constexpr timespec between_attempts{0, 20'000'000};

// In the child: a group of its own, so that helpers of the program end with it.
[[noreturn]] void become(const Command& command, int output) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  unpin();
  if (command.core >= 0) pin(static_cast<unsigned>(command.core));
  for (const std::string& setting : command.environment) putenv(const_cast<char*>(setting.c_str()));
  std::vector<char*> words;
  for (const std::string& word : command.words) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  const int nowhere = open("/dev/null", O_RDWR);
  dup2(nowhere, 0);
  dup2(output >= 0 ? output : nowhere, 1);
  dup2(nowhere, 2);
  execvp(words[0], words.data());
  _exit(127);
}

pid_t start(const Command& command, int output) {
  const pid_t pid = fork();
  if (pid < 0) give_up({Errc::io, "no process for " + command.words[0], std::strerror(errno), "fewer"});
  if (pid == 0) become(command, output);
  setpgid(pid, pid);
  return pid;
}

int end(pid_t pid) {
  int status = 0;
  kill(-pid, SIGKILL);
  waitpid(pid, &status, 0);
  return status;
}

// Until end of file, or nothing when the time is up.
std::string read_all(int from, std::uint64_t deadline_ns) {
  std::string text;
  std::array<char, 4096> part;  // NOLINT: written by read
  for (;;) {
    const std::uint64_t now = now_ns();
    pollfd waited{from, POLLIN, 0};
    if (now >= deadline_ns || poll(&waited, 1, static_cast<int>((deadline_ns - now) / 1'000'000) + 1) <= 0)
      return {};
    const ssize_t got = read(from, part.data(), part.size());
    if (got <= 0) return text;
    text.append(part.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace

bool installed(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::string folders = path != nullptr ? path : "/usr/bin:/bin";
  for (std::size_t at = 0; at != std::string::npos && at <= folders.size();) {
    const std::size_t colon = folders.find(':', at);
    const std::string folder = folders.substr(at, colon == std::string::npos ? colon : colon - at);
    if (access((folder + "/" + program).c_str(), X_OK) == 0) return true;
    at = colon == std::string::npos ? colon : colon + 1;
  }
  return false;
}

std::string free_port() {
  const int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  bind(probe, reinterpret_cast<sockaddr*>(&at), sizeof at);
  getsockname(probe, reinterpret_cast<sockaddr*>(&at), &size);
  close(probe);
  return std::to_string(ntohs(at.sin_port));
}

std::string run_alone(const Command& command, unsigned seconds_max) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return {};
  const pid_t child = start(command, ends[1]);
  close(ends[1]);
  std::string text = read_all(ends[0], now_ns() + std::uint64_t{seconds_max} * 1'000'000'000);
  close(ends[0]);
  int status = 0;
  if (text.empty()) return end(child), text;
  waitpid(child, &status, 0);  // it has closed its output: it ends now
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? text : std::string();
}

std::string run_pair(const Command& server, const Command& client, unsigned seconds_max) {
  const std::uint64_t deadline_ns = now_ns() + std::uint64_t{seconds_max} * 1'000'000'000;
  const pid_t far = start(server, -1);
  std::string text;
  for (unsigned attempt = 0; attempt < attempts_max && text.empty() && now_ns() < deadline_ns; ++attempt) {
    if (attempt != 0) nanosleep(&between_attempts, nullptr);
    text = run_alone(client, seconds_max);
  }
  end(far);
  return text;
}

}  // namespace harness::bench
