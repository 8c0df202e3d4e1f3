// SPDX-License-Identifier: Apache-2.0
// A signed floor: what every link between two domains must give at least, agreed by both of their roots.
//
//   version 8 · domain text · root 16 · domain text · root 16 · words text · serial 64
//   · signed by 8 (bit 0: the first, bit 1: the second) · signatures 64 each
//
// The domains stand in the order of their bytes; one domain alone stands twice and signs once. The words are
// those of stack/property, in the one spelling that property::to_string gives, so that the bytes of a
// property may move between versions; a word that this program does not know makes the floor unreadable and
// the link impossible, never weaker. The serial only grows: a floor with a lower one, or an equal one and
// other content, is refused, so nobody can bring an old agreement back. A file without signatures may raise a
// floor and never lower it. As a line it begins with `harness-floor-`, complete or signed by one side.
#pragma once

#include <optional>

#include <harness/kernel/identity/root.hpp>
#include <harness/stack/property.hpp>

namespace harness::identity {

inline constexpr std::string_view floor_prefix = "harness-floor-";
inline constexpr std::size_t floor_words_bytes_max = 512;
inline constexpr std::size_t floor_bytes_max =
    1 + 2 * (2 + 64 + 16) + 2 + floor_words_bytes_max + 8 + 1 + 2 * 64;

/// Between domains when nothing is signed.
inline constexpr Properties floor_between_domains = property::authenticated | property::forward_secret;

struct SignedFloor {
  std::array<std::string, 2> domains;
  std::array<Fingerprint, 2> roots{};
  Properties word{};
  std::uint64_t serial = 0;
  std::array<std::optional<Signature>, 2> signatures;

  [[nodiscard]] bool same_domain() const noexcept { return domains[0] == domains[1]; }
  [[nodiscard]] bool complete() const noexcept { return signatures[0] && (same_domain() || signatures[1]); }
  /// The domain that is not `mine`; `mine` when there is one alone. Requires: it is between `mine` and
  /// another.
  [[nodiscard]] const std::string& other(std::string_view mine) const noexcept {
    return domains[domains[0] == mine ? 1 : 0];
  }
};

/// Without signatures; the roots in any order. [any-thread]
SignedFloor make_floor(const Root& a, const Root& b, Properties word, std::uint64_t serial);
/// Adds the signature of one side. Errors: denied (`root` is neither side's). [any-thread]
Result<> sign_floor(SignedFloor& floor, const Root& root, const SigningKey& key);
std::vector<std::byte> write_floor(const SignedFloor& floor);
/// Errors: corrupt, unsupported (a word of another version). [any-thread]
Result<SignedFloor> parse_floor(Bytes bytes);
Result<SignedFloor> read_floor(std::string_view line);
std::string floor_line(const SignedFloor& floor);

/// Whether both sides have signed, with these roots. Errors: corrupt (a signature is wrong), denied (one is
/// missing, another root, other domains). [any-thread]
Result<> check_floor(const SignedFloor& floor, const Root& a, const Root& b);
/// The signature of one side alone, of a floor that is on its way. Errors: as check_floor.
Result<> check_half(const SignedFloor& floor, const Root& side);
/// Whether `next` may replace `held` (null: none). Errors: conflict (the serial does not grow). [any-thread]
Result<> follows(const SignedFloor& next, const SignedFloor* held);

}  // namespace harness::identity
