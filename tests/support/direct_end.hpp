// SPDX-License-Identifier: Apache-2.0
// One of two ends of a link whose transport reaches the peer's memory itself: an engine, its transport, one
// endpoint, and what its Direct tells. Both stand in one thread, which turns them as two processes would.
#pragma once

#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <harness/tests/support/ofi_options.hpp>
#include <harness/transports/ofi/entry.hpp>
#include <harness/transports/ofi/library.hpp>
#include <harness/transports/ofi/mock/mock.hpp>
#include <harness/transports/region_memory.hpp>
#include <harness/transports/shm.hpp>

namespace harness::tests {

constexpr std::string_view mapped = "mapped";  // shm of our own; the others are providers of ofi

inline Result<std::unique_ptr<Transport>> make_transport(transports::OsEngine& engine,
                                                         std::string_view medium) {
  namespace ofi = transports::ofi;
  using transports::Shm;
  static const ofi::Library mock{ofi::mock::mock_version, ofi::mock::mock_getinfo, ofi::mock::mock_freeinfo,
                                 ofi::mock::mock_dupinfo, ofi::mock::mock_fabric,  ofi::mock::mock_strerror};
  if (medium == mapped) return Shm::type().make(engine, OptionValues(Shm::type().options));
  if (!medium.starts_with("mock")) return ofi::type().make(engine, ofi_options(medium));
  const auto table = ofi::load();
  if (!table) return tl::unexpected<Error>(table.error());
  return (*table)->make(engine, ofi_options(medium), &mock);
}

struct DirectEnd final : Acceptor {
  explicit DirectEnd(std::string_view medium)
      : transport(std::move(make_transport(*engine, medium).value())) {}
  ~DirectEnd() override { endpoint.reset(); }

  void accepted(std::unique_ptr<Endpoint> accepted) override { take(std::move(accepted)); }
  void take(std::unique_ptr<Endpoint> mine) {
    endpoint = std::move(mine);
    Receiver receiver;
    receiver.up = {
        [](void* self, const Entry*, harness_message*) { ++static_cast<DirectEnd*>(self)->frames; }, this,
        nullptr};
    receiver.self = this;
    receiver.event = [](void* self, const Event& event) {
      static_cast<DirectEnd*>(self)->codes.push_back(event.code);
      static_cast<DirectEnd*>(self)->details.emplace_back(event.detail);
    };
    receiver.gate = &gate;
    endpoint->attach(receiver);
    direct = endpoint->direct();
    ASSERT_NE(direct, nullptr);
    direct->attach({.self = this,
                    .ended =
                        [](void* self, std::uint64_t ticket, Errc code, Bytes result) {
                          auto& end = *static_cast<DirectEnd*>(self);
                          EXPECT_TRUE(end.ended.emplace(ticket, code).second) << "ended twice";
                          end.results[ticket] = {result.begin(), result.end()};
                        },
                    .room = [](void* self) { ++static_cast<DirectEnd*>(self)->rooms; },
                    .gone = [](void* self, Direct&) { ++static_cast<DirectEnd*>(self)->gone; }});
  }
  void send(std::uint32_t bytes) {
    Message message = Message::make(engine->pool(), bytes);
    std::memset(message.writable().data(), 1, bytes);
    const Entry down = endpoint->down();
    down.fn(down.self, down.next, message.c());
  }
  /// A number that the endpoint describes itself by.
  [[nodiscard]] std::uint64_t value(std::string_view name) const {
    struct Values final : Describer {
      std::map<std::string, std::uint64_t, std::less<>> all;
      void value(std::string_view which, std::uint64_t number) override { all[std::string(which)] = number; }
      void text(std::string_view, std::string_view) override {}
    } values;
    endpoint->describe(values);
    return values.all.at(std::string(name));
  }

  std::unique_ptr<transports::OsEngine> engine = std::move(transports::OsEngine::make().value());
  std::unique_ptr<Transport> transport;
  Gate gate;
  unsigned frames = 0;
  std::vector<Errc> codes;
  std::vector<std::string> details;
  std::map<std::uint64_t, Errc> ended;
  std::map<std::uint64_t, std::vector<std::byte>> results;
  unsigned rooms = 0;
  unsigned gone = 0;
  std::unique_ptr<Endpoint> endpoint;
  Direct* direct = nullptr;
};

/// Turns both until it is so; false: it never was.
inline bool turn_until(DirectEnd& near, DirectEnd& far, const std::function<bool()>& done) {
  constexpr std::uint64_t limit_ns = 20'000'000'000;  // only a failing case gets there
  bool over = false;
  Timer limit([](void* self) { *static_cast<bool*>(self) = true; }, &over);
  near.engine->timers().arm(limit, near.engine->now_ns() + limit_ns);
  while (!done() && !over) {
    near.engine->poll();
    far.engine->poll();
  }
  return done();
}

/// Gives `near` a link to `far`, over which a frame has gone.
inline std::string connect(DirectEnd& near, DirectEnd& far) {
  const std::string where = far.transport->name() == "ofi" ? "127.0.0.1:0" : "";
  const std::string address = far.transport->listen(where, far).value();
  near.take(std::move(near.transport->dial(address).value()));
  near.send(1);
  EXPECT_TRUE(turn_until(near, far, [&] { return far.frames == 1; }));
  return address;
}

inline std::vector<std::byte> pattern(std::size_t bytes, unsigned from = 0) {
  std::vector<std::byte> made(bytes);
  for (std::size_t i = 0; i < bytes; ++i) made[i] = static_cast<std::byte>((i * 7 + from) % 251);
  return made;
}

}  // namespace harness::tests
