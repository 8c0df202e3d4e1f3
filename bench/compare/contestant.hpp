// SPDX-License-Identifier: Apache-2.0
// One way to carry messages between the near and the far process: ours, raw sockets, ZeroMQ. An object of
// each exists on both sides of the fork; what it opens, it opens after. It either answers pings or takes
// floods.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <harness/bench/support/duo.hpp>
#include <harness/bench/support/histogram.hpp>

namespace harness::bench {

enum class Task { echo, sink };

inline constexpr std::uint32_t message_bytes = 64;

class Contestant {
 public:
  explicit Contestant(Task task) noexcept : task_(task) {}
  virtual ~Contestant() = default;
  Contestant(const Contestant&) = delete;
  Contestant& operator=(const Contestant&) = delete;

  [[nodiscard]] virtual std::string name() const = 0;
  /// Far side: listens and puts the address on the board. Called once, before serve.
  virtual std::string listen() = 0;
  /// Far side: answers each message, or counts it on the board, until the job is over.
  virtual void serve(Board& board, const Duo::Still& still) = 0;
  /// Near side: connects; the far side is serving.
  virtual void connect(const std::string& address) = 0;
  /// Near side, echo: pings for `budget_ns`, adds half round trips to `into`, returns the slice's median in
  /// ns.
  virtual double ping(std::uint64_t budget_ns, Histogram& into) = 0;
  /// Near side, sink: sends `count` messages of `bytes`; ns a message until the last has arrived.
  virtual double flood(std::uint64_t count, std::uint32_t bytes, const Board& board) = 0;

 protected:
  [[nodiscard]] Task task() const noexcept { return task_; }

 private:
  Task task_;
};

/// A stack over tcp through Node and Link.
std::unique_ptr<Contestant> ours(Task task, const std::string& stack);
/// Two sockets, busy-polled: what the kernel costs. Floods are sent 64 KiB a call, as tcp collects a turn.
std::unique_ptr<Contestant> raw_socket(Task task);
/// ZeroMQ's settings that matter here, all tried: the best is who we run against. None when it is not
/// installed.
std::vector<std::unique_ptr<Contestant>> zmq_variants(Task task);

/// iperf3 over loopback for about a second: bytes a second. `variant` is one of its settings.
struct Iperf {
  std::string name;
  std::vector<std::string> arguments;
};
std::vector<Iperf> iperf_variants();
bool iperf_installed();
/// NaN when it failed.
double iperf_bytes_per_s(const Iperf& variant, bool quick);

}  // namespace harness::bench
