// SPDX-License-Identifier: Apache-2.0
// A child process of ours: started, watched, ended and reaped; never left behind.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <harness/stack/result.hpp>

namespace harness::apps {

class ChildProcess {
 public:
  /// Starts `program` with arguments; its outputs go to `log` (appended; empty: to our
  /// standard error), its input is empty, its signals are
  /// unblocked. Errors: those of the operating system.
  static Result<ChildProcess> start(const std::string& program, const std::vector<std::string>& arguments,
                                    const std::string& log);
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  /// Ends it: terminate, then, after a second, kill. Blocks.
  ~ChildProcess();

  [[nodiscard]] int pid() const noexcept { return pid_; }
  /// How it ended ("exit code 3", "signal 9"), once it has. Never blocks.
  std::optional<std::string> ended();
  /// Asks it to end.
  void terminate() noexcept;
  /// Waits until it has ended, at most so long, then kills it.
  void reap(int timeout_ms) noexcept;

 private:
  explicit ChildProcess(int pid) : pid_(pid) {}
  int pid_ = -1;  // -1: none, or reaped
  std::string how_;
};

/// Runs a program to its end and gives what it printed; at most `bytes_max` of it. Errors: not_found (no such
/// program), failed (another exit code than 0), exhausted. Blocks.
Result<std::string> output_of(const std::vector<std::string>& words, std::size_t bytes_max);

}  // namespace harness::apps
