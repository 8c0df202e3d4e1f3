// SPDX-License-Identifier: Apache-2.0
// tcp_floor: what the endpoint of transport tcp costs above the sockets it stands on.
//
// Two threads, pinned to the first two processors, each with an engine (ours) and a busy-polled socket (raw)
// over loopback. Slices of 20 ms alternate between the two, so that both meet the same machine; what is
// printed is the median over slices and the ratio. Three exercises: 64-byte ping-pong (one way = half a round
// trip), 64-byte rate, and bulk (our 256 KiB frames against 128 KiB writes and reads, as iperf3 does them).
//   tcp_floor [slices]
#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string_view>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <harness/transports/tcp.hpp>

namespace {

using namespace harness;
using namespace harness::transports;
using Clock = std::chrono::steady_clock;

constexpr std::uint32_t small_bytes = 64;
constexpr std::uint32_t bulk_bytes = 256 * 1024;
constexpr std::uint32_t bulk_frame_bytes = bulk_bytes - 128 - 64;  // a slab of exactly one class
constexpr std::size_t raw_bulk_bytes = 128 * 1024;
constexpr auto slice = std::chrono::milliseconds(20);

enum class Exercise : int { none, raw_ping, our_ping, our_rate, raw_bulk, our_bulk, stop };

void pin(unsigned cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::nth_element(values.begin(), values.begin() + static_cast<long>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

struct Raw {
  int near = -1, far = -1;
  Raw() {
    const int listening = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof at;
    bind(listening, reinterpret_cast<sockaddr*>(&at), bytes);
    listen(listening, 1);
    getsockname(listening, reinterpret_cast<sockaddr*>(&at), &bytes);
    near = socket(AF_INET, SOCK_STREAM, 0);
    connect(near, reinterpret_cast<sockaddr*>(&at), bytes);
    far = accept(listening, nullptr, nullptr);
    close(listening);
    const int on = 1;
    setsockopt(near, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(far, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
};

// One side of our link: an engine, a transport, an endpoint, and what it counts.
struct Side final : Acceptor {
  std::unique_ptr<OsEngine> engine = std::move(OsEngine::make().value());
  Tcp tcp{*engine};
  std::unique_ptr<Endpoint> endpoint;
  Gate gate;
  bool echo = false;
  std::uint64_t got = 0;
  std::uint64_t got_bytes = 0;

  void accepted(std::unique_ptr<Endpoint> other) override { take(std::move(other)); }
  void take(std::unique_ptr<Endpoint> mine) {
    endpoint = std::move(mine);
    Receiver receiver;
    receiver.up = {[](void* self, const Entry*, harness_message* m) {
                     static_cast<Side*>(self)->receive(Message::from_c(m));
                   },
                   this, nullptr};
    receiver.gate = &gate;
    endpoint->attach(receiver);
  }
  void receive(Message& message) {
    ++got;
    got_bytes += message.size();
    if (echo) send(message);
  }
  void send(Message& message) {
    const Entry down = endpoint->down();
    down.fn(down.self, down.next, message.c());
  }
};

struct Bench {
  std::atomic<Exercise> exercise{Exercise::none};
  std::atomic<std::uint64_t> far_count{0};
  std::atomic<bool> far_idle{true};
  Raw raw;
  Side near, far;
  std::string address = far.tcp.listen("127.0.0.1:0", far).value();

  void far_side() {
    pin(1);
    std::vector<char> buffer(raw_bulk_bytes);
    for (;;) {
      const Exercise now = exercise.load();
      if (now == Exercise::stop) return;
      far_idle = now == Exercise::none;
      if (now == Exercise::raw_ping) {
        const ssize_t got = recv(raw.far, buffer.data(), small_bytes, MSG_DONTWAIT);
        if (got > 0 && ::send(raw.far, buffer.data(), static_cast<std::size_t>(got), MSG_DONTWAIT) < 0)
          std::abort();
      } else if (now == Exercise::raw_bulk) {
        const ssize_t got = recv(raw.far, buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (got > 0) far_count += static_cast<std::uint64_t>(got);
      } else {
        far.echo = now == Exercise::our_ping;
        far.engine->poll();
        far_count = now == Exercise::our_bulk ? far.got_bytes : far.got;
      }
    }
  }

  void settle() {  // both sides read what is still under way
    exercise = Exercise::none;
    while (!far_idle) {
    }
    std::vector<char> buffer(raw_bulk_bytes);
    for (int i = 0; i < 2000; ++i) {
      near.engine->poll();
      while (recv(raw.near, buffer.data(), buffer.size(), MSG_DONTWAIT) > 0) {
      }
    }
    while (recv(raw.far, buffer.data(), buffer.size(), MSG_DONTWAIT) > 0) {
    }
  }

  // Round trips of one slice; returns the median one-way time in ns.
  double ping(Exercise which, const std::function<void()>& round_trip) {
    settle();
    exercise = which;
    std::vector<double> times;
    const auto end = Clock::now() + slice;
    for (auto before = Clock::now(); before < end;) {
      round_trip();
      const auto after = Clock::now();
      times.push_back(std::chrono::duration<double, std::nano>(after - before).count() / 2);
      before = after;
    }
    return median(times);
  }

  void raw_round_trip() {
    char buffer[small_bytes] = {};
    if (::send(raw.near, buffer, sizeof buffer, MSG_DONTWAIT) < 0) std::abort();
    while (recv(raw.near, buffer, sizeof buffer, MSG_DONTWAIT) <= 0) {
    }
  }
  void our_round_trip() {
    const std::uint64_t before = near.got;
    Message message = Message::make(near.engine->pool(), small_bytes);
    near.send(message);
    while (near.got == before) near.engine->poll();
  }

  // What the far side counted in one slice, per second.
  double flow(Exercise which, const std::function<void()>& step) {
    settle();
    exercise = which;
    const auto warm = Clock::now() + slice / 4;
    while (Clock::now() < warm) step();
    const std::uint64_t before = far_count;
    const auto start = Clock::now();
    while (Clock::now() < start + slice) step();
    return static_cast<double>(far_count - before) /
           std::chrono::duration<double>(Clock::now() - start).count();
  }

  void send_small() {
    for (int i = 0; i < 256 && !near.gate.held(Gate::transport_bit); ++i) {
      Message message = Message::make(near.engine->pool(), small_bytes);
      near.send(message);
    }
    near.engine->poll();
  }
  void send_bulk(const Message& body) {
    for (int i = 0; i < 4 && !near.gate.held(Gate::transport_bit); ++i) {
      Message message = body.share(near.engine->pool());
      near.send(message);
    }
    near.engine->poll();
  }
};

}  // namespace

int main(int argc, char** argv) {
  int slices = 15;
  if (argc > 1) std::from_chars(argv[1], argv[1] + std::strlen(argv[1]), slices);
  Bench bench;
  bench.near.take(bench.near.tcp.dial(bench.address).value());
  std::thread far([&] { bench.far_side(); });
  pin(0);
  while (bench.near.engine->poll() != 0 || bench.far.endpoint == nullptr) {
  }
  std::vector<char> raw_body(raw_bulk_bytes);
  const Message body = Message::make(bench.near.engine->pool(), bulk_frame_bytes);

  std::vector<double> raw_ping, our_ping, ping_ratio, rate, raw_bulk, our_bulk, bulk_ratio;
  for (int i = 0; i < slices; ++i) {
    raw_ping.push_back(bench.ping(Exercise::raw_ping, [&] { bench.raw_round_trip(); }));
    our_ping.push_back(bench.ping(Exercise::our_ping, [&] { bench.our_round_trip(); }));
    ping_ratio.push_back(our_ping.back() / raw_ping.back());
    rate.push_back(bench.flow(Exercise::our_rate, [&] { bench.send_small(); }));
    raw_bulk.push_back(bench.flow(Exercise::raw_bulk, [&] {
      if (::send(bench.raw.near, raw_body.data(), raw_body.size(), MSG_DONTWAIT) < 0 && errno != EAGAIN)
        std::abort();
    }));
    our_bulk.push_back(bench.flow(Exercise::our_bulk, [&] { bench.send_bulk(body); }));
    bulk_ratio.push_back(our_bulk.back() / raw_bulk.back());
  }
  bench.exercise = Exercise::stop;
  far.join();
  std::printf("64 B one way     raw %7.0f ns    ours %7.0f ns    ratio %.3f\n", median(raw_ping),
              median(our_ping), median(ping_ratio));
  std::printf("64 B rate                          ours %7.2f M/s\n", median(rate) / 1e6);
  std::printf("bulk             raw %7.2f GB/s  ours %7.2f GB/s  ratio %.3f\n", median(raw_bulk) / 1e9,
              median(our_bulk) / 1e9, median(bulk_ratio));
  return 0;
}
