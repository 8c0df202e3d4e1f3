// SPDX-License-Identifier: Apache-2.0
// Two ends of a transport that reaches the peer's memory itself (stack/direct.hpp), each with an engine of
// its own, as two processes have.
#pragma once

#include <stdlib.h>

#include <map>
#include <optional>

#include <gtest/gtest.h>

#include <harness/stack/random.hpp>
#include <harness/tests/support/ofi_options.hpp>
#include <harness/tests/support/seed.hpp>
#include <harness/transports/ofi/entry.hpp>
#include <harness/transports/ofi/library.hpp>
#include <harness/transports/ofi/mock/mock.hpp>
#include <harness/transports/region_memory.hpp>
#include <harness/transports/shm.hpp>

namespace harness::tests {

namespace ofi = transports::ofi;

inline const ofi::Library mock_library{ofi::mock::mock_version,  ofi::mock::mock_getinfo,
                                       ofi::mock::mock_freeinfo, ofi::mock::mock_dupinfo,
                                       ofi::mock::mock_fabric,   ofi::mock::mock_strerror};

inline constexpr std::string_view mapped = "mapped";  // shm of our own; the others are providers of ofi

inline Result<std::unique_ptr<Transport>> make_transport(transports::OsEngine& engine,
                                                         std::string_view medium) {
  using transports::Shm;
  if (medium == mapped) return Shm::type().make(engine, OptionValues(Shm::type().options));
  if (!medium.starts_with("mock")) return ofi::type().make(engine, ofi_options(medium));
  const auto table = ofi::load();
  if (!table) return tl::unexpected<Error>(table.error());
  return (*table)->make(engine, ofi_options(medium), &mock_library);
}

inline constexpr std::uint64_t limit_ns = 20'000'000'000;  // only a failing case gets there

// One process: an engine with its transport and one endpoint, and what its Direct tells.
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

  std::unique_ptr<transports::OsEngine> engine = std::move(transports::OsEngine::make().value());
  std::unique_ptr<Transport> transport;
  Gate gate;
  unsigned frames = 0;
  std::vector<Errc> codes;
  std::map<std::uint64_t, Errc> ended;
  std::map<std::uint64_t, std::vector<std::byte>> results;
  unsigned rooms = 0;
  unsigned gone = 0;
  std::unique_ptr<Endpoint> endpoint;
  Direct* direct = nullptr;
};

inline std::vector<std::byte> pattern(std::size_t bytes, unsigned from = 0) {
  std::vector<std::byte> made(bytes);
  for (std::size_t i = 0; i < bytes; ++i) made[i] = static_cast<std::byte>((i * 7 + from) % 251);
  return made;
}

inline constexpr const char* storm = "seed=7,eagain=0.3,late=32,tx=2,rx=2";

struct Setting {
  const char* name;
  const char* medium;
  const char* knobs;  // of the mock
};

class DirectMedium : public testing::TestWithParam<Setting> {
 protected:
  void SetUp() override {
    const std::string_view medium = GetParam().medium;
    setenv("HARNESS_MOCK", GetParam().knobs, 1);
    if (!medium.starts_with("mock") && medium != mapped)
      if (const std::string why = ofi_missing(medium); !why.empty()) GTEST_SKIP() << why;
    near_.emplace(medium);
    far_.emplace(medium);
    const std::string address = far_->transport->listen(medium == mapped ? "" : "127.0.0.1:0", *far_).value();
    near_->take(std::move(near_->transport->dial(address).value()));
    near_->send(1);
    ASSERT_TRUE(until([&] { return far_->frames == 1; }));
    memory_ = RegionMemory::make(bytes_max).value();
  }
  // Turns both engines, as two processes would.
  bool until(const std::function<bool()>& done) {
    bool over = false;
    Timer limit([](void* self) { *static_cast<bool*>(self) = true; }, &over);
    near_->engine->timers().arm(limit, near_->engine->now_ns() + limit_ns);
    while (!done() && !over) {
      near_->engine->poll();
      if (far_) far_->engine->poll();
    }
    return done();
  }
  RegionHandle share(std::uint64_t offset, std::uint64_t bytes, Access access = Access::all,
                     AtomicDomain atomics = AtomicDomain::cpu) {
    return share(*far_, *near_, offset, bytes, access, atomics);
  }
  RegionHandle share(DirectEnd& by, DirectEnd& with, std::uint64_t offset, std::uint64_t bytes, Access access,
                     AtomicDomain atomics) {
    const Exposed region{++last_key_, memory_->bytes().subspan(offset, bytes), access, atomics, memory_};
    by.direct->share(region);
    EXPECT_TRUE(until([&] { return with.direct->reaches(region.key); }));
    return {region.key, bytes, access, atomics};
  }
  // Begins one operation, when there is room.
  void begin(const std::function<Direct::Outcome()>& operation) {
    Direct::Outcome outcome = operation();
    while (outcome == Direct::Outcome::full) {
      const unsigned rooms = near_->rooms;
      ASSERT_TRUE(until([&] { return near_->rooms != rooms; }));
      outcome = operation();
    }
    ASSERT_NE(outcome, Direct::Outcome::no);
    if (outcome == Direct::Outcome::done) near_->ended.emplace(ticket_, Errc::ok);
    ++ticket_;
  }
  // Puts all of it, a piece a ticket.
  void put(const RegionHandle& to, std::uint64_t offset, const std::vector<std::byte>& bytes) {
    for (std::size_t done = 0; done < bytes.size();) {
      const std::size_t piece =
          std::min<std::uint64_t>(bytes.size() - done, near_->direct->piece_bytes_max());
      begin([&] {
        return near_->direct->put(ticket_, to, offset + done, Bytes(bytes).subspan(done, piece), {});
      });
      if (HasFatalFailure()) return;
      done += piece;
    }
  }
  bool all_ended() {
    return until([&] { return near_->ended.size() == ticket_; });
  }
  [[nodiscard]] std::vector<std::byte> content() const {
    return {memory_->bytes().begin(), memory_->bytes().end()};
  }

  static constexpr std::uint64_t bytes_max = 512 * 1024;
  std::optional<DirectEnd> near_, far_;
  std::shared_ptr<RegionMemory> memory_;
  std::uint64_t last_key_ = 0x1234'5000;
  std::uint64_t ticket_ = 0;
};

}  // namespace harness::tests
