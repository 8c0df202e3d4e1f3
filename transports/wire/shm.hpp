// SPDX-License-Identifier: Apache-2.0
// What two processes of one host share: records in the ring, the credit line, packets on the socket.
//
// A record is an eight-byte header, the layout of the frame header on streams, and its payload; each begins
// on a cache line of its own, so that header and up to 56 bytes cross in one. The header word is stored last,
// after the word where the next record will begin was set to zero: whatever a former lap of the ring left
// there is never read as a header. Positions are counts of bytes since the link began; a ring of 2^n bytes
// lies twice, one copy behind the other, so no record is split. Everything here is written by one side alone
// and mapped read-only by the other; a reader loads each word once and checks its copy.
#pragma once

#include <harness/stack/field.hpp>

namespace harness::wire {

enum class ShmKind : std::uint8_t { none = 0, data = 1, setup = 2, bye = 3, part = 4, loan = 5 };

struct ShmRecord {
  std::uint32_t length = 0;
  ShmKind kind = ShmKind::none;
  std::uint8_t epoch = 0;
  std::uint32_t sequence = 0;

  static constexpr std::uint32_t sequence_mask = (1u << 30) - 1;
  static constexpr std::uint64_t line_bytes = 64;
  static constexpr auto fields = std::tuple{
      Field<&ShmRecord::length>{"length", 28, "bytes behind this header"},
      Field<&ShmRecord::kind>{
          "kind", 4,
          "1 data, 2 set-up, 3 the sender closes in order and sends no more, 4 a part of a "
          "larger frame, 5 a loan; 0: not written yet"},
      Field<&ShmRecord::epoch>{"epoch", 2,
                               "which of the link's stacks the frame belongs to; 0 until swapped"},
      Field<&ShmRecord::sequence>{"sequence", 30, "records before in this direction, modulo 2^30"},
  };
};
static_assert(bytes_of<ShmRecord> == 8);

/// Stands before the bytes of a part.
struct ShmPart {
  std::uint32_t total = 0;
  ShmKind kind = ShmKind::data;
  std::uint32_t offset = 0;

  static constexpr auto fields = std::tuple{
      Field<&ShmPart::total>{"total", 28, "bytes of the whole frame"},
      Field<&ShmPart::kind>{"kind", 4, "1 data, 2 set-up"},
      Field<&ShmPart::offset>{"offset", 32, "where in the frame these bytes stand: behind those that came"},
  };
};
static_assert(bytes_of<ShmPart> == 8);

/// The whole of a loan: a data frame that the receiver reads where the sender wrote it.
struct ShmLoan {
  std::uint64_t at = 0;
  std::uint16_t slot = 0;
  std::uint32_t bytes = 0;

  static constexpr auto fields = std::tuple{
      Field<&ShmLoan::at>{"at", 48, "where in the sender's arena the frame begins"},
      Field<&ShmLoan::slot>{"slot", 16, "below 64: the bit of `returned` that gives it back"},
      Field<&ShmLoan::bytes>{"bytes", 32, "of the frame"},
  };
};
static_assert(bytes_of<ShmLoan> == 12);

/// The first packet of a side, with its memory; a second one brings the arena of its loans. Any packet of one
/// byte is a bell.
struct ShmPacket {
  static constexpr std::uint32_t magic_word = 0x31534e48;  // "HNS1"
  static constexpr std::uint16_t borrows = 1;
  static constexpr std::uint16_t reaches = 2;
  enum class Kind : std::uint8_t { hello = 1, arena = 2, memory = 3, region = 4, drop = 5 };

  std::uint32_t magic = magic_word;
  Kind kind = Kind::hello;
  std::uint8_t log2_bytes = 0;
  std::uint16_t flags = 0;

