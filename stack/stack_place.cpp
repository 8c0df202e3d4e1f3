// SPDX-License-Identifier: Apache-2.0
// Asking the layers, bottom-up, where the body of a frame belongs that is about to be received.
#include <harness/stack/stack.hpp>

#include <algorithm>

namespace harness {

// Only where every layer below the one-sided one says what it takes off.
Placer Stack::placer() noexcept {
  const auto stops = std::find_if(slots_.rbegin(), slots_.rend(), [](const Slot* slot) {
    return slot->type->one_sided != nullptr || (slot->type->up != nullptr && slot->type->place == nullptr);
  });
  const bool knows = stops != slots_.rend() && (*stops)->type->one_sided != nullptr;
  return knows ? Placer{&place, this} : Placer{};
}

// Whoever watches may keep what it sees, so nothing is placed then; nor while a successor has the layers.
bool Stack::place(void* self, Bytes front, std::uint32_t frame_bytes, Placement& to) noexcept {
  const auto& stack = *static_cast<const Stack*>(self);
  if (!stack.taps_.empty() || stack.successor_ != nullptr) return false;
  std::uint32_t header_bytes = 0;
  for (std::size_t i = stack.slots_.size(); i-- > 0 && to.at == nullptr;) {
    const Slot& slot = *stack.slots_[i];
    if (slot.type->place == nullptr) continue;
    const std::uint32_t stripped =
        slot.type->place(slot.state, front.subspan(header_bytes), frame_bytes - header_bytes, to);
    if (stripped == 0) return false;
    header_bytes += stripped;
  }
  to.header_bytes = header_bytes;
  return to.at != nullptr;
}

}  // namespace harness
