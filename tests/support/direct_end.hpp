// SPDX-License-Identifier: Apache-2.0
// An end of a link whose transport reaches the peer's memory itself, and what its Direct tells.
#pragma once

#include <map>

#include <harness/tests/support/process_end.hpp>
#include <harness/transports/region_memory.hpp>

namespace harness::tests {

struct DirectEnd final : ProcessEnd {
  using ProcessEnd::ProcessEnd;
  ~DirectEnd() override { endpoint.reset(); }

  void take(std::unique_ptr<Endpoint> mine) override {
    ProcessEnd::take(std::move(mine));
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

  Direct* direct = nullptr;
  std::map<std::uint64_t, Errc> ended;  // by ticket
  std::map<std::uint64_t, std::vector<std::byte>> results;
  unsigned rooms = 0;
  unsigned gone = 0;
};

inline std::vector<std::byte> pattern(std::size_t bytes, unsigned from = 0) {
  std::vector<std::byte> made(bytes);
  for (std::size_t i = 0; i < bytes; ++i) made[i] = static_cast<std::byte>((i * 7 + from) % 251);
  return made;
}

}  // namespace harness::tests
