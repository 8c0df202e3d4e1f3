// SPDX-License-Identifier: Apache-2.0
// A peer of shm that is nothing but a socket and memory, and the end that it lies to. It holds its own memory
// for writing, as every peer does, and writes what it likes.
#pragma once

#include <cstring>

#include <harness/tests/unit/transports/shm_pair.hpp>

namespace harness::tests {

inline constexpr std::uint64_t ring_bytes = 64 << 10;
inline constexpr std::uint64_t arena_bytes = 64 << 10;

struct Liar {
  static constexpr std::uint64_t header_bytes = transports::shm::bytes_of_header;

  std::uint64_t bytes;  // of its ring
  transports::shm::Descriptor socket;
  transports::shm::Descriptor file;
  transports::shm::Memory mine = transports::shm::Memory::make(
      {0, transports::shm::page_bytes + bytes, transports::shm::page_bytes}, file);
  transports::shm::Descriptor arena_file;
  transports::shm::Memory arena = transports::shm::Memory::make({0, arena_bytes, arena_bytes}, arena_file);
  std::uint64_t tail = 0;
  std::uint32_t sequence = 0;

  explicit Liar(const std::string& name, std::uint64_t its_ring_bytes = ring_bytes)
      : bytes(its_ring_bytes), socket(transports::shm::connect_to(*transports::shm::parse(name))) {
    EXPECT_TRUE(mine.back(0, transports::shm::page_bytes + bytes));
  }
  [[nodiscard]] wire::ShmLine& line() const { return *reinterpret_cast<wire::ShmLine*>(mine.file()); }
  [[nodiscard]] std::byte* at(std::uint64_t position) const {
    return mine.file() + transports::shm::page_bytes + position % bytes;
  }
  void hello() const { hello(static_cast<std::uint8_t>(std::countr_zero(bytes))); }
  void hello(std::uint8_t log2) const {
    transports::shm::send_packet(socket, {.log2_bytes = log2, .flags = 3}, file.get());
  }
  void lend_arena(std::uint8_t log2 = 16) const {
    transports::shm::send_packet(socket, {.kind = wire::ShmPacket::Kind::arena, .log2_bytes = log2},
                                 arena_file.get());
  }
  // A record as it should be, but for what the caller changes in its header word.
  void record(wire::ShmKind kind, std::uint32_t payload_bytes, std::uint64_t flips = 0) {
    using namespace transports::shm;
    std::uint64_t word = payload_bytes | std::uint64_t{static_cast<std::uint8_t>(kind)} << 28 |
                         std::uint64_t{sequence++} << 34;
    word ^= flips;
    store<std::uint64_t>(at(tail + record_bytes(payload_bytes)), 0);
    store_shared(*reinterpret_cast<std::uint64_t*>(at(tail)), word);
    tail += record_bytes(payload_bytes);
  }
  void part(const wire::ShmPart& header, std::uint32_t payload_bytes) {
    wire::encode(header, at(tail) + header_bytes);
    record(wire::ShmKind::part, wire::bytes_of<wire::ShmPart> + payload_bytes);
  }
  void loan(const wire::ShmLoan& loan) {
    wire::encode(loan, at(tail) + header_bytes);
    record(wire::ShmKind::loan, wire::bytes_of<wire::ShmLoan>);
  }
};

struct Victim : ShmEnd {
  std::string name = shm.listen("", *this).value();
  using ShmEnd::ShmEnd;
  void turns(unsigned count) const {
    for (; count != 0; --count) engine->poll();
  }
  // The socket is asked every 50 us while a link is hot.
  template <class Done>
  bool until(Done&& done) {
    for (unsigned i = 0; i < 1'000'000 && !done(); ++i) engine->poll();
    return done();
  }
  void forget() {
    got.clear();
    heard.clear();
    endpoint.reset();
    gate = Gate();
    more.clear();
    turns(2);
  }
};

inline void expect_refused(Victim& victim) {
  victim.turns(8);
  EXPECT_EQ(victim.endpoint, nullptr);
  EXPECT_EQ(victim.shm.connection_count(), 0u);
}

}  // namespace harness::tests
