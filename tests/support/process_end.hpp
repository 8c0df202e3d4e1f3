// SPDX-License-Identifier: Apache-2.0
// Ends of links that have no stack: what they were told, and an engine of their own as each of two processes
// has. All stand in one thread, and the test turns them.
#pragma once

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <harness/tests/support/described.hpp>
#include <harness/tests/support/ofi_mock.hpp>
#include <harness/transports/shm.hpp>

namespace harness::tests {

/// An endpoint, and what it was told.
struct LinkEnd : Acceptor {
  void accepted(std::unique_ptr<Endpoint> accepted) override { take(std::move(accepted)); }
  virtual void take(std::unique_ptr<Endpoint> mine) {
    endpoint = std::move(mine);
    Receiver receiver;
    receiver.up = {[](void* self, const Entry*, harness_message* raw) {
                     auto& end = *static_cast<LinkEnd*>(self);
                     end.got.push_back(Message::from_c(raw).size());
                     end.up(Message::from_c(raw).front());
                   },
                   this, nullptr};
    receiver.self = this;
    receiver.event = [](void* self, const Event& event) {
      if (event.kind == EventKind::writable) return;
      static_cast<LinkEnd*>(self)->codes.push_back(event.code);
      static_cast<LinkEnd*>(self)->details.emplace_back(event.detail);
    };
    receiver.gate = &gate;
    endpoint->attach(receiver);
  }
  void send(Message message) const {
    const Entry down = endpoint->down();
    down.fn(down.self, down.next, message.c());
  }
  [[nodiscard]] bool is_over() const { return !codes.empty(); }
  [[nodiscard]] std::uint64_t value(std::string_view name) const { return Described(*endpoint)[name]; }

  Gate gate;
  std::vector<std::uint32_t> got;  // sizes of frames
  std::function<void(Bytes)> up = [](Bytes) {};
  std::vector<Errc> codes;  // of its end
  std::vector<std::string> details;
  std::unique_ptr<Endpoint> endpoint;
};

constexpr std::string_view mapped = "mapped";  // shm of our own; the others are providers of ofi

struct ProcessEnd : LinkEnd {
  explicit ProcessEnd(std::string_view medium) : ProcessEnd() {
    using transports::Shm;
    auto made = medium == mapped ? Shm::type().make(*engine, OptionValues(Shm::type().options))
                                 : make_ofi(*engine, medium);
    transport = std::move(made.value());
  }
  explicit ProcessEnd(const OptionValues& options) : ProcessEnd() {
    transport = std::move(make_ofi(*engine, options).value());
  }
  ~ProcessEnd() override { endpoint.reset(); }

  using LinkEnd::send;
  void send(std::uint32_t bytes) const {
    Message message = Message::make(engine->pool(), bytes);
    std::memset(message.writable().data(), 1, bytes);
    send(std::move(message));
  }

  std::unique_ptr<transports::OsEngine> engine = std::move(transports::OsEngine::make().value());
  std::unique_ptr<Transport> transport;

 private:
  ProcessEnd() = default;
};

/// Turns both until it is so; false: it never was, in so much time and so many turns.
inline bool turn_until(ProcessEnd& near, ProcessEnd& far, const std::function<bool()>& done) {
  constexpr std::uint64_t limit_ns = 20'000'000'000;  // only a failing case gets there
  constexpr unsigned turns_min = 500'000;             // that time may go by while this process waits
  bool over = false;
  Timer limit([](void* self) { *static_cast<bool*>(self) = true; }, &over);
  near.engine->timers().arm(limit, near.engine->now_ns() + limit_ns);
  for (unsigned turns = 0; !done() && (!over || turns < turns_min); ++turns) {
    near.engine->poll();
    far.engine->poll();
  }
  return done();
}

/// Turns them until nothing has come for a while: the kernel carries what they say, and as fast as it likes.
template <class... End>
void settle(End&... ends) {
  constexpr std::uint64_t quiet_ns_min = 3'000'000;
  constexpr unsigned quiet_turns_min = 200;  // that time may go by while this process waits for its core
  const auto now_ns = [&] { return std::max({ends.engine->now_ns()...}); };
  std::uint64_t since_ns = now_ns();
  for (unsigned idle = 0; idle < quiet_turns_min || now_ns() - since_ns < quiet_ns_min; ++idle)
    if ((ends.engine->poll() + ...) != 0) idle = 0, since_ns = now_ns();
}

/// Gives `near` an endpoint that will be linked to `far`; where it listens.
inline std::string dial(ProcessEnd& near, ProcessEnd& far) {
  const std::string where = far.transport->name() == "ofi" ? "127.0.0.1:0" : "";
  std::string address = far.transport->listen(where, far).value();
  near.take(std::move(near.transport->dial(address).value()));
  return address;
}

/// … and a frame goes over it.
inline std::string connect(ProcessEnd& near, ProcessEnd& far) {
  std::string address = dial(near, far);
  near.send(1);
  EXPECT_TRUE(turn_until(near, far, [&] { return far.got.size() == 1 || near.is_over() || far.is_over(); }));
  EXPECT_EQ(far.got.size(), 1u);
  return address;
}

}  // namespace harness::tests
