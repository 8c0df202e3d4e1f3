// SPDX-License-Identifier: Apache-2.0
// Two ends of an ofi link on two engines, as two processes have them; turned by the test.
#pragma once

#include <array>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <harness/tests/support/ofi_options.hpp>
#include <harness/transports/ofi/entry.hpp>
#include <harness/transports/ofi/library.hpp>

namespace harness::tests {

struct OfiValues final : Describer {
  std::map<std::string, std::uint64_t, std::less<>> values;
  std::map<std::string, std::string, std::less<>> texts;
  void value(std::string_view name, std::uint64_t value) override { values[std::string(name)] = value; }
  void text(std::string_view name, std::string_view text) override {
    texts[std::string(name)] = std::string(text);
  }
};

// One engine with its transport and one endpoint. `library`: instead of libfabric.
struct OfiEnd final : Acceptor {
  explicit OfiEnd(const OptionValues& options, const transports::ofi::Library* library = nullptr)
      : transport(std::move(transports::ofi::load().value()->make(*engine, options, library).value())) {}
  explicit OfiEnd(std::string_view provider) : OfiEnd(ofi_options(provider)) {}

  void accepted(std::unique_ptr<Endpoint> accepted) override { take(std::move(accepted)); }
  void take(std::unique_ptr<Endpoint> mine) {
    endpoint = std::move(mine);
    Receiver receiver;
    receiver.up = {[](void* self, const Entry*, harness_message* raw) {
                     auto& end = *static_cast<OfiEnd*>(self);
                     const Bytes front = Message::from_c(raw).front();
                     end.got.push_back(Message::from_c(raw).size());
                     end.edges.push_back({front.front(), front.back()});
                   },
                   this, nullptr};
    receiver.self = this;
    receiver.event = [](void* self, const Event& event) {
      static_cast<OfiEnd*>(self)->heard.emplace_back(event.code, event.detail);
    };
    receiver.gate = &gate;
    endpoint->attach(receiver);
  }
  void send(std::uint32_t bytes) {
    Message message = Message::make(engine->pool(), bytes);
    std::memset(message.writable().data(), 1, bytes);
    send(message);
  }
  void send(Message& message) {
    const Entry down = endpoint->down();
    down.fn(down.self, down.next, message.c());
  }
  [[nodiscard]] OfiValues described() const {
    OfiValues all;
    endpoint->describe(all);
    return all;
  }
  [[nodiscard]] std::uint64_t value(std::string_view name) const {
    return described().values[std::string(name)];
  }

  std::unique_ptr<transports::OsEngine> engine = std::move(transports::OsEngine::make().value());
  std::unique_ptr<Transport> transport;
  Gate gate;
  std::vector<std::uint32_t> got;
  std::vector<std::array<std::byte, 2>> edges;  // first and last byte of each
  std::vector<std::pair<Errc, std::string>> heard;
  std::unique_ptr<Endpoint> endpoint;
};

// Turns both engines, as two processes would.
inline bool until(OfiEnd& one, OfiEnd& other, const std::function<bool()>& done) {
  constexpr std::uint64_t limit_ns = 20'000'000'000;  // only a failing case gets there
  bool over = false;
  Timer limit([](void* self) { *static_cast<bool*>(self) = true; }, &over);
  one.engine->timers().arm(limit, one.engine->now_ns() + limit_ns);
  while (!done() && !over) {
    one.engine->poll();
    other.engine->poll();
  }
  return done();
}

inline void connect(OfiEnd& near, OfiEnd& far) {
  const std::string address = far.transport->listen("127.0.0.1:0", far).value();
  near.take(std::move(near.transport->dial(address).value()));
  near.send(1);
  ASSERT_TRUE(until(near, far, [&] { return !far.got.empty() || !near.heard.empty(); }));
}

}  // namespace harness::tests
