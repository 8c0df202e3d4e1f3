// SPDX-License-Identifier: Apache-2.0
// A folder that a test may fill: made anew, gone with the test.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace harness::tests {

class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] std::string operator/(std::string_view name) const { return (path_ / name).string(); }
  /// Writes a file, its folders included.
  void write(std::string_view name, std::string_view content) const;
  /// What a file holds; "<none>" when there is none.
  [[nodiscard]] std::string read(std::string_view name) const;
  /// Every path below, sorted, folders with a slash behind them, links with "-> target".
  [[nodiscard]] std::string listing() const;

 private:
  std::filesystem::path path_;
};

/// What a whole file holds; "<none>" when there is none.
std::string content_of(const std::filesystem::path& path);

}  // namespace harness::tests
