// SPDX-License-Identifier: Apache-2.0
// Small files that must never be half there, and folders for one user alone.
//
// A file is written beside its place, synced, renamed, and its folder synced: after a crash the old content
// or the new one stands there. What is secret is made with mode 0600 and refused when others may read it.
// Files are read whole, up to a stated size, without following a symbolic link. Everything blocks.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <harness/kernel/file_handle.hpp>
#include <harness/stack/bytes.hpp>
#include <harness/stack/result.hpp>

namespace harness {

enum class Privacy : unsigned char { open, secret };

/// Makes a folder and those above it; new ones with mode 0700. Errors: denied (it stands there and others may
/// enter it, or it is not ours), those of the operating system.
Result<> make_private_folder(const std::string& path);

/// All of a file. `secret`: mode and owner are looked at first. Errors: not_found, denied (others may read a
/// secret), exhausted (larger than `bytes_max`), invalid (no file), those of the operating system.
Result<std::vector<std::byte>> read_file(const std::string& path, std::size_t bytes_max, Privacy privacy);
/// The same into the caller's memory; the number of bytes.
Result<std::size_t> read_file_into(const std::string& path, MutableBytes to, Privacy privacy);

/// Puts a file in its place, whole. Errors: those of the operating system; what stood there stays.
Result<> write_file(const std::string& path, Bytes bytes, Privacy privacy);
/// Removes a file; one that is not there is no error.
Result<> remove_file(const std::string& path);
/// Removes a folder in which only our lock may be left. Errors: exists (it is not empty), as above.
Result<> remove_folder(const std::string& path);
/// Whether something of that name stands there. [any-thread]
bool file_exists(const std::string& path) noexcept;
/// The names in a folder that begin with no dot, sorted, at most `count_max`; none when there is no folder.
std::vector<std::string> names_in(const std::string& folder, std::size_t count_max);

/// Alone in a folder: other processes, and other holders in this one, wait for it.
class FolderLock {
 public:
  /// Waits. The folder is there. Errors: those of the operating system.
  static Result<FolderLock> take(const std::string& folder);

 private:
  FileHandle file_;
};

}  // namespace harness
