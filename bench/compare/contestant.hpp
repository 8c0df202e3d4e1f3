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
#include <harness/bench/support/machine.hpp>

namespace harness::bench {

enum class Task { echo, sink };

class Contestant {
 public:
  /// Messages of `bytes`, one size for its whole life, unless flood says otherwise.
  Contestant(Task task, std::uint32_t bytes) noexcept : task_(task), bytes_(bytes) {}
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
  /// Repeats the round trip `once` for `budget_ns`, adds half of each to `into`; the slice's median in ns.
  template <class Once>
  static double ping_by(std::uint64_t budget_ns, Histogram& into, Once once) {
    Histogram slice;
    const std::uint64_t end = now_ns() + budget_ns;
    for (std::uint64_t begin = now_ns(); begin < end;) {
      once();
      const std::uint64_t now = now_ns();
      slice.record((now - begin) / 2);
      begin = now;
    }
    into.add(slice);
    return slice.percentile(0.5);
  }
  [[nodiscard]] Task task() const noexcept { return task_; }
  [[nodiscard]] std::uint32_t message_bytes() const noexcept { return bytes_; }

 private:
  Task task_;
  std::uint32_t bytes_;
};

/// A stack through Node and Link, over its transport's loopback.
std::unique_ptr<Contestant> ours(Task task, const std::string& stack, std::uint32_t bytes);
/// Whether this program knows the stack, and takes messages of `bytes` over it; else why not.
std::string why_not(const std::string& stack, std::uint32_t bytes);
/// Two tcp sockets, busy-polled: what the kernel costs. Floods are sent 64 KiB a call, as tcp collects a
/// turn.
std::unique_ptr<Contestant> raw_socket(Task task, std::uint32_t bytes);
/// Two connected udp sockets, busy-polled. Floods are datagrams of 1472 B, one a call or in trains (GSO),
/// without any reliability: what is lost does not count.
std::unique_ptr<Contestant> raw_udp(Task task, std::uint32_t bytes, bool trains);
/// ZeroMQ's settings that matter here, all tried: the best is who we run against. None when it is not
/// installed.
enum class ZmqOver : std::uint8_t { tcp, ipc, curve };
std::vector<std::unique_ptr<Contestant>> zmq_variants(Task task, std::uint32_t bytes,
                                                      ZmqOver over = ZmqOver::tcp);
/// TLS 1.3 by OpenSSL over tcp, AES-256-GCM, busy-polled; its ways to write, all tried. any: also many
/// messages a write, which nothing tells apart at the other end; a_message: each in records of its own, as
/// ours are.
enum class TlsWrites : std::uint8_t { any, a_message };
std::vector<std::unique_ptr<Contestant>> tls_variants(Task task, std::uint32_t bytes,
                                                      TlsWrites writes = TlsWrites::any);
/// ZeroMQ between two threads of one process, which is all that inproc joins: ns one way or a message; NaN
/// when it is not installed.
double zmq_inproc_ns(Task task, std::uint32_t bytes, std::uint64_t times);

}  // namespace harness::bench