  static constexpr auto fields = std::tuple{
      Field<&ShmPacket::magic>{"magic", 32, "\"HNS1\": shared memory, version 1"},
      Field<&ShmPacket::kind>{"kind", 8, "1 the ring of the sender with its credit line, 2 its arena"},
      Field<&ShmPacket::log2_bytes>{"log2_bytes", 8, "of the ring, or of the arena"},
      Field<&ShmPacket::flags>{"flags", 16,
                               "bit 0: loans may be sent to this side, bit 1: regions may be shared with it"},
  };
};
static_assert(bytes_of<ShmPacket> == 8);

/// Memory that regions of the sender stand in, with its descriptor; or word that none does any more.
struct ShmMemory {
  static constexpr std::uint16_t writable = 1;
  static constexpr std::uint16_t barriers = 2;

  std::uint32_t magic = ShmPacket::magic_word;
  ShmPacket::Kind kind = ShmPacket::Kind::memory;
  std::uint8_t slot = 0;
  std::uint16_t flags = 0;
  std::uint64_t bytes = 0;

  static constexpr auto fields = std::tuple{
      Field<&ShmMemory::magic>{"magic", 32, "as above"},
      Field<&ShmMemory::kind>{"kind", 8, "3 memory with its descriptor, 5 the slot is free again"},
      Field<&ShmMemory::slot>{"slot", 8, "below 64, free until now"},
      Field<&ShmMemory::flags>{"flags", 16,
                               "bit 0: may be written, bit 1: the sender revokes with membarrier(2)"},
      Field<&ShmMemory::bytes>{"bytes", 64, "of the memory: whole pages"},
  };
};
static_assert(bytes_of<ShmMemory> == 16);

/// A region of the sender, and behind it its place in the memory; that in the table `live` is its key modulo
/// 256.
struct ShmRegion {
  std::uint32_t magic = ShmPacket::magic_word;
  ShmPacket::Kind kind = ShmPacket::Kind::region;
  std::uint8_t slot = 0;
  std::uint16_t access = 0;
  std::uint64_t key = 0;

  static constexpr auto fields = std::tuple{
      Field<&ShmRegion::magic>{"magic", 32, "as above"},
      Field<&ShmRegion::kind>{"kind", 8, "4 a region"},
      Field<&ShmRegion::slot>{"slot", 8, "of the memory it stands in"},
      Field<&ShmRegion::access>{"access", 16, "bit 0 read, bit 1 write, bit 2 atomic"},
      Field<&ShmRegion::key>{"key", 64, "of its handle"},
  };
};
struct ShmPlace {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;

  static constexpr auto fields = std::tuple{
      Field<&ShmPlace::offset>{"offset", 64, "where in the memory the region begins"},
      Field<&ShmPlace::bytes>{"bytes", 64, "of the region"},
  };
};
static_assert(bytes_of<ShmRegion> + bytes_of<ShmPlace> == 32);

/// The credit line, at the start of each side's memory: what it has taken from the peer's ring, and how it
/// wants to be told. The ring begins one page behind it.
struct ShmLine {
  std::uint64_t consumed;    // bytes of the peer's ring that may be written again
  std::uint64_t returned;    // a bit a loan: changes when the loan of that slot is given back
  std::uint32_t bell;        // odd: asleep, ring the socket once for this value; even: looks by itself
  std::uint32_t wants_room;  // not 0: waits for the peer to take something
};
static_assert(sizeof(ShmLine) <= ShmRecord::line_bytes);

/// The first page of each side's memory. What is written and read at different times, or by different sides,
/// lies apart, and not on neighbouring lines, which processors fetch together.
struct ShmPage {
  static constexpr unsigned regions_max = 256;

  ShmLine line;
  // Where this side is in the peer's memory: bit 0 whether it is, then the places in the peer's `live` of the
  // two regions it is in, 8 bits each, then a count.
  alignas(4 * ShmRecord::line_bytes) std::uint64_t flight;
  alignas(1024) std::uint64_t abandoned;          // the peer's `flight` that was waited for in vain
  alignas(2048) std::uint64_t live[regions_max];  // keys the peer may use, by key modulo 256

  static constexpr std::uint64_t flight_step = std::uint64_t{1} << 17;
  static constexpr std::uint64_t flight_in(std::uint64_t one_key, std::uint64_t other_key) noexcept {
    return 1 | (one_key % regions_max) << 1 | (other_key % regions_max) << 9;
  }
};
static_assert(sizeof(ShmPage) == 4096);

}  // namespace harness::wire
