// SPDX-License-Identifier: Apache-2.0
// Writes received files and folders: under a partial name first, under the final one only when verified.
//
// Paths are checked as text (safe_path.hpp), then walked from the root's descriptor one name at a time
// without following symbolic links, so that no link, sent or already there, leads a write outside. A file is
// written to `.harness-partial-…` beside its place, its SHA-256 compared, its mode set, synced when asked,
// and renamed: whoever reads the final name reads all of it. Set-user-id and the like are not kept. Rejected:
// O_TMPFILE with linkat (cannot replace a file). Blocks, so it runs in offloaded jobs, one at a time.
// Source of the idea of O_NOFOLLOW walks: Chari et al., Where Do You Want to Go Today?, NDSS 2010.
#pragma once

#include <string>

#include <harness/apps/common/digest.hpp>
#include <harness/apps/common/service_message.hpp>
#include <harness/kernel/file_handle.hpp>

namespace harness::apps {

class TreeWriter {
 public:
  struct Options {
    std::string root;  // made when it does not exist
    bool sync = false;
  };

  explicit TreeWriter(Options options) : options_(std::move(options)) {}
  /// Removes what is unfinished.
  ~TreeWriter();
  TreeWriter(const TreeWriter&) = delete;
  TreeWriter& operator=(const TreeWriter&) = delete;

  /// Makes and opens the root. Errors: those of the operating system.
  Result<> open();
  /// Begins an entry; folders and links are complete with it. Errors: denied (path, link), exists (something
  /// else is in the way), exhausted (disk full), io. Requires: open, and no file begun.
  Result<> begin(const Entry& entry);
  /// Appends to the file begun. After an error the file is gone and further writes are ignored.
  Result<> write(Bytes bytes);
  /// Verifies and names the file begun. Errors: corrupt (another digest), those above; the partial file is
  /// then gone.
  Result<> end(const Digest& digest);
  /// Throws the file begun away.
  void give_up() noexcept;

  [[nodiscard]] bool in_file() const noexcept { return static_cast<bool>(file_); }
  [[nodiscard]] std::uint64_t file_bytes() const noexcept { return written_; }

 private:
  Result<FileHandle> folder_of(const Entry& entry, std::string& name);
  Result<> make_folder(const FileHandle& parent, const std::string& name, const Entry& entry);
  Result<> finish_folder(const FileHandle& parent, const std::string& name, const Entry& entry);
  Result<> make_link(const FileHandle& parent, const std::string& name, const Entry& entry);
  Result<> make_file(FileHandle parent, const std::string& name, const Entry& entry);

  Options options_;
  FileHandle root_;
  FileHandle parent_;  // of the file begun
  FileHandle file_;
  std::string name_;
  std::string partial_;
  Entry entry_;
  std::uint64_t written_ = 0;
  Sha256 digest_;
};

/// Removes partial files below `folder` that a process which died left there; returns how many. Blocks.
std::size_t sweep_partials(const std::string& folder);

}  // namespace harness::apps
