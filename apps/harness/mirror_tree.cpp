// SPDX-License-Identifier: Apache-2.0
// Listing what is mirrored, and comparing it afterwards.
#include <harness/apps/harness/mirror_tree.hpp>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include <harness/apps/common/child_process.hpp>
#include <harness/apps/common/digest.hpp>
#include <harness/apps/common/human.hpp>
#include <harness/kernel/file_handle.hpp>
#include <harness/kernel/system_error.hpp>

namespace harness::apps {

namespace {

namespace fs = std::filesystem;
constexpr std::size_t list_bytes_max = 256u << 20;
constexpr std::size_t told_max = 20;

// The tracked files that are there; nothing when git does not know the folder.
std::vector<std::string> tracked_names(const std::string& folder) {
  std::vector<std::string> names;
  auto listed = output_of({"git", "-C", folder, "ls-files", "-z"}, list_bytes_max);
  if (!listed) return names;
  for (std::size_t at = 0; at < listed->size();) {
    const std::size_t end = std::min(listed->find('\0', at), listed->size());
    std::string name = listed->substr(at, end - at);
    at = end + 1;
    std::error_code code;
    const auto status = fs::symlink_status(fs::path(folder) / name, code);
    if (fs::is_regular_file(status) || fs::is_symlink(status)) names.push_back(std::move(name));
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());  // conflicts are listed once a stage
  return names;
}

std::vector<std::string> all_names(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code code;
  const auto options = fs::directory_options::skip_permission_denied;
  for (fs::recursive_directory_iterator at(folder, options, code), end; !code && at != end;
       at.increment(code)) {
    std::error_code inner;
    const bool folder_with_something =
        at->is_directory(inner) && !at->is_symlink(inner) && !fs::is_empty(at->path(), inner);
    if (!folder_with_something) names.push_back(at->path().lexically_relative(folder).string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<Digest> digest_of(const std::string& path) {
  const FileHandle file(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  std::vector<std::byte> bytes(1u << 18);
  Sha256 sha;
  for (;;) {
    const ssize_t got = file ? read(file.get(), bytes.data(), bytes.size()) : -1;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return tl::unexpected<Error>(system_error(errno, "cannot read " + printable(path)));
    if (got == 0) return sha.finish();
    sha.update({bytes.data(), static_cast<std::size_t>(got)});
  }
}

// Why the two are not the same; empty when they are.
std::string difference(const std::string& source, const std::string& target) {
  std::error_code code;
  const auto here = fs::symlink_status(source, code);
  const auto there = fs::symlink_status(target, code);
  if (!fs::exists(there)) return "is missing";
  if (here.type() != there.type()) return "is of another kind";
  if (fs::is_symlink(here))
    return fs::read_symlink(source, code) == fs::read_symlink(target, code) ? "" : "points elsewhere";
  if (!fs::is_regular_file(here)) return "";
  if ((here.permissions() & fs::perms(0777)) != there.permissions()) return "has another mode";
  const auto mine = digest_of(source);
  const auto other = digest_of(target);
  if (!mine) return mine.error().because;
  if (!other) return other.error().because;
  return *mine == *other ? "" : "has other bytes; did it change meanwhile?";
}

}  // namespace

std::string MirrorTree::at(const std::string& into, const std::string& name) const {
  return into + "/" + (as.empty() ? "" : as + "/") + name;
}

Result<MirrorTree> look_at(const std::string& path) {
  std::error_code code;
  const fs::path resolved = fs::canonical(path, code);
  if (code) return tl::unexpected<Error>(system_error(code.value(), "cannot mirror " + printable(path)));
  MirrorTree tree;
  if (!fs::is_directory(resolved, code)) {
    tree.root = resolved.parent_path().string();
    tree.names = {resolved.filename().string()};
  } else {
    tree.root = resolved.string();
    tree.as = resolved.filename().empty() ? "root" : resolved.filename().string();
    tree.names = tracked_names(tree.root);
    tree.tracked = !tree.names.empty();
    if (!tree.tracked) tree.names = all_names(tree.root);
  }
  if (tree.names.empty())
    return fail(Errc::invalid, "there is nothing to mirror in " + printable(path), "the folder is empty",
                "name another path");
  for (const std::string& name : tree.names) {
    std::error_code none;
    const fs::path file = fs::path(tree.root) / name;
    if (fs::is_regular_file(fs::symlink_status(file, none))) tree.bytes += fs::file_size(file, none);
  }
  return tree;
}

std::vector<std::string> differences(const MirrorTree& tree, const std::string& into,
                                     const std::function<bool()>& step) {
  std::vector<std::string> told;
  std::size_t more = 0;
  for (const std::string& name : tree.names) {
    const std::string why = difference(tree.root + "/" + name, tree.at(into, name));
    if (!why.empty() && told.size() < told_max) told.push_back(printable(name) + " " + why);
    if (!why.empty() && told.size() == told_max) ++more;
    if (!step()) break;
  }
  if (more > 1) told.push_back(fmt::format("… and {} more", more - 1));
  return told;
}

}  // namespace harness::apps
