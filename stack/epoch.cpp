// SPDX-License-Identifier: Apache-2.0
// Set-up frames of an epoch, and the code that they carry once it is encrypted.
#include <harness/stack/epoch.hpp>

namespace harness {

bool Epoch::send(Pool& pool, const setup::Frame& frame) noexcept {
  Message message = setup::write(pool, frame);
  return message && endpoint != nullptr && endpoint->send_setup(std::move(message)) == Errc::ok;
}

setup::Proof Epoch::seal(bool sent, const setup::Frame& frame) const {
  if (handshake == nullptr) return {};
  const Handshake::Mac mac = handshake->mac(sent, setup::bound(frame));
  return {mac.begin(), mac.end()};
}

bool Epoch::is_sealed(const setup::Frame& frame, Bytes proof) const {
  const setup::Proof right = seal(false, frame);
  if (proof.size() != right.size()) return false;
  std::byte differ{};  // in a time that does not tell how many bytes were right
  for (std::size_t i = 0; i < right.size(); ++i) differ |= proof[i] ^ right[i];
  return differ == std::byte{};
}

}  // namespace harness
