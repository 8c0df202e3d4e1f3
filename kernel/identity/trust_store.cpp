// SPDX-License-Identifier: Apache-2.0
// Reading, checking and changing what a domain believes.
#include <harness/kernel/identity/trust_store.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <harness/kernel/files.hpp>
#include <harness/kernel/identity/line.hpp>
#include <harness/kernel/identity/refusal.hpp>
#include <harness/stack/setup.hpp>
#include <harness/stack/text.hpp>

namespace harness::identity {

namespace {

// A document of a store, by its reader; nothing when the file is not there. The path leads its errors.
template <class T>
Result<std::optional<T>> read_document(const std::string& path, std::size_t bytes_max,
                                       Result<T> (*parse)(std::string_view)) {
  if (!file_exists(path)) return std::optional<T>();
  auto text = read_file(path, 2 * bytes_max + 128, Privacy::open);
  if (!text) return tl::unexpected<Error>(text.error());
  auto document = parse(as_text(*text));
  if (document) return std::optional<T>(std::move(*document));
  Error error = document.error();
  error.what = path + ": " + error.what;
  return tl::unexpected<Error>(std::move(error));
}

Result<> write_line_file(const std::string& path, const std::string& line) {
  return write_file(path, as_bytes(line + "\n"), Privacy::open);
}

Result<std::optional<Key>> read_psk(const std::string& path) {
  if (!file_exists(path)) return std::optional<Key>();
  Key key{};
  auto size = read_file_into(path, key, Privacy::secret);
  if (!size) return tl::unexpected<Error>(size.error());
  if (*size != key.size())
    return fail(Errc::corrupt, path + " is damaged",
                fmt::format("it has {} bytes, not {}", *size, key.size()),
                "import the secret again: harness domain secret A B FILE");
  return std::optional<Key>(key);
}

}  // namespace

std::string TrustStore::path_of(std::string_view domain, std::string_view file) const {
  return fmt::format("{}/{}/{}", folder_, domain, file);
}

Result<TrustStore> TrustStore::open(std::string folder, std::string self) {
  TrustStore store(std::move(folder), std::move(self));
  for (const std::string& domain : names_in(store.folder_, domains_max)) {
    if (!setup::valid_name(domain) || !file_exists(store.path_of(domain, "root"))) continue;
    auto trusted = store.read(domain);
    if (!trusted) return tl::unexpected<Error>(trusted.error());
    store.domains_.emplace(domain, std::move(*trusted));
  }
  const Trusted* own = store.find(store.self_);
  for (auto& [domain, trusted] : store.domains_)
    if (own != nullptr)
      if (auto read = store.read_floor_of(domain, trusted, own->root); !read)
        return tl::unexpected<Error>(read.error());
  return store;
}

Result<Trusted> TrustStore::read(const std::string& domain) const {
  const std::string path = path_of(domain, "root");
  auto root = read_document(path, root_bytes_max, &read_root);
  if (!root) return tl::unexpected<Error>(root.error());
  if (!*root || (*root)->domain != domain)
    return fail(Errc::corrupt, path + " is damaged",
                *root ? fmt::format("it holds the root of {}", (*root)->domain) : "it is missing",
                fmt::format("harness domain distrust {} {}, then trust it anew", self_, domain));
  Trusted trusted{std::move(**root), {}, {}, {}};
  auto revoked = read_document(path_of(domain, "revoked"), revocation_bytes_max, &read_revocations);
  if (!revoked) return tl::unexpected<Error>(revoked.error());
  if (*revoked)
    if (auto right = check_revocations(**revoked, trusted.root); !right)
      return tl::unexpected<Error>(right.error());
  trusted.revoked = std::move(*revoked);
  auto psk = read_psk(path_of(domain, "psk"));
  if (!psk) return tl::unexpected<Error>(psk.error());
  trusted.psk = *psk;
  return trusted;
}

Result<> TrustStore::read_floor_of(const std::string& domain, Trusted& trusted, const Root& own) const {
  auto floor = read_document(path_of(domain, "floor"), floor_bytes_max, &read_floor);
  if (!floor) return tl::unexpected<Error>(floor.error());
  if (*floor)
    if (auto right = check_floor(**floor, own, trusted.root); !right) return right;
  trusted.floor = std::move(*floor);
  return {};
}

const Trusted* TrustStore::find(std::string_view domain) const noexcept {
  const auto at = domains_.find(domain);
  return at == domains_.end() ? nullptr : &at->second;
}

Properties TrustStore::floor(std::string_view domain) const noexcept {
  const Trusted* trusted = find(domain);
  if (trusted != nullptr && trusted->floor) return trusted->floor->word;
  return domain == self_ ? property::none : floor_between_domains;
}

Result<Trusted*> TrustStore::known(const std::string& domain) {
  const auto at = domains_.find(domain);
  if (at != domains_.end()) return &at->second;
  return fail(Errc::not_found, fmt::format("{} does not believe the domain {}", self_, text::quoted(domain)),
              "its root is not in the store", fmt::format("harness domain trust {} ROOT", self_));
}

Result<> TrustStore::add_root(const Root& root) {
  if (auto made = make_private_folder(folder_); !made) return made;
  auto lock = FolderLock::take(folder_);
  if (!lock) return tl::unexpected<Error>(lock.error());
  const std::string path = path_of(root.domain, "root");
  auto held = read_document(path, root_bytes_max, &read_root);
  if (!held) return tl::unexpected<Error>(held.error());
  if (*held && (*held)->fingerprint != root.fingerprint)
    return refuse(Refusal::wrong_root, "the domain " + root.domain,
                  fmt::format("{} believes {}, this one is {}", self_, fingerprint_text((*held)->fingerprint),
                              fingerprint_text(root.fingerprint)),
                  fmt::format("if it really changed: harness domain distrust {} {}", self_, root.domain));
  if (domains_.size() >= domains_max)
    return fail(Errc::exhausted, "too many domains are believed", fmt::format("at most {} are", domains_max),
                fmt::format("harness domain distrust {} OTHER", self_));
  if (auto made = make_private_folder(fmt::format("{}/{}", folder_, root.domain)); !made) return made;
  if (!*held)
    if (auto written = write_line_file(path, root_line(root)); !written) return written;
  domains_.try_emplace(root.domain, Trusted{root, {}, {}, {}});
  return {};
}

Result<> TrustStore::remove(const std::string& domain) {
  if (auto there = known(domain); !there) return tl::unexpected<Error>(there.error());
  auto lock = FolderLock::take(folder_);
  if (!lock) return tl::unexpected<Error>(lock.error());
  for (const char* file : {"root", "psk", "floor", "revoked"})  // without its root it is not believed
    if (auto gone = remove_file(path_of(domain, file)); !gone) return gone;
  domains_.erase(domain);
  return remove_folder(fmt::format("{}/{}", folder_, domain));
}

Result<> TrustStore::add_floor(const SignedFloor& floor) {
  auto own = known(self_);
  if (!own) return tl::unexpected<Error>(own.error());
  const std::string domain = floor.other(self_);
  auto other = known(domain);
  if (!other) return tl::unexpected<Error>(other.error());
  if (auto right = check_floor(floor, (*own)->root, (*other)->root); !right) return right;
  auto lock = FolderLock::take(folder_);
  if (!lock) return tl::unexpected<Error>(lock.error());
  if (auto read = read_floor_of(domain, **other, (*own)->root); !read) return read;
  if (auto newer = follows(floor, (*other)->floor ? &*(*other)->floor : nullptr); !newer) return newer;
  (*other)->floor = floor;
  return write_line_file(path_of(domain, "floor"), floor_line(floor));
}

Result<> TrustStore::add_revocations(const RevocationList& list) {
  auto of = known(list.domain);
  if (!of) return tl::unexpected<Error>(of.error());
  if (auto right = check_revocations(list, (*of)->root); !right) return right;
  auto lock = FolderLock::take(folder_);
  if (!lock) return tl::unexpected<Error>(lock.error());
  auto held = read(list.domain);
  if (!held) return tl::unexpected<Error>(held.error());
  if (auto newer = follows(list, held->revoked ? &*held->revoked : nullptr); !newer) return newer;
  (*of)->revoked = list;
  return write_line_file(path_of(list.domain, "revoked"), revocations_line(list));
}

Result<> TrustStore::set_psk(const std::string& domain, Bytes secret) {
  auto of = known(domain);
  if (!of) return tl::unexpected<Error>(of.error());
  Key key{};
  if (secret.size() != key.size())
    return fail(Errc::invalid, "a shared secret has 32 bytes", fmt::format("these are {}", secret.size()),
                "head -c 32 /dev/urandom > FILE, and bring it to both domains");
  std::copy(secret.begin(), secret.end(), key.begin());
  if (key == Key{})
    return fail(Errc::invalid, "a shared secret of zeros is none", "zeros stand for no secret",
                "head -c 32 /dev/urandom > FILE, and bring it to both domains");
  (*of)->psk = key;
  return write_file(path_of(domain, "psk"), secret, Privacy::secret);
}

}  // namespace harness::identity
