// SPDX-License-Identifier: Apache-2.0
// Hierarchical timer wheel: arm, cancel and expire in constant time, no allocation, resolution 4.096 µs.
//
// Five levels of 64 slots; level k has slots of 64^k ticks; a bit per slot says which are occupied, so the
// next due time is five bit scans. A timer further than 64^5 ticks (73 minutes) away sits in the last slot
// and is armed anew there. Late timers fire on the next advance; none fires early. Source: Varghese & Lauck,
// SOSP 1987 (scheme 7).
#pragma once

#include <array>
#include <cstdint>

#include <boost/intrusive/list.hpp>

namespace harness {

class TimerWheel;

/// A one-shot timer owned by its user; cancels itself when destroyed. Calls `fn(self)` on the stack thread.
class Timer
    : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  using Fn = void (*)(void* self);
  Timer(Fn fn, void* self) noexcept : fn_(fn), self_(self) {}
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  [[nodiscard]] bool armed() const noexcept { return is_linked(); }
  void cancel() noexcept { unlink(); }

 private:
  friend class TimerWheel;
  Fn fn_;
  void* self_;
  std::uint64_t due_tick_ = 0;
};

class TimerWheel {
 public:
  static constexpr unsigned tick_shift = 12;  // 4096 ns
  static constexpr unsigned level_bits = 6;
  static constexpr unsigned levels = 5;

  explicit TimerWheel(std::uint64_t now_ns = 0) noexcept : now_tick_(now_ns >> tick_shift) {}
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  /// (Re)arms `timer` to fire at or after `due_ns`. [stack-thread]
  void arm(Timer& timer, std::uint64_t due_ns) noexcept;
  /// Fires everything due at `now_ns`; returns how many fired. A timer armed for the past by a callback fires
  /// next time.
  unsigned advance(std::uint64_t now_ns) noexcept;
  /// A lower bound, in ns, of the next due time; UINT64_MAX when nothing is armed. Exact within one level's
  /// slot.
  [[nodiscard]] std::uint64_t next_due_ns() noexcept;

 private:
  using Slot = boost::intrusive::list<Timer, boost::intrusive::constant_time_size<false>>;
  void place(Timer& timer) noexcept;
  void cascade(unsigned level) noexcept;
  [[nodiscard]] std::uint64_t next_stop(std::uint64_t limit) noexcept;

  std::array<std::array<Slot, 1u << level_bits>, levels> slots_;
  std::array<std::uint64_t, levels> occupied_{};
  std::uint64_t now_tick_;  // the next tick to look at: every timer due before it has fired
};

}  // namespace harness
