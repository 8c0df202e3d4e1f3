// SPDX-License-Identifier: Apache-2.0
// See fault_corrupt.hpp.
#include <harness/layers/fault/fault_corrupt.hpp>

namespace harness::layers {

void FaultCorrupt::damage(Message& message) {
  const std::uint32_t bytes = message.size();
  if (bytes == 0) return;
  Message copy = Message::make(context_.pool, bytes, context_.quota);
  if (!copy) {
    ++without_memory_;
    return;
  }
  const MutableBytes body = copy.writable();
  message.copy_to(body.data());
  for (std::uint64_t left = dice_.random().between(1, bits_max_); left > 0; --left) {
    const std::uint64_t at = dice_.random().below(std::uint64_t{bytes} * 8);
    body[at / 8] ^= static_cast<std::byte>(1u << at % 8);
  }
  copy.note() = message.note();
  message = std::move(copy);
  ++damaged_messages_;
}

}  // namespace harness::layers
