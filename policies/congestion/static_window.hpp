// SPDX-License-Identifier: Apache-2.0
// static: a window that never changes, for loopback and for a fabric of one's own.
//
// A loss is sent again and says nothing about the path. Wrong on a network shared with others. Ten packets
// are always allowed, since fewer cannot show a loss before a timeout.
#pragma once

#include <algorithm>

#include <harness/policies/congestion/signals.hpp>

namespace harness::congestion {

class StaticWindow {
 public:
  explicit StaticWindow(std::uint64_t window_bytes) noexcept : window_bytes_(window_bytes) {}
  void on_sent(const Sending&) noexcept {}
  void on_ack(const Acked&) noexcept {}
  void on_loss(const Lost&) noexcept {}
  void on_ecn(const Lost&) noexcept {}
  void on_persistent(std::uint64_t) noexcept {}
  [[nodiscard]] Window window(std::uint64_t, std::uint32_t packet_bytes) const noexcept {
    return {std::max<std::uint64_t>(window_bytes_, 10 * std::uint64_t{packet_bytes}), 0};
  }

 private:
  std::uint64_t window_bytes_;
};

}  // namespace harness::congestion
