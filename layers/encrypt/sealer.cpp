// SPDX-License-Identifier: Apache-2.0
// See sealer.hpp: the step from epoch to epoch.
#include <harness/layers/encrypt/sealer.hpp>

#include <algorithm>

namespace harness::layers::encryption {

Sealer::Sealer(Hash& hash, const Cipher& cipher, const Secret& secret, const RekeyLimits& limits,
               std::uint64_t now_ns)
    : key_(cipher), limits_(limits), hash_(hash), suite_(cipher.suite), secret_(secret) {
  begin(now_ns);
}

void Sealer::begin(std::uint64_t now_ns) noexcept {
  key_.set(hash_, secret_);
  granted_records_ = records_left_ = std::min(limits_.records, key_records_max);
  bytes_left_ = limits_.bytes;
  begun_ns_ = now_ns;
  until_ns_ = now_ns + limits_.time_ns;
}

// A record larger than what an epoch may carry goes alone into one of its own. No epoch begins that could run
// beyond the last number.
bool Sealer::step(std::uint64_t now_ns) noexcept {
  const bool used_up = records_left_ == 0 && granted_records_ == key_records_max;
  if (now_ns < begun_ns_ + limits_.pause_ns && !used_up) return go_on(), true;
  if (number_ > link_records_max - key_records_max) return false;
  ++epoch_;
  next_epoch(hash_, suite_, secret_);
  begin(now_ns);
  return true;
}

// The limits are reached before the pause is over: a little more of the same key.
void Sealer::go_on() noexcept {
  constexpr std::uint64_t portion = 1024;
  const std::uint64_t more = std::min(portion, key_records_max - granted_records_);
  granted_records_ += more;
  records_left_ += more;
  bytes_left_ = ~std::uint64_t{0};
  until_ns_ = begun_ns_ + limits_.pause_ns;
}

}  // namespace harness::layers::encryption
