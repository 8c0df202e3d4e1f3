// SPDX-License-Identifier: Apache-2.0
// Aligned columns for people: no borders, two blanks between columns, numbers to the right.
//
// A row that does not fit the width has its last column wrapped at blanks below itself, so that a table stays
// readable in a narrow terminal; nothing is ever cut off. Widths count code points, not bytes.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace harness::apps {

class Table {
 public:
  enum class Align : unsigned char { left, right };
  struct Column {
    std::string head;
    Align align = Align::left;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  /// Adds a row; cells that are missing are empty, those too many are dropped.
  void row(std::vector<std::string> cells);
  /// The table with its head, each line ended by a newline; `width` 0: never wraps. [any-thread]
  [[nodiscard]] std::string text(std::size_t width = 0) const;
  [[nodiscard]] bool empty() const noexcept { return rows_.empty(); }

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// How many columns of a terminal a UTF-8 text takes (one per code point). [any-thread]
std::size_t display_width(const std::string& text) noexcept;
/// The text in lines of at most `width` columns, broken at blanks where there are some. [any-thread]
std::vector<std::string> wrap(const std::string& text, std::size_t width);

}  // namespace harness::apps
