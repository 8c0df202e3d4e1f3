// SPDX-License-Identifier: Apache-2.0
// udp_floor: what the endpoint of transport udp costs above the sockets it stands on, and what trains save.
//
// Two threads, pinned to the first two processors, over loopback. Slices of 20 ms alternate between ours and
// plain sockets, so that both meet the same machine; what is printed is the median over slices and the ratio.
// 64-byte ping-pong (one way = half a round trip), 64-byte rate, and datagrams of 1472 bytes as fast as they
// go: plain send, raw trains, ours. Nothing is reliable here: what is counted is what arrived.
//   udp_floor [slices]
#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <sys/socket.h>

#include <harness/transports/udp.hpp>

namespace {

using namespace harness;
using namespace harness::transports;
using Clock = std::chrono::steady_clock;

constexpr std::uint32_t small_bytes = 64;
constexpr std::uint32_t datagram_bytes = 1472;
constexpr std::uint32_t frame_bytes = datagram_bytes - udp::outer_bytes;
constexpr unsigned train_frames = 44;
constexpr auto slice = std::chrono::milliseconds(20);

enum class Exercise : int {
  none,
  raw_ping,
  our_ping,
  our_rate,
  raw_plain,
  raw_train,
  our_train,
  our_long,
  stop
};

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
  int near = bound(), far = bound();
  Raw() {
    join(near, far);
    join(far, near);
    const int on = 1;
    setsockopt(far, IPPROTO_UDP, UDP_GRO, &on, sizeof on);
  }
  static int bound() {
    const int made = socket(AF_INET, SOCK_DGRAM, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int buffer = 8 << 20;
    setsockopt(made, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer);
    if (bind(made, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0) std::abort();
    return made;
  }
  static void join(int from, int to) {
    sockaddr_in at{};
    socklen_t bytes = sizeof at;
    getsockname(to, reinterpret_cast<sockaddr*>(&at), &bytes);
    if (connect(from, reinterpret_cast<sockaddr*>(&at), bytes) != 0) std::abort();
  }
};

// One side of our link: an engine, a transport, an endpoint, and what it counts.
struct Side final : Acceptor {
  std::unique_ptr<OsEngine> engine = std::move(OsEngine::make().value());
  Udp udp{*engine};
  std::unique_ptr<Endpoint> endpoint;
  Gate gate;
  bool echo = false;
  bool welcomed = false;
  std::uint64_t got = 0;
  std::uint64_t got_bytes = 0;

  void accepted(std::unique_ptr<Endpoint> other) override {
    take(std::move(other));
    endpoint->send_setup(Message::copy_of(engine->pool(), "welcome"));
  }
  void take(std::unique_ptr<Endpoint> mine) {
    endpoint = std::move(mine);
    Receiver receiver;
    receiver.up = {[](void* self, const Entry*, harness_message* m) {
                     static_cast<Side*>(self)->receive(Message::from_c(m));
                   },
                   this, nullptr};
    receiver.self = this;
    receiver.setup = [](void* self, Message&) { static_cast<Side*>(self)->welcomed = true; };
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
  std::atomic<Exercise> far_does{Exercise::none};
  Raw raw;
  Side near, far;
  std::string address = far.udp.listen("127.0.0.1:0", far).value();
  std::vector<char> far_buffer = std::vector<char>(65536);

  void far_side() {
    pin(1);
    for (;;) {
      const Exercise now = exercise.load();
      if (now == Exercise::stop) return;
      far.echo = now == Exercise::our_ping;
      far_does = now;
      if (now == Exercise::raw_ping) {
        const ssize_t got = recv(raw.far, far_buffer.data(), small_bytes, MSG_DONTWAIT);
        if (got > 0 && ::send(raw.far, far_buffer.data(), static_cast<std::size_t>(got), MSG_DONTWAIT) < 0)
          std::abort();
      } else if (now == Exercise::raw_plain || now == Exercise::raw_train) {
        const ssize_t got = recv(raw.far, far_buffer.data(), far_buffer.size(), MSG_DONTWAIT);
        if (got > 0) far_count += static_cast<std::uint64_t>(got);
      } else {
        far.engine->poll();
        far_count = now == Exercise::our_rate ? far.got : far.got_bytes;
      }
    }
  }

  void begin(Exercise which) {
    exercise = which;
    while (far_does != which) {
    }
  }
  void settle() {  // both sides read what is still under way
    begin(Exercise::none);
    std::vector<char> buffer(65536);
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
    begin(which);
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
    std::array<char, small_bytes> buffer{};
    if (::send(raw.near, buffer.data(), buffer.size(), MSG_DONTWAIT) < 0) std::abort();
    while (recv(raw.near, buffer.data(), buffer.size(), MSG_DONTWAIT) <= 0) {
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
    begin(which);
    const auto warm = Clock::now() + slice / 4;
    while (Clock::now() < warm) step();
    const std::uint64_t before = far_count;
    const auto start = Clock::now();
    while (Clock::now() < start + slice) step();
    return static_cast<double>(far_count - before) /
           std::chrono::duration<double>(Clock::now() - start).count();
  }
  void send_train() const {
    std::vector<char> static const body(std::size_t{datagram_bytes} * train_frames);
    iovec run{const_cast<char*>(body.data()), body.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(std::uint16_t))> control{};
    msghdr message{};
    message.msg_iov = &run;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = IPPROTO_UDP;
    header->cmsg_type = UDP_SEGMENT;
    header->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
    const std::uint16_t segment = datagram_bytes;
    std::memcpy(CMSG_DATA(header), &segment, sizeof segment);
    if (sendmsg(raw.near, &message, MSG_DONTWAIT) < 0 && errno != EAGAIN) std::abort();
  }
  void send_ours(std::uint32_t bytes, unsigned count) {
    for (unsigned i = 0; i < count && !near.gate.held(Gate::transport_bit); ++i) {
      Message message = Message::make(near.engine->pool(), bytes);
      near.send(message);
    }
    near.engine->poll();
  }
};

void open(Bench& bench) {
  bench.near.take(bench.near.udp.dial(bench.address).value());
  bench.near.endpoint->send_setup(Message::copy_of(bench.near.engine->pool(), "hello"));
  while (!bench.near.welcomed) bench.near.engine->poll();
}

}  // namespace

int main(int argc, char** argv) {
  int slices = 15;
  if (argc > 1) std::from_chars(argv[1], argv[1] + std::strlen(argv[1]), slices);
  Bench bench;
  std::thread far([&] { bench.far_side(); });
  pin(0);
  open(bench);
  std::vector<char> plain(datagram_bytes);
  std::vector<double> raw_ping, our_ping, ping_ratio, rate, raw_plain, raw_train, our_train, our_long,
      to_plain;
  for (int i = 0; i < slices; ++i) {
    raw_ping.push_back(bench.ping(Exercise::raw_ping, [&] { bench.raw_round_trip(); }));
    our_ping.push_back(bench.ping(Exercise::our_ping, [&] { bench.our_round_trip(); }));
    ping_ratio.push_back(our_ping.back() / raw_ping.back());
    rate.push_back(bench.flow(Exercise::our_rate, [&] { bench.send_ours(small_bytes, 256); }));
    raw_plain.push_back(bench.flow(Exercise::raw_plain, [&] {
      if (::send(bench.raw.near, plain.data(), plain.size(), MSG_DONTWAIT) < 0 && errno != EAGAIN)
        std::abort();
    }));
    raw_train.push_back(bench.flow(Exercise::raw_train, [&] { bench.send_train(); }));
    our_train.push_back(bench.flow(Exercise::our_train, [&] { bench.send_ours(frame_bytes, train_frames); }));
    our_long.push_back(bench.flow(Exercise::our_long, [&] { bench.send_ours(Udp::frame_bytes_max, 1); }));
    to_plain.push_back(our_train.back() / raw_plain.back());
  }
  bench.exercise = Exercise::stop;
  far.join();
  std::printf("64 B one way      raw %7.0f ns    ours %7.0f ns    ratio %.3f\n", median(raw_ping),
              median(our_ping), median(ping_ratio));
  std::printf("64 B rate                           ours %7.2f M/s\n", median(rate) / 1e6);
  std::printf(
      "1472 B datagrams  plain send %6.2f GB/s  raw trains %6.2f GB/s  ours %6.2f GB/s  ours to plain %.1f\n",
      median(raw_plain) / 1e9, median(raw_train) / 1e9, median(our_train) / 1e9, median(to_plain));
  std::printf("64 KiB datagrams                    ours %7.2f GB/s\n", median(our_long) / 1e9);
  return 0;
}
