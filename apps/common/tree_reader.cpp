// SPDX-License-Identifier: Apache-2.0
// Walking folders and reading files for sending.
#include <harness/apps/common/tree_reader.hpp>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <set>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include <harness/apps/common/human.hpp>
#include <harness/apps/common/safe_path.hpp>
#include <harness/kernel/system_error.hpp>

namespace harness::apps {

namespace {

constexpr std::uint32_t chunk_header_bytes = harness::wire::bytes_of<wire::FileChunk>;

std::uint16_t permission_bits(mode_t mode) { return static_cast<std::uint16_t>(mode & 07777); }

// The names in a folder, sorted backwards; errno tells of failure by an empty optional.
std::optional<std::vector<std::string>> names_backwards(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir(path.c_str()), closedir);
  if (folder == nullptr) return std::nullopt;
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = readdir(folder.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != ".." && !name.starts_with(partial_prefix)) names.emplace_back(name);
    errno = 0;
  }
  if (errno != 0) return std::nullopt;
  std::sort(names.rbegin(), names.rend());
  return names;
}

}  // namespace

TreeReader::TreeReader(std::uint32_t transfer, std::uint32_t chunk_bytes, std::vector<SourcePath> paths)
    : transfer_(transfer), chunk_bytes_(chunk_bytes) {
  std::reverse(paths.begin(), paths.end());
  for (SourcePath& path : paths) items_.push_back({std::move(path)});
}

Steps TreeReader::next() {
  Steps steps;
  std::uint64_t bytes = 0;
  while (bytes < step_bytes_max && steps.steps.size() < step_count_max && (file_ || !items_.empty())) {
    if (!file_) {
      const Item item = std::move(items_.back());
      items_.pop_back();
      open_item(item, steps);
      continue;
    }
    const std::uint64_t before = offset_;
    read_chunk(steps);
    bytes += offset_ - before;
  }
  steps.done = !file_ && items_.empty();
  return steps;
}

void TreeReader::announce(Entry entry, Steps& steps) {
  entry.index = next_index_++;
  Step step;
  step.entry = std::move(entry);
  steps.steps.push_back(std::move(step));
}

void TreeReader::failed(const std::string& name, Error error, Steps& steps) {
  Step step;
  step.what = Step::What::failed;
  step.entry.path = name;
  step.error = std::move(error);
  steps.steps.push_back(std::move(step));
}

void TreeReader::open_item(const Item& item, Steps& steps) {
  const std::string& path = item.source.path;
  const std::string& name = item.source.name;
  if (item.folder_done) return announce({wire::EntryType::folder_done, 0, item.mode, 0, name, {}}, steps);
  struct stat status{};
  if ((item.source.follow ? stat : lstat)(path.c_str(), &status) != 0)
    return failed(name, system_error(errno, "cannot read " + printable(path)), steps);
  if (S_ISDIR(status.st_mode)) return open_folder(item, permission_bits(status.st_mode), steps);
  if (S_ISLNK(status.st_mode)) return open_link(item, steps);
  // Without waiting: a FIFO would block until somebody writes to it.
  FileHandle file(
      open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | (item.source.follow ? 0 : O_NOFOLLOW)));
  if (!S_ISREG(status.st_mode) || (file && (fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode))))
    return failed(
        name,
        {Errc::unsupported, "cannot send " + printable(path), "it is no file, folder or symbolic link",
         "send what it stands for: cat … | harness send - PEER"},
        steps);
  if (!file) return failed(name, system_error(errno, "cannot read " + printable(path)), steps);
  file_ = std::move(file);
  file_path_ = path;
  file_name_ = name;
  file_index_ = next_index_;
  offset_ = 0;
  file_bytes_ = static_cast<std::uint64_t>(status.st_size);
  announce({wire::EntryType::file, 0, permission_bits(status.st_mode), file_bytes_, name, {}}, steps);
}

