// SPDX-License-Identifier: Apache-2.0
// Frames that wait for room in the ring, the first of them perhaps begun.
//
// One frame finds no room and holds the gate; behind it come at most the frame that a pump still had,
// Endpoint::control_reserve control frames, as many set-up frames, and the bye. Bound: `frames_max`.
#pragma once

#include <array>
#include <cstdint>
#include <utility>

#include <harness/stack/message.hpp>
#include <harness/transports/wire/shm.hpp>

namespace harness::transports::shm {

class SendQueue {
 public:
  static constexpr unsigned frames_max = 16;

  struct Frame {
    Message message;
    wire::ShmKind kind = wire::ShmKind::none;
    std::uint32_t sent_bytes = 0;
  };

  [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
  [[nodiscard]] unsigned setup_count() const noexcept { return setups_; }
  [[nodiscard]] std::uint64_t bytes() const noexcept {
    std::uint64_t bytes = 0;
    for (unsigned i = 0; i < count_; ++i) bytes += at(i).message.size() - at(i).sent_bytes;
    return bytes;
  }
  /// False, with the message untouched, when there is no place.
  bool push(Message&& message, wire::ShmKind kind) noexcept {
    if (count_ == frames_max) return false;
    frames_[(head_ + count_++) % frames_max] = {std::move(message), kind, 0};
    setups_ += kind == wire::ShmKind::setup ? 1u : 0u;
    return true;
  }
  [[nodiscard]] Frame& front() noexcept { return frames_[head_]; }
  void pop() noexcept {
    setups_ -= front().kind == wire::ShmKind::setup ? 1u : 0u;
    front().message.reset();
    head_ = (head_ + 1) % frames_max;
    --count_;
  }
  void clear() noexcept {
    while (!empty()) pop();
  }

 private:
  [[nodiscard]] const Frame& at(unsigned index) const noexcept {
    return frames_[(head_ + index) % frames_max];
  }
  std::array<Frame, frames_max> frames_{};
  unsigned head_ = 0;
  unsigned count_ = 0;
  unsigned setups_ = 0;
};

}  // namespace harness::transports::shm
