// SPDX-License-Identifier: Apache-2.0
// What a link guarantees, as one word: ordered axes in thermometer code.
//
// Each axis has levels from weak to strong. Level k of an axis sets bits 1…k of its field, so "at least" is
// one AND: `have.covers(need)`. A layer adds levels and clears them; a transport states facts; an application
// states needs; all three are the same type. The largest message is a number beside the word (see Facts), not
// an axis.
// Rejected: plain booleans as in Horus (P1–P16): they cannot say "at least", and `clears` needs whole axes.
// Sources: van Renesse, Birman & Maffeis, Horus, CACM 39(4) 1996 (properties of a layer).
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace harness {

enum class Axis : std::uint8_t {
  boundary,     // stream < message
  loss,         // lossy < reliable (while the link lives) < resumable (across links)
  order,        // none < fifo (per channel) < causal < total
  duplication,  // possible < none
  integrity,    // none < 16 bit < 32 bit < cryptographic
  // none < host (memory of one host) < link (encrypted, keys of the two ends) < forward secret
  confidentiality,
  identity,    // none < address < host key < principal
  replay,      // open < windowed < none
  coverage,    // something unauthenticated went out < no control byte ever did
  flow,        // none < receiver credit
  congestion,  // none < self-clocked < lossless fabric
  death,       // none < within a stated time < immediate
  one_sided,   // none < emulated < native < with signal < atomics
  loan,        // none < the receiver may read the sender's slab
  place,       // none < direct receive into a region
  channels,    // one < many with priority
  compact,     // none < compressed
  trust,       // foreign < domain < host < user (of that host) < process
  view,        // group: none < views
  synchrony,   // group: none < virtual synchrony
  stability,   // group: none < stability known
  merge,       // group: none < partitions merge
  transfer,    // group: none < state transfer
};
inline constexpr std::size_t axis_count = 23;

/// One axis with the words people write, weakest level first; level 0 has no bit.
struct AxisInfo {
  Axis axis;
  std::string_view name;
  std::uint8_t levels;                    // number of levels above 0
  std::uint8_t shift;                     // first bit of the field
  std::array<std::string_view, 5> words;  // words[0] … words[levels]
};

/// A set of guarantees: one word, a value.
struct Properties {
  std::uint64_t bits = 0;

  [[nodiscard]] constexpr bool covers(Properties need) const noexcept {
    return (bits & need.bits) == need.bits;
  }
  [[nodiscard]] constexpr bool intersects(Properties other) const noexcept {
    return (bits & other.bits) != 0;
  }
  [[nodiscard]] constexpr bool empty() const noexcept { return bits == 0; }
  [[nodiscard]] constexpr Properties without(Properties other) const noexcept { return {bits & ~other.bits}; }
  friend constexpr Properties operator|(Properties a, Properties b) noexcept { return {a.bits | b.bits}; }
  friend constexpr Properties operator&(Properties a, Properties b) noexcept { return {a.bits & b.bits}; }
  friend constexpr bool operator==(Properties, Properties) noexcept = default;
};

namespace property {

namespace detail {
// Fields one behind the other: shift of an axis = sum of the levels of the axes before it.
inline constexpr std::array<std::uint8_t, axis_count> levels = {1, 2, 3, 1, 3, 3, 3, 2, 1, 1, 2, 2,
                                                                4, 1, 1, 1, 1, 4, 1, 1, 1, 1, 1};
constexpr unsigned shift(Axis axis) {
  unsigned sum = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(axis); ++i) sum += levels[i];
  return sum;
}
static_assert(shift(Axis::transfer) + 1 <= 64);
}  // namespace detail

/// The bits of an axis at `level` and below; level 0 is empty. `level` above the axis' last one is clamped.
constexpr Properties at_least(Axis axis, unsigned level) noexcept {
  const unsigned most = detail::levels[static_cast<std::size_t>(axis)];
  if (level > most) level = most;
  return {((std::uint64_t{1} << level) - 1) << detail::shift(axis)};
}
/// Every bit of an axis: what a layer clears to bring it back to its weakest level.
constexpr Properties whole(Axis axis) noexcept { return at_least(axis, 7); }
/// The level of an axis in a word, 0 … levels: the highest that it has. A transport may give the upper ones
/// of an axis alone, for a layer that adds those below them.
constexpr unsigned level(Properties word, Axis axis) noexcept {
  const auto shift = detail::shift(axis);
  return static_cast<unsigned>(std::bit_width((word & whole(axis)).bits >> shift));
}

/// The axes of `need` on which `have` falls short, each at the level needed: what a person must be told.
constexpr Properties shortfall(Properties need, Properties have) noexcept {
  Properties missing;
  for (std::size_t i = 0; i < axis_count; ++i) {
    const Properties axis = whole(static_cast<Axis>(i));
    if (!have.covers(need & axis)) missing = missing | (need & axis);
  }
  return missing;
}

inline constexpr Properties none{};
inline constexpr Properties message = at_least(Axis::boundary, 1);
inline constexpr Properties reliable = at_least(Axis::loss, 1);
inline constexpr Properties resumable = at_least(Axis::loss, 2);
inline constexpr Properties fifo = at_least(Axis::order, 1);
inline constexpr Properties causal = at_least(Axis::order, 2);
inline constexpr Properties total = at_least(Axis::order, 3);
inline constexpr Properties no_duplicates = at_least(Axis::duplication, 1);
inline constexpr Properties checked16 = at_least(Axis::integrity, 1);
inline constexpr Properties checked32 = at_least(Axis::integrity, 2);
inline constexpr Properties authenticated = at_least(Axis::integrity, 3);
inline constexpr Properties host_private = at_least(Axis::confidentiality, 1);
inline constexpr Properties encrypted = at_least(Axis::confidentiality, 2);
inline constexpr Properties forward_secret = at_least(Axis::confidentiality, 3);
inline constexpr Properties known_address = at_least(Axis::identity, 1);
inline constexpr Properties host_key = at_least(Axis::identity, 2);
inline constexpr Properties principal = at_least(Axis::identity, 3);
inline constexpr Properties replay_windowed = at_least(Axis::replay, 1);
inline constexpr Properties no_replay = at_least(Axis::replay, 2);
inline constexpr Properties covered = at_least(Axis::coverage, 1);
inline constexpr Properties flow_controlled = at_least(Axis::flow, 1);
inline constexpr Properties congestion_controlled = at_least(Axis::congestion, 1);
inline constexpr Properties lossless_fabric = at_least(Axis::congestion, 2);
inline constexpr Properties death_within = at_least(Axis::death, 1);
inline constexpr Properties death_immediate = at_least(Axis::death, 2);
inline constexpr Properties put_emulated = at_least(Axis::one_sided, 1);
inline constexpr Properties put_native = at_least(Axis::one_sided, 2);
inline constexpr Properties put_signal = at_least(Axis::one_sided, 3);
inline constexpr Properties atomics = at_least(Axis::one_sided, 4);
inline constexpr Properties loan = at_least(Axis::loan, 1);
inline constexpr Properties place = at_least(Axis::place, 1);
inline constexpr Properties channels = at_least(Axis::channels, 1);
inline constexpr Properties compact = at_least(Axis::compact, 1);
inline constexpr Properties same_domain = at_least(Axis::trust, 1);
inline constexpr Properties same_host = at_least(Axis::trust, 2);
inline constexpr Properties same_user = at_least(Axis::trust, 3);
inline constexpr Properties same_process = at_least(Axis::trust, 4);
inline constexpr Properties views = at_least(Axis::view, 1);
inline constexpr Properties virtual_synchrony = at_least(Axis::synchrony, 1);
inline constexpr Properties stability = at_least(Axis::stability, 1);
inline constexpr Properties merge = at_least(Axis::merge, 1);
inline constexpr Properties transfer = at_least(Axis::transfer, 1);

/// Name, words and bit field of every axis, in the order of `Axis`. [any-thread]
const std::array<AxisInfo, axis_count>& axes() noexcept;

/// The row of one axis. [any-thread]
const AxisInfo& info(Axis axis) noexcept;

/// The properties a user's word asks for ("reliable", "ordered", "encrypted" …), or nothing for an unknown
/// word. Words are those of AxisInfo plus the synonyms of docs/composition.md; capitals do not matter, '-'
/// and '_' are blanks. The word of a level 0 asks for nothing. [any-thread]
std::optional<Properties> from_word(std::string_view word) noexcept;
/// The word that asks for something and is nearest to a mistyped one; empty when none is near. [any-thread]
std::string_view closest_word(std::string_view word) noexcept;

/// The words of a set, strongest level of each axis, "reliable, fifo, …"; "nothing" when empty. [any-thread]
std::string to_string(Properties word);

}  // namespace property
}  // namespace harness
