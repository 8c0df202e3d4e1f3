// SPDX-License-Identifier: Apache-2.0
// Receiving large frames: before one gets a slab the stack is asked whether its body belongs into a region.
//
// It is asked by the first bytes of the frame (stack/placement.hpp), which are most often in the scratch
// buffer with its header; when a read cut through them they are collected first. A frame that is placed has a
// slab for its headers alone.
#include <harness/transports/tcp/connection.hpp>

#include <algorithm>
#include <cstring>

namespace harness::transports::tcp {

// Takes what is here of the frame; true when it is complete.
bool Connection::fill_large(const std::byte*& at, std::size_t& size) noexcept {
  if (partial_ == nullptr && !begin_large(at, size)) return false;
  take_rest(at, size);
  return partial_have_ == frame_.length;
}

// Gives the frame a slab: for all of it, or for its headers, when the rest has another place.
bool Connection::begin_large(const std::byte*& at, std::size_t& size) noexcept {
  const bool data = frame_.kind == wire::StreamKind::data && handle_ != nullptr;
  const Placer place = data ? handle_->receiver().place : Placer{};
  if (place.fn != nullptr || front_have_ != 0) {
    const Bytes shown = front(at, size);
    if (shown.empty()) return false;
    if (place.fn != nullptr && !place.fn(place.self, shown, frame_.length, placement_)) placement_.reset();
  }
  partial_ = slab_for(placement_ ? placement_.header_bytes : frame_.length);
  if (partial_ == nullptr) {
    placement_.reset();
    starve();
    return false;
  }
  const std::byte* collected = front_.data();
  std::size_t left = std::exchange(front_have_, 0);
  take_rest(collected, left);
  return true;
}

// The first bytes of the frame, where they lie or collected; empty: not all have come.
Bytes Connection::front(const std::byte*& at, std::size_t& size) noexcept {
  constexpr std::uint32_t wanted = Placement::front_bytes;
  if (front_have_ == 0 && size >= wanted) return {at, wanted};
  const auto part = static_cast<std::uint32_t>(std::min<std::size_t>(size, wanted - front_have_));
  if (part != 0) std::memcpy(front_.data() + front_have_, at, part);
  front_have_ += part;
  at += part;
  size -= part;
  return front_have_ == wanted ? Bytes(front_) : Bytes{};
}

// Where the next bytes of the frame go; no data: nowhere, its region is gone.
MutableBytes Connection::rest() const noexcept {
  const std::uint32_t have = partial_have_;
  if (!placement_) return {partial_->bytes() + have, frame_.length - have};
  const std::uint32_t headers = placement_.header_bytes;
  if (have < headers) return {partial_->bytes() + have, headers - have};
  return {placement_.at != nullptr ? placement_.at + (have - headers) : nullptr, frame_.length - have};
}

// Copies what is here to where it goes.
void Connection::take_rest(const std::byte*& at, std::size_t& size) noexcept {
  while (size != 0 && partial_have_ < frame_.length) {
    const MutableBytes to = rest();
    const std::size_t part = std::min(size, to.size());
    if (to.data() != nullptr) std::memcpy(to.data(), at, part);
    partial_have_ += static_cast<std::uint32_t>(part);
    at += part;
    size -= part;
  }
}

// The frame as a message, its body where it was placed; without it when the region is gone: who knew it then
// refuses the headers. Empty: the pool gave nothing, and is asked again.
Message Connection::large_message() noexcept {
  const std::uint32_t headers = placement_ ? placement_.header_bytes : frame_.length;
  Message message;
  if (placement_.at == nullptr) {
    message = Message::received(partial_, 0, headers);
  } else {
    message = Message::received_placed(pool_, partial_, headers, {placement_.at, frame_.length - headers});
  }
  if (!message) {
    starve();
    return message;
  }
  counts_.placed += placement_.at != nullptr ? 1 : 0;
  partial_ = nullptr;
  placement_.reset();
  return message;
}

}  // namespace harness::transports::tcp
