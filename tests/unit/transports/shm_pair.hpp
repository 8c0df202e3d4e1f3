// SPDX-License-Identifier: Apache-2.0
// Two ends of a shm link on two engines, as two processes have them; polled by the test.
#pragma once

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <poll.h>

#include <harness/tests/support/described.hpp>
#include <harness/transports/shm.hpp>

namespace harness::tests {

struct ShmEnd : Acceptor {
  std::unique_ptr<transports::OsEngine> engine = std::move(transports::OsEngine::make().value());
  transports::Shm shm;
  Gate gate;
  Quota::Owner quota = Quota::make(64u << 20);
  std::vector<Message> got;
  std::vector<Event> heard;
  std::vector<std::unique_ptr<Endpoint>> more;  // accepted beyond the first
  std::unique_ptr<Endpoint> endpoint;

  explicit ShmEnd(const OptionValues& options = OptionValues(transports::Shm::type().options))
      : shm(*engine, options) {}
  void accepted(std::unique_ptr<Endpoint> other) override {
    if (endpoint != nullptr) return more.push_back(std::move(other));
    take(std::move(other));
  }
  void take(std::unique_ptr<Endpoint> mine) {
    endpoint = std::move(mine);
    attach(*endpoint);
  }
  void attach(Endpoint& to) {
    Receiver receiver;
    receiver.up = {[](void* self, const Entry*, harness_message* raw) {
                     static_cast<ShmEnd*>(self)->got.push_back(std::move(Message::from_c(raw)));
                   },
                   this, nullptr};
    receiver.self = this;
    receiver.event = [](void* self, const Event& event) {
      static_cast<ShmEnd*>(self)->heard.push_back(event);
    };
    receiver.gate = &gate;
    receiver.quota = quota.get();
    to.attach(receiver);
  }
  void send(Message message) const {
    const Entry down = endpoint->down();
    down.fn(down.self, down.next, message.c());
  }
  void send(std::string_view body) const { send(Message::copy_of(engine->pool(), body)); }
  [[nodiscard]] bool held() const { return gate.held(Gate::transport_bit); }
  [[nodiscard]] std::uint64_t value(std::string_view name) const { return Described(*endpoint)[name]; }
};

struct ShmPair {
  ShmEnd near, far;
  std::string address;

  explicit ShmPair(const OptionValues& options = OptionValues(transports::Shm::type().options))
      : near(options), far(options), address(far.shm.listen("", far).value()) {
    near.take(near.shm.dial(address).value());
    EXPECT_TRUE(until([&] { return far.endpoint != nullptr; }));
    turns(8);
  }
  void turns(unsigned count) {
    for (; count != 0; --count) {
      near.engine->poll();
      far.engine->poll();
    }
  }
  template <class Done>
  bool until(Done&& done) {
    for (unsigned i = 0; i < 200'000; ++i) {
      if (done()) return true;
      turns(1);
    }
    return done();
  }
};

inline bool is_readable(int descriptor) {
  pollfd set{descriptor, POLLIN, 0};
  return ::poll(&set, 1, 0) == 1;
}

/// Descriptors of this process, and its mappings of shared memory without a name.
inline std::size_t descriptor_count() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}
inline std::size_t mapping_count() {
  std::ifstream maps("/proc/self/maps");
  std::size_t count = 0;
  for (std::string line; std::getline(maps, line);) count += line.find("memfd:harness") != std::string::npos;
  return count;
}
/// KiB of that memory which are really there, each page once a mapping.
inline std::size_t resident_kib() {
  std::ifstream maps("/proc/self/smaps");
  std::size_t kib = 0;
  bool ours = false;
  for (std::string line; std::getline(maps, line);) {
    if (line.find('-') < line.find(' ')) ours = line.find("memfd:harness") != std::string::npos;
    if (ours && line.starts_with("Rss:")) kib += std::stoul(line.substr(4));
  }
  return kib;
}

}  // namespace harness::tests
