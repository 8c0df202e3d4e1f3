// SPDX-License-Identifier: Apache-2.0
// open, fstat, fsync, rename, flock.
#include <harness/kernel/files.hpp>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include <harness/kernel/system_error.hpp>

namespace harness {

namespace {

namespace fs = std::filesystem;
constexpr std::string_view lock_name = ".lock";

tl::unexpected<Error> system_failure(const std::string& what) {
  return tl::unexpected<Error>(system_error(errno, what));
}

Result<> check_private(const struct stat& status, const std::string& path) {
  if (status.st_uid != geteuid())
    return fail(Errc::denied, path + " belongs to another user",
                fmt::format("its owner is {}, this is {}", status.st_uid, geteuid()),
                "chown it, or use your own");
  if ((status.st_mode & 0077) != 0)
    return fail(Errc::denied, path + " can be read by others",
                fmt::format("its mode is {:04o}", status.st_mode & 07777),
                fmt::format("chmod {} {}", S_ISDIR(status.st_mode) ? "700" : "600", path));
  return {};
}

Result<FileHandle> open_to_read(const std::string& path, Privacy privacy, std::size_t& size) {
  FileHandle file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat status{};
  if (!file || fstat(file.get(), &status) != 0) return system_failure("cannot read " + path);
  if (!S_ISREG(status.st_mode))
    return fail(Errc::invalid, "cannot read " + path, "it is no regular file", "name a file");
  if (privacy == Privacy::secret)
    if (auto own = check_private(status, path); !own) return tl::unexpected<Error>(own.error());
  size = static_cast<std::size_t>(status.st_size);
  return file;
}

Result<std::size_t> read_all(const FileHandle& file, const std::string& path, MutableBytes to) {
  std::size_t have = 0;
  while (have < to.size()) {
    const ssize_t got = ::read(file.get(), to.data() + have, to.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_failure("cannot read " + path);
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  return have;
}

tl::unexpected<Error> too_large(const std::string& path, std::size_t bytes, std::size_t most) {
  return fail(Errc::exhausted, path + " is too large",
              fmt::format("it has {} bytes, at most {} are read", bytes, most), "put the right file there");
}

Result<> sync_folder(const std::string& folder) {
  const FileHandle handle(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!handle || fsync(handle.get()) != 0) return system_failure("cannot sync " + folder);
  return {};
}

Result<> fill(const FileHandle& file, const std::string& path, Bytes bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(file.get(), bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return system_failure("cannot write " + path);
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
  if (fsync(file.get()) != 0) return system_failure("cannot write " + path);
  return {};
}

}  // namespace

Result<> make_private_folder(const std::string& path) {
  std::error_code code;
  std::string so_far;
  for (const fs::path& part : fs::absolute(path, code)) {
    so_far = so_far.empty() ? part.string() : (fs::path(so_far) / part).string();
    if (mkdir(so_far.c_str(), 0700) != 0 && errno != EEXIST && !fs::is_directory(so_far, code))
      return system_failure("cannot make the folder " + so_far);
  }
  struct stat status{};
  if (stat(path.c_str(), &status) != 0) return system_failure("cannot open the folder " + path);
  if (!S_ISDIR(status.st_mode))
    return fail(Errc::exists, "cannot make the folder " + path, "something else stands there",
                "move it away");
  return check_private(status, path);
}

Result<std::size_t> read_file_into(const std::string& path, MutableBytes to, Privacy privacy) {
  std::size_t size = 0;
  auto file = open_to_read(path, privacy, size);
  if (!file) return tl::unexpected<Error>(file.error());
  if (size > to.size()) return too_large(path, size, to.size());
  return read_all(*file, path, to);
}

Result<std::vector<std::byte>> read_file(const std::string& path, std::size_t bytes_max, Privacy privacy) {
  std::size_t size = 0;
  auto file = open_to_read(path, privacy, size);
  if (!file) return tl::unexpected<Error>(file.error());
  if (size > bytes_max) return too_large(path, size, bytes_max);
  std::vector<std::byte> bytes(size);
  auto have = read_all(*file, path, bytes);
  if (!have) return tl::unexpected<Error>(have.error());
  bytes.resize(*have);
  return bytes;
}

Result<> write_file(const std::string& path, Bytes bytes, Privacy privacy) {
  const std::string folder = fs::path(path).parent_path().string();
  std::string beside = folder + "/.new-XXXXXX";
  const FileHandle file(mkostemp(beside.data(), O_CLOEXEC));  // mode 0600
  if (!file) return system_failure("cannot write " + path);
  auto written = fill(file, path, bytes);
  if (written && privacy == Privacy::open && fchmod(file.get(), 0644) != 0)
    written = system_failure("cannot write " + path);
  if (written && rename(beside.c_str(), path.c_str()) != 0) written = system_failure("cannot write " + path);
  if (!written) {
    unlink(beside.c_str());
    return written;
  }
  return sync_folder(folder);
}

Result<> remove_file(const std::string& path) {
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return system_failure("cannot remove " + path);
  return {};
}

Result<> remove_folder(const std::string& path) {
  (void)remove_file(fmt::format("{}/{}", path, lock_name));
  if (rmdir(path.c_str()) != 0 && errno != ENOENT) return system_failure("cannot remove the folder " + path);
  return {};
}

bool file_exists(const std::string& path) noexcept { return access(path.c_str(), F_OK) == 0; }

std::vector<std::string> names_in(const std::string& folder, std::size_t count_max) {
  std::vector<std::string> names;
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(folder, code)) {
    if (names.size() >= count_max) break;
    std::string name = entry.path().filename().string();
    if (!name.starts_with('.')) names.push_back(std::move(name));
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<FolderLock> FolderLock::take(const std::string& folder) {
  FolderLock lock;
  const std::string path = fmt::format("{}/{}", folder, lock_name);
  lock.file_ = FileHandle(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  while (lock.file_ && flock(lock.file_.get(), LOCK_EX) != 0)
    if (errno != EINTR) lock.file_.close();
  if (!lock.file_) return system_failure("cannot lock " + folder);
  return lock;
}

}  // namespace harness
