// SPDX-License-Identifier: Apache-2.0
// Frames that complete before those sent earlier: a provider whose comp_order of fi_rx_attr is not
// FI_ORDER_STRICT matches messages in order and may tell of them in another one. They are kept, ordered by
// sequence, and taken when their turn comes; a frame's credit counts from then on.
// Bounds: early_frames_max frames, each at most a message of the fabric. More is a frame out of sequence.
#include <cstring>

#include <harness/transports/ofi/connection.hpp>

namespace harness::transports::ofi {

using wire::OfiFrame;

// At the front of its own slab; the bytes behind.
struct Connection::Early {
  Slab* next = nullptr;
  OfiFrame header;
  std::size_t size = 0;

  static Early& in(Slab* slab) noexcept { return *reinterpret_cast<Early*>(slab->bytes()); }
  [[nodiscard]] std::byte* behind() noexcept { return reinterpret_cast<std::byte*>(this + 1); }
};

bool Connection::is_early(const OfiFrame& header) const noexcept {
  const std::uint32_t distance = ahead(header.sequence);
  return distance != 0 && distance <= early_frames_max && early_frames_ < early_frames_max &&
         !fabric_.receives_in_order();
}

void Connection::keep_early(const OfiFrame& header, const std::byte* bytes, std::size_t size) noexcept {
  Slab** place = &early_;
  while (*place != nullptr && ahead(Early::in(*place).header.sequence) < ahead(header.sequence))
    place = &Early::in(*place).next;
  if (*place != nullptr && Early::in(*place).header.sequence == header.sequence)
    return end(EventKind::corrupt, Errc::corrupt, "two frames with one number");
  Slab* slab = allocate(static_cast<std::uint32_t>(sizeof(Early) + size));
  if (slab == nullptr) return;
  Early& early = *new (slab->bytes()) Early;
  early.next = *place;
  early.header = header;
  early.size = size;
  if (size != 0) std::memcpy(early.behind(), bytes, size);
  *place = slab;
  ++early_frames_;
}

unsigned Connection::take_early() {
  unsigned done = 0;
  while (early_ != nullptr && ahead(Early::in(early_).header.sequence) == 0) {
    if (state_ == State::ended || state_ == State::dead) break;
    Slab* slab = early_;
    Early& early = Early::in(slab);
    early_ = early.next;
    --early_frames_;
    done += take_next(early.header, early.behind(), early.size);
    Pool::release(slab);
  }
  return done;
}

void Connection::drop_early() noexcept {
  while (early_ != nullptr) {
    Slab* slab = early_;
    early_ = Early::in(slab).next;
    Pool::release(slab);
  }
  early_frames_ = 0;
}

}  // namespace harness::transports::ofi
