// SPDX-License-Identifier: Apache-2.0
// checksum: a message that was damaged below is never handed up.
//
// Four bytes of CRC32C before everything that comes from above, taken over its length and its bytes; the
// length, so that a cut message is found as surely as a changed one. Over a lossy layer a damaged message is
// dropped and counted: whoever is reliable above sends it again. Over a reliable one nobody would, so the
// link closes with `corrupt`, and nothing that follows is handed up.
// Rejected: CRC32 of zlib (no instruction for it); a checksum behind the message (the transport would have to
// gather); 16 bits (TCP and UDP have that already). It is no protection against an enemy: that is `encrypt`.
// Bounds: none needed, it keeps nothing. Slow work: 64 KiB take about 4 µs.
// Sources: RFC 3720 §12.1 and B.4; Stone & Partridge, When the CRC and TCP checksum disagree, SIGCOMM 2000.
// Above: reliable, heartbeat. Below: a transport. Wire: layers/wire/checksum.hpp. Checked by:
// check_integrity.
// Page: docs/layers/checksum.md.
#pragma once

#include <harness/layers/wire/checksum.hpp>
#include <harness/stack/layer.hpp>

namespace harness::layers {

class Checksum {
 public:
  static constexpr std::array headers{HeaderInfo{"checksum", wire::info_of<wire::Checksum>}};
  static constexpr Descriptor descriptor{
      .name = "checksum",
      .summary = "finds messages that were damaged below, by CRC32C",
      .options = {},
      .headers = headers,
      .header_bytes_max = wire::bytes_of<wire::Checksum>,
      .contract = {.requires_below = property::message,
                   .forbids_below = {},
                   .adds = property::checked32,
                   .clears = property::place,
                   .cost = {.round_trips = 0, .nominal_ns = 14, .header_bytes = 4}},
      .swap = SwapClass::transform,
      .segment = Segment::epoch,
      .pump = false,
      .place = 80};

  Checksum(const OptionValues&, LayerContext& context)
      : context_(context), reliable_(context.given.covers(property::reliable)) {}
  Checksum(const Checksum&) = delete;
  Checksum& operator=(const Checksum&) = delete;

  template <class Below>
  void down(Message& message, Below below) {
    const std::uint32_t crc = digest(message);
    wire::encode(wire::Checksum{crc}, message.push(wire::bytes_of<wire::Checksum>));
    below(message);
  }

  template <class Above>
  void up(Message& message, Above above) {
    if (!verify(message)) return;
    above(message);
  }

  void describe(Describer& describer) const;

 private:
  static std::uint32_t digest(const Message& message) noexcept;
  bool verify(Message& message);

  LayerContext& context_;
  bool reliable_;
  bool refusing_ = false;
  std::uint64_t checked_messages_ = 0;
  std::uint64_t damaged_messages_ = 0;
};

}  // namespace harness::layers
