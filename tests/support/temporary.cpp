// SPDX-License-Identifier: Apache-2.0
// A folder that a test may fill.
#include <harness/tests/support/temporary.hpp>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include <unistd.h>

namespace harness::tests {

namespace fs = std::filesystem;

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (fs::temp_directory_path() / "harness-test-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) {
    std::perror("mkdtemp");
    std::exit(1);
  }
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  for (fs::recursive_directory_iterator at(path_, ignored), end; at != end; at.increment(ignored))
    if (at->is_directory(ignored) && !at->is_symlink(ignored))
      fs::permissions(at->path(), fs::perms::owner_all, fs::perm_options::add, ignored);
  fs::remove_all(path_, ignored);
}

void TemporaryFolder::write(std::string_view name, std::string_view content) const {
  const fs::path path = path_ / name;
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << content;
}

std::string TemporaryFolder::read(std::string_view name) const { return content_of(path_ / name); }

std::string content_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return "<none>";
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

std::string TemporaryFolder::listing() const {
  std::set<std::string> lines;
  for (const auto& entry : fs::recursive_directory_iterator(path_)) {
    std::string line = fs::relative(entry.path().parent_path(), path_) / entry.path().filename();
    if (line.starts_with("./")) line.erase(0, 2);
    if (entry.is_symlink()) {
      line += " -> " + fs::read_symlink(entry.path()).string();
    } else if (entry.is_directory()) {
      line += "/";
    }
    lines.insert(line);
  }
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

}  // namespace harness::tests
