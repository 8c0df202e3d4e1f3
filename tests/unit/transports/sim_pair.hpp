// SPDX-License-Identifier: Apache-2.0
// Two simulated engines with a transport each and a pair of bare endpoints, for the tests of sim itself.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <harness/transports/sim.hpp>

#include <gtest/gtest.h>

namespace harness::transports {

inline OptionValues medium(Sim::Profile profile) {
  OptionValues options(Sim::type().options);
  options.set(Sim::option_profile, static_cast<std::int64_t>(profile));
  return options;
}

// One end: keeps what it is handed, as numbers (the first eight bytes of a frame) and as sizes.
struct End {
  std::unique_ptr<Endpoint> endpoint;
  Gate gate;
  Quota::Owner quota = Quota::make(1 << 20);
  std::vector<std::uint64_t> got;
  std::vector<Message> kept;
  std::vector<std::string> setups;
  std::vector<Event> events;
  bool keeps = false;

  void attach() {
    Receiver receiver;
    receiver.up = {
        [](void* self, const Entry*, harness_message* raw) {
          auto* end = static_cast<End*>(self);
          Message& message = Message::from_c(raw);
          end->got.push_back(message.body_size() >= 8 ? load<std::uint64_t>(message.front().data()) : 0);
          if (end->keeps) end->kept.push_back(std::move(message));
        },
        this, nullptr};
    receiver.self = this;
    receiver.setup = [](void* self, Message& frame) {
      static_cast<End*>(self)->setups.emplace_back(frame.text());
    };
    receiver.event = [](void* self, const Event& event) { static_cast<End*>(self)->events.push_back(event); };
    receiver.gate = &gate;
    receiver.quota = quota.get();
    endpoint->attach(receiver);
  }
  void send(Pool& pool, std::uint64_t number, std::uint32_t bytes = 8) const {
    Message message = Message::make(pool, bytes);
    std::memset(message.writable().data(), 0x5a, bytes);
    if (bytes >= 8) store<std::uint64_t>(message.writable().data(), number);
    const Entry down = endpoint->down();
    down.fn(down.self, down.next, message.c());
  }
  [[nodiscard]] bool held() const { return gate.held(Gate::transport_bit); }
  [[nodiscard]] unsigned count(EventKind kind) const {
    unsigned found = 0;
    for (const Event& event : events) found += event.kind == kind ? 1 : 0;
    return found;
  }
};

// Engines a and b, a transport on each, and on demand an endpoint pair: near at a, far at b.
struct Pair : Acceptor {
  explicit Pair(const OptionValues& options, std::uint64_t seed = 1, const SimEngineOptions& engine = {})
      : world(seed), a(world.add("a", engine)), b(world.add("b", engine)),
        at_a(std::make_unique<Sim>(a, options)), at_b(std::make_unique<Sim>(b, options)) {}

  void accepted(std::unique_ptr<Endpoint> endpoint) override {
    ++accepts;
    far.endpoint = std::move(endpoint);
    far.attach();
  }
  void dial() {
    const auto address = at_b->listen(":7", *this);
    ASSERT_TRUE(address.has_value());
    near.endpoint = std::move(*at_a->dial(*address));
    near.attach();
  }
  // Both know each other's cookie afterwards.
  void connect() {
    dial();
    ASSERT_EQ(near.endpoint->send_setup(Message::copy_of(a.pool(), "hello")), Errc::ok);
    ASSERT_TRUE(world.run_until([&] { return !far.setups.empty(); }, 1'000'000'000));
    ASSERT_EQ(far.endpoint->send_setup(Message::copy_of(b.pool(), "welcome")), Errc::ok);
    ASSERT_TRUE(world.run_until([&] { return !near.setups.empty(); }, 1'000'000'000));
  }
  void send(std::uint64_t first, std::uint64_t count, std::uint32_t bytes = 8) {
    for (std::uint64_t i = first; i < first + count; ++i) near.send(a.pool(), i, bytes);
  }
  // As a stack does: stops while held.
  void send_politely(std::uint64_t count, std::uint32_t bytes = 8) {
    for (std::uint64_t i = 0; i < count; ++i) {
      ASSERT_TRUE(world.run_until([&] { return !near.held(); }, 60'000'000'000));
      near.send(a.pool(), i, bytes);
    }
  }

  SimWorld world;
  SimEngine& a;
  SimEngine& b;
  std::unique_ptr<Sim> at_a;
  std::unique_ptr<Sim> at_b;
  End near;
  End far;
  unsigned accepts = 0;
};

inline std::vector<std::uint64_t> numbers(std::uint64_t count) {
  std::vector<std::uint64_t> all(count);
  for (std::uint64_t i = 0; i < count; ++i) all[i] = i;
  return all;
}

inline std::vector<std::uint64_t> sorted(std::vector<std::uint64_t> values) {
  std::sort(values.begin(), values.end());
  return values;
}

inline const SimPath rough{
    .jitter_ns = 500'000, .loss_ppm = 100'000, .duplicate_ppm = 100'000, .reorder_ppm = 100'000};

}  // namespace harness::transports
