// SPDX-License-Identifier: Apache-2.0
// iperf3 as child processes: a server for one test, pinned to the far core, and a client on the near one. It
// cannot be cut into slices of 20 ms; a run takes a second.
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <limits>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include <harness/bench/compare/contestant.hpp>
#include <harness/bench/support/machine.hpp>
#include <harness/bench/support/program.hpp>

namespace harness::bench {

namespace {

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

// Starts `iperf3 arguments…` with its output in the pipe, or thrown away when there is none.
pid_t start(const std::vector<std::string>& arguments, int output) {
  std::vector<char*> words{const_cast<char*>("iperf3")};
  for (const std::string& argument : arguments) words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  const pid_t pid = fork();
  if (pid < 0) give_up({Errc::io, "no process for iperf3", std::strerror(errno), "fewer processes"});
  if (pid != 0) return pid;
  unpin();
  const int nowhere = open("/dev/null", O_RDWR);
  dup2(nowhere, 0);
  dup2(output >= 0 ? output : nowhere, 1);
  dup2(nowhere, 2);
  execvp("iperf3", words.data());
  _exit(127);
}

std::string read_all(int from) {
  std::string text;
  std::array<char, 4096> part;  // NOLINT: written by read
  for (ssize_t got = 0; (got = read(from, part.data(), part.size())) > 0;)
    text.append(part.data(), static_cast<std::size_t>(got));
  return text;
}

// The client's JSON; empty when it could not connect.
std::string run_client(const std::vector<std::string>& arguments) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return {};
  const pid_t client = start(arguments, ends[1]);
  close(ends[1]);
  std::string text = read_all(ends[0]);
  close(ends[0]);
  waitpid(client, nullptr, 0);
  return text;
}

double received_bytes_per_s(const std::string& text) {
  const auto result = nlohmann::json::parse(text, nullptr, false);
  if (result.is_discarded() || !result.contains("end")) return std::numeric_limits<double>::quiet_NaN();
  const auto received = result["end"].find("sum_received");
  if (received == result["end"].end()) return std::numeric_limits<double>::quiet_NaN();
  return received->value("bits_per_second", std::numeric_limits<double>::quiet_NaN()) / 8;
}

}  // namespace

bool iperf_installed() {
  const pid_t pid = start({"--version"}, -1);
  int status = 0;
  return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

std::vector<Iperf> iperf_variants() {
  return {{"iperf3 (-l 128K)", {"-l", "128K"}},
          {"iperf3 (-l 256K)", {"-l", "256K"}},
          {"iperf3 (-l 1M)", {"-l", "1M"}},
          {"iperf3 (-l 128K -Z)", {"-l", "128K", "-Z"}},
          {"iperf3 (-l 128K -C cubic)", {"-l", "128K", "-C", "cubic"}}};
}

double iperf_bytes_per_s(const Iperf& variant, bool quick) {
  const std::string port = free_port();
  const pid_t server = start({"-s", "-1", "-B", "127.0.0.1", "-p", port, "-A", "1"}, -1);
  std::vector<std::string> arguments{"-c", "127.0.0.1", "-p", port, "-A", "0", "-J"};
  const std::vector<std::string> length =
      quick ? std::vector<std::string>{"-n", "64M"} : std::vector<std::string>{"-t", "1"};
  arguments.insert(arguments.end(), length.begin(), length.end());
  arguments.insert(arguments.end(), variant.arguments.begin(), variant.arguments.end());
  double best = std::numeric_limits<double>::quiet_NaN();
  for (int attempt = 0; attempt < 50 && !(best > 0); ++attempt) {  // until the server listens
    best = received_bytes_per_s(run_client(arguments));
    const timespec a_little{0, 20'000'000};
    if (!(best > 0)) nanosleep(&a_little, nullptr);
  }
  kill(server, SIGTERM);
  waitpid(server, nullptr, 0);
  return best;
}

}  // namespace harness::bench
