// SPDX-License-Identifier: Apache-2.0
// Frames that a link accepted and the fabric did not take yet: a ring of messages.
// Bound: `frames_max`; the connection bounds the bytes.
#pragma once

#include <array>
#include <cstdint>

#include <harness/stack/message.hpp>
#include <harness/transports/wire/ofi.hpp>

namespace harness::transports::ofi {

class SendQueue {
 public:
  static constexpr unsigned frames_max = 256;

  [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
  [[nodiscard]] unsigned frames() const noexcept { return count_; }
  [[nodiscard]] unsigned setups() const noexcept { return setups_; }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] Message& front() noexcept { return ring_[head_].message; }
  [[nodiscard]] wire::OfiKind kind() const noexcept { return ring_[head_].kind; }

  /// False, with the message untouched, when the ring is full.
  bool push(Message&& message, wire::OfiKind kind) noexcept {
    if (count_ == frames_max) return false;
    Waiting& last = ring_[(head_ + count_++) % frames_max];
    bytes_ += message.size();
    setups_ += kind == wire::OfiKind::setup ? 1u : 0u;
    last.message = std::move(message);
    last.kind = kind;
    return true;
  }
  void pop() noexcept {
    bytes_ -= front().size();
    setups_ -= kind() == wire::OfiKind::setup ? 1u : 0u;
    front().reset();
    head_ = (head_ + 1) % frames_max;
    --count_;
  }
  void clear() noexcept {
    while (!empty()) pop();
  }

 private:
  struct Waiting {
    Message message;
    wire::OfiKind kind = wire::OfiKind::data;
  };
  std::array<Waiting, frames_max> ring_{};
  unsigned head_ = 0;
  unsigned count_ = 0;
  unsigned setups_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace harness::transports::ofi
