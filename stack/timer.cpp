// SPDX-License-Identifier: Apache-2.0
// The timer wheel: placing by distance, jumping from one occupied slot to the next, cascading.
#include <harness/stack/timer.hpp>

#include <algorithm>
#include <bit>
#include <limits>

namespace harness {

namespace {
constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t slot_mask = (1u << TimerWheel::level_bits) - 1;
}  // namespace

void TimerWheel::arm(Timer& timer, std::uint64_t due_ns) noexcept {
  timer.unlink();
  const std::uint64_t round_up = (std::uint64_t{1} << tick_shift) - 1;
  timer.due_tick_ = due_ns > never - round_up ? never >> tick_shift : (due_ns + round_up) >> tick_shift;
  timer.due_tick_ = std::max(timer.due_tick_, now_tick_);
  place(timer);
}

// Level 0 holds the current 64 ticks, level k the current 64 slots of 64^k ticks: the highest differing bit
// decides.
void TimerWheel::place(Timer& timer) noexcept {
  const std::uint64_t differ = timer.due_tick_ ^ now_tick_;
  unsigned level = differ == 0 ? 0 : (63 - static_cast<unsigned>(std::countl_zero(differ))) / level_bits;
  std::uint64_t slot = timer.due_tick_ >> (level * level_bits);
  if (level >= levels) {
    // Across the end of the top level's turn its slots wrap around; beyond a whole turn the slot before the
    // current one, looked at again when it comes up.
    level = levels - 1;
    slot = std::min(timer.due_tick_ >> (level * level_bits), (now_tick_ >> (level * level_bits)) + slot_mask);
  }
  slot &= slot_mask;
  slots_[level][slot].push_back(timer);
  occupied_[level] |= std::uint64_t{1} << slot;
}

// The first tick >= now_tick_ at which a slot is due or must cascade, at most `limit`.
std::uint64_t TimerWheel::next_stop(std::uint64_t limit) noexcept {
  std::uint64_t best = limit;
  for (unsigned level = 0; level < levels; ++level) {
    const unsigned shift = level * level_bits;
    const std::uint64_t position = now_tick_ >> shift;
    std::uint64_t occupied = occupied_[level];
    while (occupied != 0) {
      const auto turn = static_cast<unsigned>(position & slot_mask);
      const auto ahead = static_cast<unsigned>(std::countr_zero(std::rotr(occupied, static_cast<int>(turn))));
      const std::uint64_t slot = (turn + ahead) & slot_mask;
      if (slots_[level][slot].empty()) {  // cancelled since
        occupied_[level] &= ~(std::uint64_t{1} << slot);
        occupied &= ~(std::uint64_t{1} << slot);
        continue;
      }
      best = std::min(best, std::max((position + ahead) << shift, now_tick_));
      break;
    }
  }
  return best;
}

void TimerWheel::cascade(unsigned level) noexcept {
  const std::uint64_t slot = (now_tick_ >> (level * level_bits)) & slot_mask;
  if ((occupied_[level] & (std::uint64_t{1} << slot)) == 0) return;
  occupied_[level] &= ~(std::uint64_t{1} << slot);
  Slot moving;
  moving.swap(slots_[level][slot]);
  while (!moving.empty()) {
    Timer& timer = moving.front();
    moving.pop_front();
    place(timer);
  }
}

unsigned TimerWheel::advance(std::uint64_t now_ns) noexcept {
  const std::uint64_t target = now_ns >> tick_shift;
  unsigned fired = 0;
  while (now_tick_ <= target) {
    now_tick_ = next_stop(target + 1);
    if (now_tick_ > target) break;
    for (unsigned level = levels - 1; level >= 1; --level)
      if ((now_tick_ & ((std::uint64_t{1} << (level * level_bits)) - 1)) == 0) cascade(level);
    const std::uint64_t slot = now_tick_ & slot_mask;
    Slot due;
    due.swap(slots_[0][slot]);
    occupied_[0] &= ~(std::uint64_t{1} << slot);
    const std::uint64_t tick = now_tick_++;  // what a callback arms for now falls into the next tick
    while (!due.empty()) {
      Timer& timer = due.front();
      due.pop_front();
      if (timer.due_tick_ > tick) {  // was beyond the horizon
        place(timer);
        continue;
      }
      ++fired;
      timer.fn_(timer.self_);
    }
  }
  return fired;
}

std::uint64_t TimerWheel::next_due_ns() noexcept {
  const std::uint64_t stop = next_stop(never);
  return stop == never ? never : stop << tick_shift;
}

}  // namespace harness
