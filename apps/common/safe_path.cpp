// SPDX-License-Identifier: Apache-2.0
// Paths that a peer names, checked as text.
#include <harness/apps/common/safe_path.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <harness/apps/common/human.hpp>

namespace harness::apps {

namespace {

auto refused(std::string_view path, std::string because) {
  return fail(Errc::denied, fmt::format("the path {} is refused", printable(path.substr(0, 200))),
              std::move(because), "send it under another name");
}

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> names;
  for (;;) {
    const std::size_t slash = path.find('/');
    names.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return names;
    path.remove_prefix(slash + 1);
  }
}

}  // namespace

Result<std::vector<std::string_view>> safe_names(std::string_view path) {
  if (path.empty()) return refused(path, "it is empty");
  if (path.size() > path_bytes_max)
    return refused(path,
                   fmt::format("it is {} bytes long, at most {} are taken", path.size(), path_bytes_max));
  if (path.front() == '/') return refused(path, "it is absolute");
  if (path.find('\0') != std::string_view::npos) return refused(path, "it contains a NUL byte");
  auto names = split(path);
  for (const std::string_view name : names) {
    if (name.empty()) return refused(path, "it has an empty name between two slashes");
    if (name == "." || name == "..") return refused(path, fmt::format("it contains '{}'", name));
    if (name.size() > path_name_bytes_max)
      return refused(path, fmt::format("a name in it is {} bytes long, at most {} are taken", name.size(),
                                       path_name_bytes_max));
    if (name.starts_with(partial_prefix))
      return refused(path,
                     fmt::format("names that start with {} are those of unfinished files", partial_prefix));
  }
  return names;
}

Result<> safe_link(std::string_view path, std::string_view target) {
  const auto outside = [&](std::string_view because) {
    return fail(Errc::denied, fmt::format("the symbolic link {} is refused", printable(path.substr(0, 200))),
                fmt::format("its target {} {}", printable(target.substr(0, 200)), because),
                "send the tree that contains its target, or leave the link out");
  };
  if (target.empty() || target.size() > path_bytes_max) return outside("is empty or too long");
  if (target.find('\0') != std::string_view::npos) return outside("contains a NUL byte");
  if (target.front() == '/') return outside("is absolute");
  const auto depth = static_cast<std::size_t>(std::count(path.begin(), path.end(), '/'));
  std::size_t up = 0;
  bool named = false;
  for (const std::string_view name : split(target)) {
    if (name.empty() || name == ".") continue;
    if (name != "..") {
      named = true;
    } else if (named) {
      return outside("has '..' after a name, which may lead outside through another link");
    } else if (++up > depth) {
      return outside("leads out of the received tree");
    }
  }
  return {};
}

}  // namespace harness::apps
