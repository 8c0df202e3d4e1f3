// SPDX-License-Identifier: Apache-2.0
// Writing received files and folders.
#include <harness/apps/common/tree_writer.hpp>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include <harness/apps/common/human.hpp>
#include <harness/apps/common/safe_path.hpp>
#include <harness/kernel/system_error.hpp>

namespace harness::apps {

namespace {

constexpr int folder_flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

tl::unexpected<Error> refuse(int number, std::string_view what, const std::string& path) {
  return tl::unexpected<Error>(system_error(number, fmt::format("cannot {} {}", what, printable(path))));
}

// A name that no other transfer of this process and, by its number, no other process uses.
std::string partial_name() {
  static std::atomic<std::uint64_t> count{0};
  return fmt::format("{}{}-{}", partial_prefix, getpid(), count.fetch_add(1));
}

mode_t plain(std::uint16_t mode) { return mode & 0777; }

}  // namespace

TreeWriter::~TreeWriter() { give_up(); }

Result<> TreeWriter::open() {
  std::error_code code;
  std::filesystem::create_directories(options_.root, code);
  if (code) return refuse(code.value(), "make the folder", options_.root);
  root_ = FileHandle(::open(options_.root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root_) return refuse(errno, "write to the folder", options_.root);
  return {};
}

// The opened folder that `entry` lies in, made where it is missing; its own name goes to `name`.
Result<FileHandle> TreeWriter::folder_of(const Entry& entry, std::string& name) {
  auto names = safe_names(entry.path);
  if (!names) return tl::unexpected<Error>(names.error());
  FileHandle at(openat(root_.get(), ".", folder_flags));
  for (std::size_t i = 0; i + 1 < names->size(); ++i) {
    const std::string step((*names)[i]);
    if (mkdirat(at.get(), step.c_str(), 0755) != 0 && errno != EEXIST)
      return refuse(errno, "make the folder of", entry.path);
    FileHandle next(openat(at.get(), step.c_str(), folder_flags));
    if (!next && (errno == ELOOP || errno == ENOTDIR))
      return fail(Errc::denied, fmt::format("the path {} is refused", printable(entry.path)),
                  fmt::format("{} on the way is no folder", printable(step)),
                  "remove it at the receiver, or receive elsewhere");
    if (!next) return refuse(errno, "enter the folder of", entry.path);
    at = std::move(next);
  }
  name = names->back();
  return at;
}

Result<> TreeWriter::begin(const Entry& entry) {
  give_up();
  std::string name;
  auto parent = folder_of(entry, name);
  if (!parent) return tl::unexpected<Error>(parent.error());
  switch (entry.type) {
    case wire::EntryType::folder: return make_folder(*parent, name, entry);
    case wire::EntryType::folder_done: return finish_folder(*parent, name, entry);
    case wire::EntryType::link: return make_link(*parent, name, entry);
    case wire::EntryType::file: return make_file(std::move(*parent), name, entry);
  }
  return fail(Errc::unsupported, "an entry of an unknown type",
              fmt::format("type {}", static_cast<int>(entry.type)));
}

// Writable for us until it is complete, whatever its mode will be.
Result<> TreeWriter::make_folder(const FileHandle& parent, const std::string& name, const Entry& entry) {
  if (mkdirat(parent.get(), name.c_str(), 0755) == 0) return {};
  if (errno != EEXIST) return refuse(errno, "make the folder", entry.path);
  const FileHandle there(openat(parent.get(), name.c_str(), folder_flags));
  if (!there)
    return fail(Errc::exists, fmt::format("cannot make the folder {}", printable(entry.path)),
                "something else has this name", "remove it at the receiver, or receive elsewhere");
  if (fchmod(there.get(), 0755) != 0) return refuse(errno, "write to the folder", entry.path);
  return {};
}

Result<> TreeWriter::finish_folder(const FileHandle& parent, const std::string& name, const Entry& entry) {
  const FileHandle folder(openat(parent.get(), name.c_str(), folder_flags));
  if (!folder || fchmod(folder.get(), plain(entry.mode)) != 0)
    return refuse(errno, "set the mode of", entry.path);
  return {};
}

Result<> TreeWriter::make_link(const FileHandle& parent, const std::string& name, const Entry& entry) {
  if (auto safe = safe_link(entry.path, entry.target); !safe) return safe;
  const std::string partial = partial_name();
  if (symlinkat(entry.target.c_str(), parent.get(), partial.c_str()) != 0)
    return refuse(errno, "make the link", entry.path);
  if (renameat(parent.get(), partial.c_str(), parent.get(), name.c_str()) == 0) return {};
  const int number = errno;
  unlinkat(parent.get(), partial.c_str(), 0);
  return refuse(number, "make the link", entry.path);
}

Result<> TreeWriter::make_file(FileHandle parent, const std::string& name, const Entry& entry) {
  std::string partial = partial_name();
  FileHandle file(
      openat(parent.get(), partial.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return refuse(errno, "write", entry.path);
  file_ = std::move(file);
  parent_ = std::move(parent);
  name_ = name;
  partial_ = std::move(partial);
  entry_ = entry;
  written_ = 0;
  return {};
}

Result<> TreeWriter::write(Bytes bytes) {
  if (!file_) return {};
  digest_.update(bytes);
  while (!bytes.empty()) {
    const ssize_t put = ::write(file_.get(), bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) {
      const int number = put == 0 ? ENOSPC : errno;
      give_up();
      return refuse(number, "write", entry_.path);
    }
    written_ += static_cast<std::uint64_t>(put);
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
  return {};
}

Result<> TreeWriter::end(const Digest& digest) {
  if (!file_) return {};
  if (const Digest mine = digest_.finish(); mine != digest) {
    give_up();
    return fail(Errc::corrupt, fmt::format("{} arrived damaged", printable(entry_.path)),
                fmt::format("its SHA-256 is {}…, the sender's is {}…", hex(Bytes(mine).first(6)),
                            hex(Bytes(digest).first(6))),
                "send it again; if it stays so, add checksum to the stack");
  }
  const auto failed = [&](int number) {
    give_up();
    return refuse(number, "finish", entry_.path);
  };
  if (fchmod(file_.get(), plain(entry_.mode)) != 0) return failed(errno);
  if (options_.sync && fsync(file_.get()) != 0) return failed(errno);
  if (renameat(parent_.get(), partial_.c_str(), parent_.get(), name_.c_str()) != 0) return failed(errno);
  if (options_.sync && fsync(parent_.get()) != 0) return refuse(errno, "finish", entry_.path);
  file_.close();
  return {};
}

void TreeWriter::give_up() noexcept {
  if (!file_) return;
  file_.close();
  unlinkat(parent_.get(), partial_.c_str(), 0);
  parent_.close();
  digest_.finish();
}

std::size_t sweep_partials(const std::string& folder) {
  std::size_t swept = 0;
  std::error_code code;
  using Walk = std::filesystem::recursive_directory_iterator;
  const auto options = std::filesystem::directory_options::skip_permission_denied;
  for (Walk at(folder, options, code), end; !code && at != end; at.increment(code)) {
    if (!at->path().filename().string().starts_with(partial_prefix)) continue;
    std::error_code ignored;
    if (std::filesystem::remove(at->path(), ignored)) ++swept;
  }
  return swept;
}

}  // namespace harness::apps
