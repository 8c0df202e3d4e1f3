// SPDX-License-Identifier: Apache-2.0
// A placement: where the body of one frame goes while it is received, straight into a region.
//
// Before a transport gives a large frame a slab it shows the frame's first bytes to the stack, which asks its
// layers bottom-up how many of them are theirs; the one that knows regions judges the rest as it would judge
// the whole frame, and takes the placement from Regions. Nothing else changes by asking: the frame then comes
// up as any other, with a body that stands where it belongs already, and is judged once more. A region that
// is revoked, or goes with its link, ends its placements: `at` is null from then on, and the transport reads
// the rest of the frame and forgets it. Rejected: a way for the layer to call the transport back (it would
// have to know which endpoint asked, across swaps); copying into the region in parts without a placement
// (each would have to be judged). Bounds: one a connection.
#pragma once

#include <cstdint>

#include <boost/intrusive/list.hpp>

#include <harness/stack/bytes.hpp>

namespace harness {

/// Owned by the transport, which resets it when the frame is complete or given up. [stack-thread]
class Placement
    : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  /// So much of a frame is shown: all headers of a write, and of what may stand below it.
  static constexpr std::uint32_t front_bytes = 96;

  Placement() = default;
  Placement(const Placement&) = delete;
  Placement& operator=(const Placement&) = delete;

  /// A frame is being placed; `at` may be null by now.
  explicit operator bool() const noexcept { return header_bytes != 0; }
  void reset() noexcept {
    end();
    header_bytes = 0;
  }
  void end() noexcept {
    unlink();
    at = nullptr;
  }

  std::byte* at = nullptr;         // where the byte behind the headers belongs
  std::uint64_t key = 0;           // of the region
  std::uint32_t header_bytes = 0;  // of the frame, set by the stack
};

/// Whom a transport asks: true when all bytes of the frame behind `to.header_bytes` belong to `to.at`.
/// `front` are its first bytes, as many as it has and at most front_bytes. [stack-thread]
struct Placer {
  bool (*fn)(void* self, Bytes front, std::uint32_t frame_bytes, Placement& to) noexcept = nullptr;
  void* self = nullptr;
};

}  // namespace harness
