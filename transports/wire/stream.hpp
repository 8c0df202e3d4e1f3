// SPDX-License-Identifier: Apache-2.0
// The frame header on streams and rings (tcp, shm): eight bytes before every frame.
//
// A length beyond what the receiver agreed to, an unknown kind or epoch, or a sequence number that is not the
// next one means that the stream was damaged or is not ours: the connection ends with `corrupt` before
// anything is allocated. Frames are counted per direction from 0, set-up and close frames included.
#pragma once

#include <harness/stack/field.hpp>

namespace harness::wire {

enum class StreamKind : std::uint8_t { data = 1, setup = 2, bye = 3 };

struct StreamFrame {
  std::uint32_t length = 0;
  StreamKind kind = StreamKind::data;
  std::uint8_t epoch = 0;
  std::uint32_t sequence = 0;

  static constexpr std::uint32_t sequence_mask = (1u << 30) - 1;
  static constexpr auto fields = std::tuple{
      Field<&StreamFrame::length>{"length", 28, "bytes behind this header"},
      Field<&StreamFrame::kind>{"kind", 4,
                                "1 data, 2 set-up, 3 the sender closes in order and sends no more"},
      Field<&StreamFrame::epoch>{"epoch", 2,
                                 "which of the link's stacks the frame belongs to; 0 until swapped"},
      Field<&StreamFrame::sequence>{"sequence", 30, "frames sent before in this direction, modulo 2^30"},
  };
};
static_assert(bytes_of<StreamFrame> == 8);

}  // namespace harness::wire
