// SPDX-License-Identifier: Apache-2.0
// A peer of shm that shares regions as it likes, and the end that it lies to.
#pragma once

#include <functional>

#include <harness/tests/unit/transports/shm_liar.hpp>
#include <harness/transports/region_memory.hpp>

namespace harness::tests {

using transports::shm::Descriptor;
using transports::shm::Exports;
using transports::shm::Received;
using transports::shm::send_packet;
using transports::shm::send_region;
using wire::ShmMemory;
using wire::ShmPacket;
using wire::ShmPlace;
using wire::ShmRegion;

inline constexpr std::uint64_t memory_bytes = 16 * 1024;

struct RegionLiar : Liar {
  std::shared_ptr<RegionMemory> memory = RegionMemory::make(memory_bytes).value();
  using Liar::Liar;

  [[nodiscard]] wire::ShmPage& page() const { return *reinterpret_cast<wire::ShmPage*>(mine.file()); }
  void show(ShmMemory packet) const { send_packet(socket, packet, memory->file()); }
  void show() const { show({.slot = 3, .flags = ShmMemory::writable, .bytes = memory_bytes}); }
  void region(ShmRegion packet, ShmPlace place) const { send_region(socket, packet, place); }
  void region(std::uint64_t key = 7) const {
    page().live[key % 256] = key;
    region({.slot = 3, .access = 7, .key = key}, {0, memory_bytes});
  }
  /// Packets of the victim, until one of `kind` comes.
  Received wait_for(ShmPacket::Kind kind, const std::function<void()>& turn) const {
    for (unsigned i = 0; i < 100'000; ++i, turn()) {
      Received got = transports::shm::receive_packet(socket);
      if (got.what == Received::What::packet && got.packet.kind == kind) return got;
    }
    ADD_FAILURE() << "no packet of kind " << static_cast<int>(kind);
    return {};
  }
};

struct ShmDirectLies : ::testing::Test {
  Victim victim;
  std::unique_ptr<RegionLiar> liar;

  void greet() {
    victim.forget();
    liar = std::make_unique<RegionLiar>(victim.name);
    liar->hello();
    ASSERT_TRUE(victim.until([&] { return victim.endpoint != nullptr; }));
  }
  using Lie = std::function<void(RegionLiar&)>;
  void expect_each_ends(const std::vector<std::pair<const char*, Lie>>& lies) {
    for (const auto& [what, lie] : lies) {
      SCOPED_TRACE(what);
      greet();
      lie(*liar);
      ASSERT_TRUE(victim.until([&] { return !victim.heard.empty(); }));
      EXPECT_EQ(victim.heard[0].code, Errc::corrupt);
      EXPECT_FALSE(reaches(7));
    }
  }
  bool reaches(std::uint64_t key) { return victim.endpoint->direct()->reaches(key); }
};

}  // namespace harness::tests
