// SPDX-License-Identifier: Apache-2.0
// Reads files and folders for sending, a bounded piece at a time: entries, chunks, digests.
//
// Folders are walked depth first in the order of names; a folder is announced before what is in it and once
// more when it is complete, so that the receiver can give it its mode then. A path that the user named is
// followed when it is a symbolic link; links inside are sent as links. What cannot be read becomes a `failed`
// step and the rest goes on. Chunks are read straight into the messages that carry them. Blocks, so it runs
// in offloaded jobs, one at a time.
// Bounds: step_bytes_max and step_count_max a call, one folder's names in memory.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include <harness/apps/common/digest.hpp>
#include <harness/apps/common/service_message.hpp>
#include <harness/kernel/file_handle.hpp>

namespace harness::apps {

/// One thing to send, in order.
struct Step {
  enum class What : std::uint8_t { entry, chunk, end, failed };
  What what = What::entry;
  Entry entry{};          // of entry and failed (the path alone); index also of chunk and end
  Message chunk{};        // a whole file_chunk message, detached
  Digest digest{};        // of end
  bool given_up = false;  // of end: the file could not be read to its end
  Error error{Errc::ok, {}, {}, {}};
};

struct Steps {
  std::vector<Step> steps;
  bool done = false;
};

/// A path on this machine and its name in the transfer.
struct SourcePath {
  std::string path;
  std::string name;
  bool follow = false;  // a symbolic link stands for what it points to
};

class TreeReader {
 public:
  static constexpr std::uint32_t step_bytes_max = 1u << 20;
  static constexpr std::size_t step_count_max = 256;

  /// `chunk_bytes` of file in each message of `transfer`. Nothing is read yet.
  TreeReader(std::uint32_t transfer, std::uint32_t chunk_bytes, std::vector<SourcePath> paths);

  /// The next steps; `done` with the last of them. [any-thread, one at a time]
  Steps next();
  /// Stops reading the file of this index: its receiver does not want it. [any-thread]
  void skip(std::uint32_t index) noexcept { skip_.store(index, std::memory_order_relaxed); }

 private:
  struct Item {
    SourcePath source;
    bool folder_done = false;
    std::uint16_t mode = 0;
  };
  void open_item(const Item& item, Steps& steps);
  void open_folder(const Item& item, std::uint16_t mode, Steps& steps);
  void open_link(const Item& item, Steps& steps);
  void read_chunk(Steps& steps);
  void end_file(bool given_up, Error error, Steps& steps);
  void announce(Entry entry, Steps& steps);
  void failed(const std::string& name, Error error, Steps& steps);

  std::uint32_t transfer_;
  std::uint32_t chunk_bytes_;
  std::vector<Item> items_;  // the next one last
  std::uint32_t next_index_ = 0;
  std::atomic<std::uint32_t> skip_{wire::entries_unknown};

  FileHandle file_;  // the one being read
  std::string file_path_;
  std::string file_name_;
  std::uint32_t file_index_ = 0;
  std::uint64_t file_bytes_ = 0;  // as it was opened
  std::uint64_t offset_ = 0;
  Sha256 digest_;
};

/// The paths a user named with the names they have at the receiver: each its last name, "a/b/" and "a/b" the
/// same.
/// Errors: invalid ("/", two of the same name), not_found. [any-thread]
Result<std::vector<SourcePath>> named_paths(const std::vector<std::string>& paths);

}  // namespace harness::apps
