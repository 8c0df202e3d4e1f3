// SPDX-License-Identifier: Apache-2.0
// State folders: locks, sockets, who runs here.
#include <harness/apps/common/state_folder.hpp>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <filesystem>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fmt/format.h>

#include <harness/apps/common/human.hpp>
#include <harness/kernel/system_error.hpp>
#include <harness/stack/setup.hpp>

namespace harness::apps {

namespace {

namespace fs = std::filesystem;
constexpr std::size_t nodes_max = 4096;
constexpr const char* socket_name = "admin.sock";

tl::unexpected<Error> system_failure(const std::string& what) {
  return tl::unexpected<Error>(system_error(errno, what));
}

/// The address of the socket in an open folder, short whatever the folder's path is.
sockaddr_un address_in(const FileHandle& folder) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  fmt::format_to_n(address.sun_path, sizeof address.sun_path - 1, "/proc/self/fd/{}/{}", folder.get(),
                   socket_name);
  return address;
}

FileHandle open_folder(const std::string& path) {
  return FileHandle(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

std::uint64_t pid_in(int file) {
  char text[32] = {};
  const ssize_t got = pread(file, text, sizeof text - 1, 0);
  std::uint64_t pid = 0;
  if (got > 0) std::from_chars(text, text + got, pid);
  return pid;
}

/// The process that holds the lock of a state folder; 0 when nobody does.
std::uint64_t running_pid(const std::string& path) {
  const FileHandle lock(::open((path + "/node.pid").c_str(), O_RDONLY | O_CLOEXEC));
  if (!lock || flock(lock.get(), LOCK_SH | LOCK_NB) == 0) return 0;
  return errno == EWOULDBLOCK ? std::max<std::uint64_t>(pid_in(lock.get()), 1) : 0;
}

}  // namespace

Result<std::string> state_root() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? std::string_view() : std::string_view(value);
  };
  if (const auto own = variable("HARNESS_STATE"); !own.empty()) return std::string(own);
  if (const auto xdg = variable("XDG_STATE_HOME"); !xdg.empty()) return fmt::format("{}/harness", xdg);
  if (const auto home = variable("HOME"); !home.empty()) return fmt::format("{}/.local/state/harness", home);
  return fail(Errc::not_found, "no place for the state of nodes",
              "neither HARNESS_STATE, XDG_STATE_HOME nor HOME is set", "--state FOLDER");
}

std::string state_path(const std::string& root, const std::string& cluster, const std::string& node) {
  std::error_code code;
  return fs::absolute(root, code).string() + "/" + cluster + "/" + node;
}

Result<StateFolder> StateFolder::open(const std::string& root, const std::string& cluster,
                                      const std::string& node) {
  StateFolder state;
  std::error_code code;
  state.path_ = state_path(root, cluster, node);
  fs::create_directories(fs::path(state.path_).parent_path(), code);
  if (mkdir(state.path_.c_str(), 0700) != 0 && errno != EEXIST)
    return system_failure("cannot make the state folder " + state.path_);
  state.folder_ = open_folder(state.path_);
  struct stat status{};
  if (!state.folder_ || fstat(state.folder_.get(), &status) != 0)
    return system_failure("cannot open the state folder " + state.path_);
  if (status.st_uid != geteuid() || (status.st_mode & 0077) != 0)
    return fail(Errc::denied, "the state folder " + state.path_ + " is open to others",
                fmt::format("its mode is {:04o} and its owner {}", status.st_mode & 07777, status.st_uid),
                "chmod 0700 it, or --state FOLDER");
  state.lock_ =
      FileHandle(openat(state.folder_.get(), "node.pid", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!state.lock_) return system_failure("cannot write to the state folder " + state.path_);
  if (flock(state.lock_.get(), LOCK_EX | LOCK_NB) != 0)
    return fail(Errc::exists, fmt::format("the node {} runs already", node),
                fmt::format("process {} holds {}/node.pid", pid_in(state.lock_.get()), state.path_),
                fmt::format("harness node down {}", node));
  const std::string pid = fmt::format("{}\n", getpid());
  if (ftruncate(state.lock_.get(), 0) != 0 || write(state.lock_.get(), pid.data(), pid.size()) < 0)
    return system_failure("cannot write to the state folder " + state.path_);
  unlinkat(state.folder_.get(), socket_name, 0);  // of a process that crashed: we hold the lock
  if (mkdirat(state.folder_.get(), "received", 0700) != 0 && errno != EEXIST)
    return system_failure("cannot write to the state folder " + state.path_);
  return state;
}

Result<FileHandle> StateFolder::listen() const {
  FileHandle socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const sockaddr_un address = address_in(folder_);
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  const mode_t before = umask(0177);
  const bool bound = socket && bind(socket.get(), generic, sizeof address) == 0;
  umask(before);
  if (!bound || ::listen(socket.get(), 64) != 0)
    return system_failure("cannot open the admin socket in " + path_);
  return socket;
}

void StateFolder::close() noexcept {
  if (!folder_) return;
  unlinkat(folder_.get(), socket_name, 0);
  unlinkat(folder_.get(), "node.pid", 0);
  lock_.close();
  folder_.close();
}

std::vector<LocalNode> local_nodes(const std::string& root, bool all) {
  std::vector<LocalNode> nodes;
  std::error_code code;
  for (const auto& cluster : fs::directory_iterator(root, code)) {
    if (cluster.path().filename() == domains_folder) continue;
    std::error_code inner;
    for (const auto& node : fs::directory_iterator(cluster.path(), inner)) {
      if (nodes.size() >= nodes_max) return nodes;
      const std::string name = node.path().filename().string();
      if (!setup::valid_name(name) || !node.is_directory(inner)) continue;
      const std::uint64_t pid = running_pid(node.path().string());
      if (pid != 0 || all)
        nodes.push_back({cluster.path().filename().string(), name, node.path().string(), pid});
    }
  }
  std::sort(nodes.begin(), nodes.end(), [](const auto& a, const auto& b) {
    return std::tie(a.cluster, a.name) < std::tie(b.cluster, b.name);
  });
  return nodes;
}

Result<FileHandle> connect_admin(const std::string& folder) {
  const FileHandle opened = open_folder(folder);
  if (!opened) return system_failure("cannot open the state folder " + printable(folder));
  FileHandle socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = address_in(opened);
  if (socket && connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
    return socket;
  if (errno == ENOENT || errno == ECONNREFUSED)
    return fail(Errc::unreachable, "the node does not answer",
                fmt::format("nobody listens on {}/{}", printable(folder), socket_name),
                "start it: harness node up NAME --cluster FILE");
  return system_failure("cannot reach the node in " + printable(folder));
}

}  // namespace harness::apps
