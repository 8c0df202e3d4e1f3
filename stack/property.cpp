// SPDX-License-Identifier: Apache-2.0
// The axes with the words people write, and the way from words to bits and back. docs/composition.md holds
// the same table; a test compares the two.
#include <harness/stack/property.hpp>

#include <algorithm>
#include <vector>

#include <harness/stack/text.hpp>

namespace harness::property {

namespace {

constexpr AxisInfo row(Axis axis, std::string_view name, std::array<std::string_view, 5> words) {
  return {axis, name, detail::levels[static_cast<std::size_t>(axis)],
          static_cast<std::uint8_t>(detail::shift(axis)), words};
}

constexpr std::array<AxisInfo, axis_count> table = {
    row(Axis::boundary, "boundary", {"stream", "message"}),
    row(Axis::loss, "loss", {"lossy", "reliable", "resumable"}),
    row(Axis::order, "order", {"unordered", "fifo", "causal", "total"}),
    row(Axis::duplication, "duplication", {"duplicates", "no duplicates"}),
    row(Axis::integrity, "integrity", {"unchecked", "checked16", "checked32", "authenticated"}),
    row(Axis::confidentiality, "confidentiality", {"clear", "host private", "encrypted", "forward secret"}),
    row(Axis::identity, "identity", {"anonymous", "known address", "host key", "principal"}),
    row(Axis::replay, "replay", {"replayable", "replay window", "no replay"}),
    row(Axis::coverage, "coverage", {"uncovered", "covered"}),
    row(Axis::flow, "flow", {"no flow control", "flow control"}),
    row(Axis::congestion, "congestion", {"no congestion control", "congestion control", "lossless fabric"}),
    row(Axis::death, "death", {"no death notice", "death notice", "immediate death notice"}),
    row(Axis::one_sided, "one-sided", {"no put", "put", "native put", "put with signal", "atomics"}),
    row(Axis::loan, "loan", {"no loan", "loan"}),
    row(Axis::place, "place", {"no place", "place"}),
    row(Axis::channels, "channels", {"one channel", "channels"}),
    row(Axis::compact, "compact", {"uncompressed", "compressed"}),
    row(Axis::trust, "trust", {"foreign", "same domain", "same host", "same user", "same process"}),
    row(Axis::view, "view", {"no views", "views"}),
    row(Axis::synchrony, "synchrony", {"no virtual synchrony", "virtual synchrony"}),
    row(Axis::stability, "stability", {"no stability", "stability"}),
    row(Axis::merge, "merge", {"no merge", "merge"}),
    row(Axis::transfer, "transfer", {"no state transfer", "state transfer"}),
};

struct Synonym {
  std::string_view word;
  Properties asks;
};
constexpr Synonym synonyms[] = {
    {"messages", message},
    {"lossless", reliable},
    {"reconnect", resumable},
    {"ordered", fifo},
    {"in order", fifo},
    {"causal order", causal},
    {"total order", total},
    {"exactly once", reliable | no_duplicates},
    {"checked", checked32},
    {"checksum", checked32},
    {"integrity", checked32},
    {"tamper proof", authenticated},
    {"private", host_private},
    {"confidential", encrypted},
    {"secret", encrypted},
    {"identified", host_key},
    {"flow controlled", flow_controlled},
    {"congestion controlled", congestion_controlled},
    {"heartbeat", death_within},
    {"liveness", death_within},
    {"one sided", put_emulated},
    {"signal", put_signal},
    {"zero copy", loan},
    {"direct receive", place},
    {"priority", channels},
    {"priorities", channels},
    {"multiplexed", channels},
    {"compact", compact},
    {"compression", compact},
    {"group views", views},
};

/// A word as the tables spell it: small letters, blanks for '-' and '_'.
struct Plain {
  std::array<char, 32> letters{};
  std::size_t size = 0;

  explicit Plain(std::string_view word) noexcept {
    if (word.size() > letters.size()) return;
    for (char letter : word) {
      if (letter == '-' || letter == '_') letter = ' ';
      if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
      letters[size++] = letter;
    }
  }
  [[nodiscard]] std::string_view view() const noexcept { return {letters.data(), size}; }
};

}  // namespace

const std::array<AxisInfo, axis_count>& axes() noexcept { return table; }

const AxisInfo& info(Axis axis) noexcept { return table[static_cast<std::size_t>(axis)]; }

std::optional<Properties> from_word(std::string_view word) noexcept {
  const Plain plain(word);
  if (plain.size == 0) return std::nullopt;
  for (const AxisInfo& axis : table)
    for (unsigned level = 0; level <= axis.levels; ++level)
      if (axis.words[level] == plain.view()) return at_least(axis.axis, level);
  for (const Synonym& synonym : synonyms)
    if (synonym.word == plain.view()) return synonym.asks;
  return std::nullopt;
}

std::string_view closest_word(std::string_view word) noexcept {
  std::array<std::string_view, axis_count * 4 + std::size(synonyms)> words{};
  std::size_t count = 0;
  for (const AxisInfo& axis : table)
    for (unsigned level = 1; level <= axis.levels; ++level) words[count++] = axis.words[level];
  for (const Synonym& synonym : synonyms) words[count++] = synonym.word;
  return text::closest(Plain(word).view(), std::span(words).first(count));
}

std::string to_string(Properties word) {
  std::vector<std::string_view> words;
  for (const AxisInfo& axis : table)
    if (const unsigned strongest = level(word, axis.axis); strongest != 0)
      words.push_back(axis.words[strongest]);
  return words.empty() ? "nothing" : text::list(words);
}

}  // namespace harness::property
