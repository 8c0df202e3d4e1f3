// SPDX-License-Identifier: Apache-2.0
// Up to which size a frame is sent at once ("eager"), and from which on it is offered and read.
//
// The row of the policy table has a figure for every provider, which is right on some machine. What frames of
// growing sizes cost here is measured (probe.hpp), and this decides: the table's figure stays where it lies
// between the largest size that is clearly cheaper eager and the smallest that is clearly cheaper offered;
// where it does not, the nearer end of that range is taken. So noise near the crossing changes nothing. Costs
// that cross more than once are no crossing, and the table holds.
// Rejected: the crossing of two fitted lines, since costs have steps where providers change their protocol.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace harness::transports::ofi {

// Of a message of the fabric, header included.
inline constexpr std::uint32_t eager_bytes_min = 1024;            // smaller ones are never offered
inline constexpr std::uint32_t eager_bytes_max = 64 * 1024 + 16;  // a frame of 64 KiB

/// What frames of one size cost, in any unit; 0: that was not measured.
struct FrameCost {
  std::uint32_t bytes = 0;
  std::uint64_t eager = 0;
  std::uint64_t offered = 0;
};

struct Crossover {
  enum class How : std::uint8_t { table, option, learnt };
  std::uint32_t bytes = 0;  // the largest message that is sent at once
  How how = How::table;
  const char* why = "it was not measured";  // of the table
  unsigned sizes = 0;                       // measured
};

/// The crossover of these costs, by growing size, where the table says `table_bytes`. [any-thread]
constexpr Crossover crossover_of(std::span<const FrameCost> costs, std::uint32_t table_bytes) noexcept {
  constexpr auto is_clearly_less = [](std::uint64_t one, std::uint64_t other) {
    return 10 * one < 9 * other;
  };
  std::uint32_t low = eager_bytes_min;   // eager is cheaper up to here
  std::uint32_t high = eager_bytes_min;  // … and not from the next size on
  bool is_crossed = false;
  for (const FrameCost& cost : costs) {
    if (cost.eager == 0 || cost.offered == 0) return {table_bytes};
    const bool is_eager = is_clearly_less(cost.eager, cost.offered);
    if (is_eager && is_crossed)
      return {table_bytes, Crossover::How::table, "the measured costs cross more than once"};
    is_crossed = is_crossed || is_clearly_less(cost.offered, cost.eager);
    if (is_eager) low = cost.bytes;
    if (!is_crossed) high = cost.bytes;
  }
  if (costs.empty()) return {table_bytes};
  return {std::clamp(table_bytes, low, high), Crossover::How::learnt, "",
          static_cast<unsigned>(costs.size())};
}

/// "up to 8 KiB, learnt: 6 sizes were measured at set-up". [any-thread]
std::string text_of(const Crossover& crossover);

/// What this process last found of a provider; nothing: it never looked. [any-thread]
std::optional<Crossover> remembered_crossover(std::string_view provider);
void remember_crossover(std::string_view provider, const Crossover& found);

}  // namespace harness::transports::ofi
