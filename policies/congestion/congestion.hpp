// SPDX-License-Identifier: Apache-2.0
// Congestion control: what was acknowledged, lost or marked goes in, a window and a pace come out.
//
// A controller is a value that its connection owns; it has no clock and no side effect, so that a test plays
// any history to it. All of them answer the same five calls; `Controller` holds one of them. What every
// controller leaves to its owner: which packets are in flight, which are lost, when to send.
// Sources: RFC 9002 §7 (the frame that any controller fits into), RFC 9438.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <variant>

#include <harness/policies/congestion/cubic.hpp>
#include <harness/policies/congestion/static_window.hpp>

namespace harness::congestion {

enum class Kind : std::uint8_t { fixed, cubic };
inline constexpr std::array<std::string_view, 2> kind_words{"static", "cubic"};

class Controller {
 public:
  /// `window_bytes`: what `static` keeps in flight, and the most that others may.
  Controller(Kind kind, std::uint64_t window_bytes, std::uint32_t packet_bytes) noexcept
      : value_(kind == Kind::fixed ? Value(StaticWindow(window_bytes))
                                   : Value(Cubic(window_bytes, packet_bytes))) {}

  void on_sent(const Sending& sent) noexcept {
    std::visit([&](auto& value) { value.on_sent(sent); }, value_);
  }
  void on_ack(const Acked& acked) noexcept {
    std::visit([&](auto& value) { value.on_ack(acked); }, value_);
  }
  void on_loss(const Lost& lost) noexcept {
    std::visit([&](auto& value) { value.on_loss(lost); }, value_);
  }
  void on_ecn(const Lost& marked) noexcept {
    std::visit([&](auto& value) { value.on_ecn(marked); }, value_);
  }
  void on_persistent(std::uint64_t now_ns) noexcept {
    std::visit([&](auto& value) { value.on_persistent(now_ns); }, value_);
  }
  /// What may be in flight, and how fast it may be sent; `packet_bytes` is the path's present packet size.
  [[nodiscard]] Window window(std::uint64_t smoothed_rtt_ns, std::uint32_t packet_bytes) noexcept {
    return std::visit([&](auto& value) { return value.window(smoothed_rtt_ns, packet_bytes); }, value_);
  }

 private:
  using Value = std::variant<StaticWindow, Cubic>;
  Value value_;
};

}  // namespace harness::congestion