void TreeReader::open_folder(const Item& item, std::uint16_t mode, Steps& steps) {
  const auto names = names_backwards(item.source.path);
  if (!names)
    return failed(item.source.name, system_error(errno, "cannot read " + printable(item.source.path)), steps);
  const Entry folder{wire::EntryType::folder, 0, mode, 0, item.source.name, {}};
  announce(folder, steps);
  items_.push_back({item.source, true, mode});
  for (const std::string& name : *names)
    items_.push_back({{item.source.path + "/" + name, item.source.name + "/" + name, false}});
}

void TreeReader::open_link(const Item& item, Steps& steps) {
  std::string target(path_bytes_max + 1, '\0');
  const ssize_t length = readlink(item.source.path.c_str(), target.data(), target.size());
  if (length < 0)
    return failed(item.source.name, system_error(errno, "cannot read " + printable(item.source.path)), steps);
  target.resize(static_cast<std::size_t>(length));
  announce({wire::EntryType::link, 0, 0777, 0, item.source.name, target}, steps);
}

void TreeReader::read_chunk(Steps& steps) {
  if (skip_.load(std::memory_order_relaxed) == file_index_)
    return end_file(true, {Errc::ok, {}, {}, {}}, steps);
  // One byte more than the file had when it was opened: usually its end is seen in the same call.
  const std::uint64_t expected = offset_ < file_bytes_ ? file_bytes_ - offset_ + 1 : 4096;
  const auto wanted = static_cast<std::uint32_t>(std::min<std::uint64_t>(expected, chunk_bytes_));
  Message chunk = Message::make_detached(chunk_header_bytes + wanted);
  if (!chunk)
    return end_file(true, {Errc::exhausted, "cannot read " + printable(file_path_), "there is no memory", {}},
                    steps);
  std::byte* to = chunk.writable().data() + chunk_header_bytes;
  std::uint32_t filled = 0;
  while (filled < wanted) {
    const ssize_t got = ::read(file_.get(), to + filled, wanted - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return end_file(true, system_error(errno, "cannot read " + printable(file_path_)), steps);
    if (got == 0) break;
    filled += static_cast<std::uint32_t>(got);
  }
  if (filled != 0) {
    digest_.update({to, filled});
    wire::FileChunk header;
    header.kind = static_cast<std::uint8_t>(wire::Kind::file_chunk);
    header.transfer = transfer_;
    header.offset = offset_;
    harness::wire::encode(header, chunk.writable().data());
    chunk.truncate(chunk_header_bytes + filled);
    offset_ += filled;
    Step step;
    step.what = Step::What::chunk;
    step.entry.index = file_index_;
    step.chunk = std::move(chunk);
    steps.steps.push_back(std::move(step));
  }
  if (filled < wanted) end_file(false, {Errc::ok, {}, {}, {}}, steps);
}

void TreeReader::end_file(bool given_up, Error error, Steps& steps) {
  file_.close();
  Step step;
  step.what = Step::What::end;
  step.entry.index = file_index_;
  step.entry.path = file_name_;
  step.entry.bytes = offset_;
  step.digest = digest_.finish();
  step.given_up = given_up;
  step.error = std::move(error);
  steps.steps.push_back(std::move(step));
}

Result<std::vector<SourcePath>> named_paths(const std::vector<std::string>& paths) {
  std::vector<SourcePath> sources;
  std::set<std::string> names;
  for (const std::string& path : paths) {
    std::error_code code;
    const auto absolute = std::filesystem::absolute(path, code).lexically_normal();
    const auto last = absolute.has_filename() ? absolute : absolute.parent_path();
    const std::string name = last.filename().string();
    if (!safe_names(name))
      return fail(Errc::invalid, "cannot send " + printable(path),
                  "it has no name that the receiver could give it", "name a folder or file below it");
    if (!names.insert(name).second)
      return fail(Errc::invalid, "cannot send " + printable(path),
                  "another path of this command is called " + printable(name) + " too",
                  "send them one after the other, or send the folder they are in");
    if (!std::filesystem::exists(std::filesystem::symlink_status(last, code)))
      return fail(Errc::not_found, "cannot read " + printable(path), "there is no such file or folder",
                  "check the spelling");
    sources.push_back({last.string(), name, true});
  }
  return sources;
}

}  // namespace harness::apps
