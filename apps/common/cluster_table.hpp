// SPDX-License-Identifier: Apache-2.0
// Typed reading of one TOML table: every value is taken by name, remembered with its origin, and what nobody
// took is refused. The first error is kept and everything after it is skipped, so readers stay a list of
// lines.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <harness/apps/common/cluster.hpp>
#include <harness/stack/option.hpp>

namespace harness::apps {

class TomlTable;

/// The whole file: its text as a tree, what was taken from it, the first error.
class TomlFile {
 public:
  /// Reads `text` and applies `overrides`. Errors: invalid, with line and column.
  static Result<std::unique_ptr<TomlFile>> parse(std::string_view text, std::string file,
                                                 const std::vector<std::string>& overrides);
  ~TomlFile();
  TomlFile(const TomlFile&) = delete;
  TomlFile& operator=(const TomlFile&) = delete;

  [[nodiscard]] TomlTable root();
  [[nodiscard]] const std::optional<Error>& error() const noexcept { return error_; }
  [[nodiscard]] std::vector<Setting> take_settings() { return std::move(settings_); }

 private:
  friend class TomlTable;
  struct Tree;
  explicit TomlFile(std::string file);
  Result<> override_one(const std::string& text);

  std::string file_;
  std::unique_ptr<Tree> tree_;
  std::vector<Setting> settings_;
  std::optional<Error> error_;
};

class TomlTable {
 public:
  TomlTable(TomlFile& file, const void* table, std::string path)
      : file_(&file), table_(table), path_(std::move(path)) {}

  // Each takes a key, or what stands for it when it is missing; the path, value and origin become a setting.
  std::string text(std::string_view key, std::string_view otherwise);
  std::vector<std::string> texts(std::string_view key);  // a text, or an array of texts
  bool flag(std::string_view key, bool otherwise);
  /// A number with a unit ("16MiB", "5s") within the bounds of `option`; a bare number is in bytes or
  /// microseconds.
  std::int64_t amount(const OptionSpec& option);
  [[nodiscard]] bool has(std::string_view key) const;

  /// Visits the tables inside `key` in the order of the file, by their names.
  void tables(std::string_view key, const std::function<void(const std::string& name, TomlTable&)>& visit);
  /// The tables of an array of tables.
  void list(std::string_view key, const std::function<void(TomlTable&)>& visit);
  /// A table that may be missing.
  TomlTable table(std::string_view key);
  /// Refuses every key that nobody took. Call it last.
  void close();

  /// Keeps an error about `key` (or about this table when empty), unless there is one already.
  void fail(std::string_view key, Errc code, const std::string& what, std::string because,
            std::string advice);
  /// The same from another error: its words with the place before them.
  void fail(std::string_view key, const Error& error);
  /// file:line:column of a key, or of this table.
  [[nodiscard]] std::string origin(std::string_view key = {}) const;
  [[nodiscard]] bool ok() const noexcept { return !file_->error_; }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  [[nodiscard]] const void* node(std::string_view key);
  void remember(std::string_view key, std::string value);
  void wrong_kind(std::string_view key, const char* wanted);

  TomlFile* file_;
  const void* table_;  // toml::table, which only the .cpp knows; null: not in the file
  std::string path_;
  std::vector<std::string> taken_;
};

}  // namespace harness::apps
