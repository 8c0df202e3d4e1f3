// SPDX-License-Identifier: Apache-2.0
// A tap watches one boundary between two layers: an entry linked into both directions while it is wanted.
//
// It sees every message as its neighbours do, headers included, may copy what it wants and hands it on
// unchanged. `harness tap` writes what it sees as pcapng; tests compare it with docs/one-message.md.
#pragma once

#include <harness/stack/layer.hpp>

namespace harness {

class Tap {
 public:
  enum class Direction : std::uint8_t { down, up };
  using See = void (*)(void* self, Direction direction, const Message& message);

  Tap(See see, void* self) noexcept : see_(see), self_(self) {}
  Tap(const Tap&) = delete;
  Tap& operator=(const Tap&) = delete;

 private:
  friend class Stack;
  static void down_thunk(void* self, const Entry* next, harness_message* message) {
    auto* tap = static_cast<Tap*>(self);
    tap->see_(tap->self_, Direction::down, Message::from_c(message));
    next->fn(next->self, next + 1, message);
  }
  static void up_thunk(void* self, const Entry* next, harness_message* message) {
    auto* tap = static_cast<Tap*>(self);
    tap->see_(tap->self_, Direction::up, Message::from_c(message));
    next->fn(next->self, next + 1, message);
  }
  See see_;
  void* self_;
};

}  // namespace harness
