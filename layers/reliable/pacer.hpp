// SPDX-License-Identifier: Apache-2.0
// Spreads packets over time: a token bucket that lets trains go (RFC 9002 §7.7).
//
// A train is what one poll turn may send at once: at most 64 KiB, so that the transport can hand it to the
// kernel as one segmented datagram, and at most a quarter of the window. An engine that came late may catch
// up on `catch_up_ns`, not more.
#pragma once

#include <algorithm>
#include <cstdint>

namespace harness::layers {

class Pacer {
 public:
  static constexpr std::uint64_t train_bytes_max = 64 * 1024;
  static constexpr std::uint64_t catch_up_ns = 250'000;

  /// The pace from `now_ns` on; 0: none. `window_bytes` bounds the train, which is two packets at least.
  void set(std::uint64_t bytes_per_s, std::uint64_t window_bytes, std::uint32_t packet_bytes,
           std::uint64_t now_ns) noexcept {
    if ((bytes_per_s_ | bytes_per_s) != 0) refill(now_ns);
    bytes_per_s_ = bytes_per_s;
    seen_ns_ = never;
    train_bytes_ = std::max<std::uint64_t>(std::min(train_bytes_max, window_bytes / 4), 2 * packet_bytes);
  }
  /// What may go now; without a pace, everything.
  [[nodiscard]] std::uint64_t ready_bytes(std::uint64_t now_ns) noexcept {
    if (bytes_per_s_ == 0) return ~std::uint64_t{0};
    refill(now_ns);
    return tokens_bytes_ > 0 ? static_cast<std::uint64_t>(tokens_bytes_) : 0;
  }
  /// A packet that is begun is finished: the bucket may go below zero by one packet.
  void spend(std::uint64_t bytes) noexcept {
    if (bytes_per_s_ != 0) tokens_bytes_ -= static_cast<std::int64_t>(bytes);
  }
  /// When half a train may go again; a timer for less would fire for single packets.
  [[nodiscard]] std::uint64_t ready_at_ns() const noexcept {
    const std::int64_t missing = static_cast<std::int64_t>(train_bytes_ / 2) - tokens_bytes_;
    if (missing <= 0 || bytes_per_s_ == 0) return filled_ns_;
    return filled_ns_ + static_cast<std::uint64_t>(missing) * 1'000'000'000 / bytes_per_s_;
  }

 private:
  // Time that is too little for a byte is kept for the next call; a full bucket keeps none.
  void refill(std::uint64_t now_ns) noexcept {
    if (now_ns == seen_ns_) return;  // several looks a turn, and each would divide
    seen_ns_ = now_ns;
    const std::uint64_t passed_ns = std::min<std::uint64_t>(now_ns - filled_ns_, 1'000'000'000);
    const std::uint64_t rate = std::max<std::uint64_t>(bytes_per_s_, 1);
    const std::uint64_t gained =
        rate / 1000 * passed_ns / 1'000'000 + rate % 1000 * passed_ns / 1'000'000'000;
    const std::uint64_t most = std::max(train_bytes_, rate / 1'000'000 * (catch_up_ns / 1000));
    filled_ns_ = gained >= most ? now_ns : filled_ns_ + gained * 1'000'000'000 / rate;
    tokens_bytes_ = std::min(tokens_bytes_ + static_cast<std::int64_t>(std::min(gained, 2 * most)),
                             static_cast<std::int64_t>(most));
  }

  static constexpr std::uint64_t never = ~std::uint64_t{0};
  std::uint64_t bytes_per_s_ = 0;
  std::uint64_t train_bytes_ = train_bytes_max;
  std::int64_t tokens_bytes_ = static_cast<std::int64_t>(train_bytes_max);
  std::uint64_t filled_ns_ = 0;
  std::uint64_t seen_ns_ = never;  // the bucket is full for that time
};

}  // namespace harness::layers
