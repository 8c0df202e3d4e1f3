// SPDX-License-Identifier: Apache-2.0
// Starting and reaping children by posix_spawn.
#include <harness/apps/common/child_process.hpp>

#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include <harness/apps/common/human.hpp>
#include <harness/kernel/file_handle.hpp>
#include <harness/kernel/system_error.hpp>

namespace harness::apps {

namespace {

/// What a child gets: a clean signal mask, and these three descriptors.
Result<int> spawn(const std::vector<std::string>& words, int output, int errors) {
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&files, errors, STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, standard;
  sigemptyset(&none);
  sigemptyset(&standard);
  sigaddset(&standard, SIGPIPE);
  sigaddset(&standard, SIGXFSZ);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &standard);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  pid_t pid = -1;
  const int number = posix_spawnp(&pid, argv[0], &files, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  if (number != 0) return tl::unexpected<Error>(system_error(number, "cannot start " + printable(words[0])));
  return pid;
}

std::string how(int status) {
  if (WIFEXITED(status)) return fmt::format("exit code {}", WEXITSTATUS(status));
  return fmt::format("signal {}", WTERMSIG(status));
}

}  // namespace

Result<ChildProcess> ChildProcess::start(const std::string& program,
                                         const std::vector<std::string>& arguments, const std::string& log) {
  const FileHandle to(log.empty() ? fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)
                                  : open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!to) return tl::unexpected<Error>(system_error(errno, "cannot write " + printable(log)));
  std::vector<std::string> words = {program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  auto pid = spawn(words, to.get(), to.get());
  if (!pid) return tl::unexpected<Error>(pid.error());
  return ChildProcess(*pid);
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), how_(std::move(other.how_)) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(how_, other.how_);
  return *this;
}

ChildProcess::~ChildProcess() {
  terminate();
  reap(1000);
}

std::optional<std::string> ChildProcess::ended() {
  int status = 0;
  if (pid_ > 0 && waitpid(pid_, &status, WNOHANG) == pid_) {
    pid_ = -1;
    how_ = how(status);
  }
  return pid_ > 0 ? std::nullopt : std::optional(how_);
}

void ChildProcess::terminate() noexcept {
  if (pid_ > 0) kill(pid_, SIGTERM);
}

void ChildProcess::reap(int timeout_ms) noexcept {
  if (pid_ <= 0) return;
  const FileHandle process(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
  pollfd ended{process.get(), POLLIN, 0};
  if (!process || poll(&ended, 1, timeout_ms) <= 0) kill(pid_, SIGKILL);
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  how_ = how(status);
}

Result<std::string> output_of(const std::vector<std::string>& words, std::size_t bytes_max) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return tl::unexpected<Error>(system_error(errno, "cannot make a pipe"));
  const FileHandle from(ends[0]);
  FileHandle to(ends[1]);
  const FileHandle nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
  auto pid = spawn(words, to.get(), nowhere.get());
  if (!pid) return tl::unexpected<Error>(pid.error());
  to.close();
  std::string text;
  char bytes[1u << 16];
  for (ssize_t got = 1; got > 0 && text.size() <= bytes_max;) {
    got = read(from.get(), bytes, sizeof bytes);
    if (got < 0 && errno == EINTR) got = 1;
    if (got > 0) text.append(bytes, static_cast<std::size_t>(got));
  }
  if (text.size() > bytes_max) kill(*pid, SIGKILL);
  int status = 0;
  while (waitpid(*pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (text.size() > bytes_max)
    return fail(Errc::exhausted, printable(words[0]) + " printed too much",
                fmt::format("more than {}", human_bytes(bytes_max)));
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return fail(Errc::io, printable(words[0]) + " failed", how(status));
  return text;
}

}  // namespace harness::apps
