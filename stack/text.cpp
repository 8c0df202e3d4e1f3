// SPDX-License-Identifier: Apache-2.0
// See text.hpp. Edit distance: optimal string alignment (Damerau–Levenshtein with neighbours only) on three
// rows.
#include <harness/stack/text.hpp>

#include <algorithm>
#include <array>

namespace harness::text {

namespace {
constexpr std::size_t word_bytes_max = 64;

template <class Piece>
std::string list_of(std::span<const Piece> pieces, std::string_view separator) {
  std::string text;
  for (const Piece& piece : pieces) {
    if (!text.empty()) text.append(separator);
    text.append(piece);
  }
  return text;
}
}  // namespace

std::string join(std::initializer_list<std::string_view> pieces) {
  std::size_t bytes = 0;
  for (std::string_view piece : pieces) bytes += piece.size();
  std::string text;
  text.reserve(bytes);
  for (std::string_view piece : pieces) text.append(piece);
  return text;
}

std::string list(std::span<const std::string_view> pieces, std::string_view separator) {
  return list_of(pieces, separator);
}
std::string list(std::span<const std::string> pieces, std::string_view separator) {
  return list_of(pieces, separator);
}

std::string number(std::int64_t value) { return std::to_string(value); }

std::string quoted(std::string_view text, std::size_t bytes_max) {
  const bool cut = text.size() > bytes_max;
  std::string safe = "'";
  for (char byte : text.substr(0, bytes_max)) safe.push_back(byte >= ' ' && byte <= '~' ? byte : '?');
  if (cut) safe.append("…");
  safe.push_back('\'');
  return safe;
}

unsigned edit_distance(std::string_view a, std::string_view b, unsigned most) noexcept {
  if (a.size() > word_bytes_max || b.size() > word_bytes_max) return most + 1;
  std::array<unsigned, word_bytes_max + 1> before{}, last{}, row{};
  for (unsigned j = 0; j <= b.size(); ++j) last[j] = j;
  for (unsigned i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (unsigned j = 1; j <= b.size(); ++j) {
      const unsigned differs = a[i - 1] == b[j - 1] ? 0 : 1;
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + differs});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before = last;
    last = row;
  }
  return std::min(last[b.size()], most + 1);
}

std::string_view closest(std::string_view word, std::span<const std::string_view> candidates) noexcept {
  std::string_view best;
  unsigned best_steps = static_cast<unsigned>(std::min<std::size_t>(word.size(), word_bytes_max) + 2) / 3 + 1;
  for (std::string_view candidate : candidates) {
    const unsigned steps = edit_distance(word, candidate, best_steps);
    if (steps >= best_steps || steps >= candidate.size()) continue;
    best = candidate;
    best_steps = steps;
  }
  return best;
}

}  // namespace harness::text
