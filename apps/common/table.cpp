// SPDX-License-Identifier: Apache-2.0
// Aligned columns for people.
#include <harness/apps/common/table.hpp>

#include <algorithm>

namespace harness::apps {

namespace {
constexpr std::size_t gap = 2;
constexpr std::size_t wrapped_width_min =
    24;  // a narrower last column is longer to read than an overlong line

std::string padded(const std::string& cell, std::size_t width, Table::Align align) {
  const std::size_t own = display_width(cell);
  const std::string blanks(width > own ? width - own : 0, ' ');
  return align == Table::Align::left ? cell + blanks : blanks + cell;
}

void trim_right(std::string& line) { line.erase(line.find_last_not_of(' ') + 1); }
}  // namespace

std::size_t display_width(const std::string& text) noexcept {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::vector<std::string> wrap(const std::string& text, std::size_t width) {
  std::vector<std::string> lines;
  std::string line;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    const std::string word = text.substr(at, end - at);
    if (!line.empty() && display_width(line) + 1 + display_width(word) > width) {
      lines.push_back(std::move(line));
      line.clear();
    }
    if (!line.empty()) line += ' ';
    line += word;
    at = end + 1;
  }
  lines.push_back(std::move(line));
  return lines;
}

void Table::row(std::vector<std::string> cells) {
  cells.resize(columns_.size());
  rows_.push_back(std::move(cells));
}

std::string Table::text(std::size_t width) const {
  if (columns_.empty()) return {};
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t widest = display_width(columns_[i].head);
    for (const auto& row : rows_) widest = std::max(widest, display_width(row[i]));
    widths.push_back(widest);
  }
  const std::size_t last = columns_.size() - 1;
  std::size_t before = 0;
  for (std::size_t i = 0; i < last; ++i) before += widths[i] + gap;
  const bool wraps = width > 0 && before + widths[last] > width && columns_[last].align == Align::left;
  const std::size_t room =
      wraps ? std::max(wrapped_width_min, width > before ? width - before : 0) : ~std::size_t{0};

  std::string out;
  const auto print = [&](const auto& cell) {
    std::string line;
    for (std::size_t i = 0; i < last; ++i)
      line += padded(cell(i), widths[i], columns_[i].align) + std::string(gap, ' ');
    const auto lines = wraps ? wrap(cell(last), room) : std::vector<std::string>{cell(last)};
    for (std::size_t i = 0; i < lines.size(); ++i) {
      line += i == 0 && !wraps ? padded(lines[i], widths[last], columns_[last].align) : lines[i];
      trim_right(line);
      out += line + '\n';
      line.assign(before, ' ');
    }
  };
  print([&](std::size_t i) { return columns_[i].head; });
  for (const auto& row : rows_) print([&](std::size_t i) { return row[i]; });
  return out;
}

}  // namespace harness::apps
