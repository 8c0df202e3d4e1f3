// SPDX-License-Identifier: Apache-2.0
// See epoch_key.hpp: labels and derivation.
#include <harness/layers/encrypt/epoch_key.hpp>

#include <algorithm>

namespace harness::layers::encryption {

namespace {

void derive(Hash& hash, Suite suite, const Secret& secret, std::string_view use, MutableBytes to) noexcept {
  constexpr std::string_view start = "harness encrypt ";
  std::array<std::byte, 32> label{};
  const Bytes first = as_bytes(start);
  const Bytes last = as_bytes(use);
  auto end = std::copy(first.begin(), first.end(), label.begin());
  end = std::copy(last.begin(), last.end(), end);
  *end++ = static_cast<std::byte>(suite);
  hash.expand(secret.bytes, Bytes(label).first(static_cast<std::size_t>(end - label.begin())), to);
}

}  // namespace

void next_epoch(Hash& hash, Suite suite, Secret& secret) noexcept {
  Secret next;
  derive(hash, suite, secret, "next", next.bytes);
  secret = next;
}

void EpochKey::set(Hash& hash, const Secret& secret) noexcept {
  Secret key;
  derive(hash, suite_, secret, "key", key.bytes);
  derive(hash, suite_, secret, "iv", base_);
  aead_.set(key.bytes);
}

}  // namespace harness::layers::encryption
