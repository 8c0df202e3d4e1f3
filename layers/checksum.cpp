// SPDX-License-Identifier: Apache-2.0
// Both hooks of checksum work on every byte, so they live here; the arithmetic is in checksum/crc32c.
#include <harness/layers/checksum.hpp>

#include <harness/layers/checksum/crc32c.hpp>

namespace harness::layers {

std::uint32_t Checksum::digest(const Message& message) noexcept {
  std::array<std::byte, 4> length{};
  store<std::uint32_t>(length.data(), message.size());
  std::uint32_t crc = crc32c::extend(0, length);
  message.each_run([&](Bytes run) {
    crc = crc32c::extend(crc, run);
    return true;
  });
  return crc;
}

bool Checksum::verify(Message& message) {
  const std::byte* raw = refusing_ ? nullptr : message.pull(wire::bytes_of<wire::Checksum>);
  if (raw != nullptr && wire::decode<wire::Checksum>(raw).crc == digest(message)) [[likely]] {
    ++checked_messages_;
    return true;
  }
  ++damaged_messages_;
  if (reliable_ && !std::exchange(refusing_, true))
    context_.events({EventKind::corrupt, Errc::corrupt, "a checksum does not match what came with it"});
  return false;
}

void Checksum::describe(Describer& describer) const {
  describer.value("checked_messages", checked_messages_);
  describer.value("damaged_messages", damaged_messages_);
}

}  // namespace harness::layers
