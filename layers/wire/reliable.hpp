// SPDX-License-Identifier: Apache-2.0
// The headers of `reliable`. A packet is an optional `ack` (or `noted ack` and `note`) with its ranges, then
// one of data, part, probe, or nothing.
//
// Packet numbers name transmissions and are never used twice; message numbers name what the layers above
// handed down. Both go truncated to 30 bits and are completed by what the receiver expects (RFC 9000 A.3):
// windows of 2^16 packets and 2^15 messages leave no doubt.
#pragma once

#include <harness/stack/field.hpp>

namespace harness::wire {

enum class ReliableForm : std::uint8_t { data = 0, part = 1, ack = 2, probe = 3, noted_ack = 4 };

inline constexpr unsigned reliable_number_bits = 30;

struct ReliableData {
  ReliableForm form = ReliableForm::data;
  std::uint32_t packet = 0;
  std::uint32_t message = 0;
  static constexpr auto fields =
      std::tuple{Field<&ReliableData::form>{"form", 4, "0: the whole message follows"},
                 Field<&ReliableData::packet>{"packet", 30, "packet number, its low 30 bits"},
                 Field<&ReliableData::message>{"message", 30, "message number, its low 30 bits"}};
};

struct ReliablePart {
  ReliableForm form = ReliableForm::part;
  std::uint32_t packet = 0;
  std::uint32_t message = 0;
  std::uint32_t offset = 0;
  bool more = false;
  static constexpr auto fields =
      std::tuple{Field<&ReliablePart::form>{"form", 4, "1: a part of a message follows"},
                 Field<&ReliablePart::packet>{"packet", 30, "packet number, its low 30 bits"},
                 Field<&ReliablePart::message>{"message", 30, "message number, equal in all parts"},
                 Field<&ReliablePart::offset>{"offset", 31, "where the part belongs, in bytes"},
                 Field<&ReliablePart::more>{"more", 1, "0: the message ends with this part"}};
};

struct ReliableAck {
  ReliableForm form = ReliableForm::ack;
  std::uint32_t largest = 0;
  std::uint32_t first = 0;
  std::uint16_t delay = 0;
  std::uint8_t ranges = 0;
  std::uint64_t credit = 0;
  std::uint16_t congested = 0;
  static constexpr auto fields = std::tuple{
      Field<&ReliableAck::form>{"form", 4, "2: an acknowledgement; 4: one with a note behind it"},
      Field<&ReliableAck::largest>{"largest", 30, "largest packet number received, its low 30 bits"},
      Field<&ReliableAck::first>{"first", 20, "how many right below it were received, too"},
      Field<&ReliableAck::delay>{"delay", 14, "since the largest arrived, in units of 4 µs"},
      Field<&ReliableAck::ranges>{"ranges", 6, "further ranges that follow, at most 32"},
      Field<&ReliableAck::credit>{"credit", 38, "what may be sent in all, in units of 64 bytes, wraps"},
      Field<&ReliableAck::congested>{"congested", 16, "packets that came marked (ECN CE), wraps"}};
};

/// Behind an acknowledgement of form 4, before its ranges: what a layer above lets ride on it.
struct ReliableNote {
  std::uint64_t note = 0;
  static constexpr auto fields =
      std::tuple{Field<&ReliableNote::note>{"note", 64, "of the layer above that has one: put"}};
};

/// One further range, downwards: `gap + 1` packets missing, then `length + 1` received.
struct ReliableRange {
  std::uint16_t gap = 0;
  std::uint16_t length = 0;
  static constexpr auto fields =
      std::tuple{Field<&ReliableRange::gap>{"gap", 16, "packets missing below the range before, less one"},
                 Field<&ReliableRange::length>{"length", 16, "packets received below those, less one"}};
};

struct ReliableProbe {
  ReliableForm form = ReliableForm::probe;
  std::uint32_t packet = 0;
  std::uint32_t reserved = 0;
  static constexpr auto fields = std::tuple{
      Field<&ReliableProbe::form>{"form", 4, "3: asks for an acknowledgement; what follows is padding"},
      Field<&ReliableProbe::packet>{"packet", 30, "packet number, its low 30 bits"},
      Field<&ReliableProbe::reserved>{"reserved", 30, "0; ignored"}};
};

static_assert(bytes_of<ReliableData> == 8 && bytes_of<ReliablePart> == 12 && bytes_of<ReliableAck> == 16 &&
              bytes_of<ReliableNote> == 8 && bytes_of<ReliableRange> == 4 && bytes_of<ReliableProbe> == 8);

/// The number nearest to `expected` whose low `bits` are `truncated` (RFC 9000 A.3).
constexpr std::uint64_t complete(std::uint64_t truncated, unsigned bits, std::uint64_t expected) noexcept {
  const std::uint64_t window = std::uint64_t{1} << bits;
  const std::uint64_t candidate = (expected & ~(window - 1)) | truncated;
  if (candidate + window / 2 <= expected) return candidate + window;
  if (candidate > expected + window / 2 && candidate >= window) return candidate - window;
  return candidate;
}

}  // namespace harness::wire
