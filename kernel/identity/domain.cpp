// SPDX-License-Identifier: Apache-2.0
// The folder of a domain; issuing and revoking. Tokens and answers are in desk.cpp.
#include <harness/kernel/identity/domain.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <harness/kernel/files.hpp>
#include <harness/kernel/identity/hash.hpp>
#include <harness/kernel/identity/refusal.hpp>
#include <harness/stack/setup.hpp>
#include <harness/stack/text.hpp>

namespace harness::identity {

namespace {

constexpr std::size_t names_max = 1024;

Result<SigningKey> read_root_key(const std::string& path, const Secret* passphrase) {
  Secret file(key_file_bytes_max);
  auto size = read_file_into(path, file.bytes(), Privacy::secret);
  if (!size) return tl::unexpected<Error>(size.error());
  file.shorten(*size);
  auto key = open_root_key(file.bytes(), passphrase);
  if (key) return key;
  Error error = key.error();
  if (error.code == Errc::corrupt) error.what = path + ": " + error.what;
  return tl::unexpected<Error>(std::move(error));
}

Result<SigningKey> make_root_key(const std::string& path, const Secret* passphrase, WrapCost cost) {
  SigningKey key = SigningKey::make();
  auto file = write_key(key, passphrase, cost);
  if (!file) return tl::unexpected<Error>(file.error());
  if (auto kept = write_file(path, file->bytes(), Privacy::secret); !kept)
    return tl::unexpected<Error>(kept.error());
  return key;
}

std::uint64_t digest_of(const PublicKey& key) { return load<std::uint64_t>(sha256({key}).data()); }

// A newer floor or list may stand here already: an answer may have been long on its way.
Result<> unless_older(const Result<>& added) {
  return !added && added.error().code == Errc::conflict ? Result<>() : added;
}

}  // namespace

std::string Domain::path_of(const std::string& state, std::string_view name) {
  return fmt::format("{}/domains/{}", state, name);
}

std::vector<std::string> Domain::names(const std::string& state) {
  std::vector<std::string> names = names_in(state + "/domains", names_max);
  std::erase_if(names, [](const std::string& name) { return !setup::valid_name(name); });
  return names;
}

Result<Domain> Domain::create(const std::string& state, const std::string& name, const Secret* passphrase,
                              WrapCost cost) {
  if (!setup::valid_name(name))
    return fail(Errc::invalid, text::quoted(name) + " is no name",
                "names are 1 to 64 letters, digits, '.', '_' and '-', and start with no dot or dash",
                "choose another");
  const std::string folder = path_of(state, name);
  if (auto made = make_private_folder(folder); !made) return tl::unexpected<Error>(made.error());
  auto lock = FolderLock::take(folder);
  if (!lock) return tl::unexpected<Error>(lock.error());
  auto trust = TrustStore::open(folder + "/trust", name);
  if (!trust) return tl::unexpected<Error>(trust.error());
  if (trust->find(name) != nullptr)
    return fail(Errc::exists, fmt::format("there is a domain {} already", name), "its folder is " + folder,
                "harness domain show " + name);
  Domain domain(folder, std::move(*trust));
  auto key = domain.holds_root() ? read_root_key(folder + "/root.key", passphrase)  // we died half way
                                 : make_root_key(folder + "/root.key", passphrase, cost);
  if (!key) return tl::unexpected<Error>(key.error());
  domain.key_ = std::move(*key);
  if (auto known = domain.trust_.add_root(make_root(name, domain.key_)); !known)
    return tl::unexpected<Error>(known.error());
  return domain;
}

Result<Domain> Domain::open(const std::string& state, const std::string& name) {
  const std::string folder = path_of(state, name);
  auto trust = TrustStore::open(folder + "/trust", name);
  if (!trust) return tl::unexpected<Error>(trust.error());
  if (setup::valid_name(name) && trust->find(name) != nullptr) return Domain(folder, std::move(*trust));
  std::vector<std::string> known = names(state);
  const std::vector<std::string_view> views(known.begin(), known.end());
  const std::string_view meant = text::closest(name, views);
  return fail(
      Errc::not_found, fmt::format("there is no domain {} here", text::quoted(name)),
      known.empty() ? "none was made or joined" : "there are " + text::list(std::span(std::as_const(known))),
      meant.empty() ? "harness domain create NAME, or join one with a token"
                    : fmt::format("did you mean {}?", meant));
}

Result<Domain> Domain::learn(const std::string& state, const JoinAnswer& answer) {
  const std::string& name = answer.roots.front().domain;
  const std::string folder = path_of(state, name);
  if (auto made = make_private_folder(folder); !made) return tl::unexpected<Error>(made.error());
  auto trust = TrustStore::open(folder + "/trust", name);
  if (!trust) return tl::unexpected<Error>(trust.error());
  Domain domain(folder, std::move(*trust));
  Result<> done;
  for (std::size_t i = 0; i < answer.roots.size() && done; ++i)
    done = domain.trust_.add_root(answer.roots[i]);
  for (std::size_t i = 0; i < answer.floors.size() && done; ++i)
    done = unless_older(domain.trust_.add_floor(answer.floors[i]));
  if (done && answer.revoked) done = unless_older(domain.trust_.add_revocations(*answer.revoked));
  if (!done) return tl::unexpected<Error>(done.error());
  return domain;
}

bool Domain::holds_root() const noexcept { return file_exists(folder_ + "/root.key"); }

Result<bool> Domain::is_wrapped() const {
  Secret file(key_file_bytes_max);
  auto size = read_file_into(folder_ + "/root.key", file.bytes(), Privacy::secret);
  if (!size) return tl::unexpected<Error>(size.error());
  file.shorten(*size);
  auto facts = look_at_key(file.bytes());
  if (!facts) return tl::unexpected<Error>(facts.error());
  return facts->wrapped;
}

Result<> Domain::unlock(const Secret* passphrase) {
  if (!holds_root())
    return fail(Errc::not_found, fmt::format("the root of {} is not held here", name()),
                fmt::format("{}/root.key is not there", folder_), "run this where the domain was made");
  auto key = read_root_key(folder_ + "/root.key", passphrase);
  if (!key) return tl::unexpected<Error>(key.error());
  if (key->public_key() != root().key)
    return fail(Errc::corrupt, fmt::format("root.key of {} is another root's", name()),
                "its public key is not that of trust/" + name() + "/root",
                "put the right file back from a copy");
  key_ = std::move(*key);
  return {};
}

Result<> Domain::needs_key() const {
  if (!key_.empty()) return {};
  return fail(Errc::denied, fmt::format("the root of {} is locked", name()), "it was not opened",
              "open it first");
}

Result<std::vector<Issued>> Domain::issued() const {
  const std::string path = folder_ + "/issued";
  if (!file_exists(path)) return std::vector<Issued>();
  auto text = read_file(path, issued_bytes_max, Privacy::open);
  if (!text) return tl::unexpected<Error>(text.error());
  return parse_issued(as_text(*text));
}

Result<std::vector<std::byte>> Domain::issue(const JoinRequest& to, Seconds now) {
  auto lock = FolderLock::take(folder_);
  if (!lock) return tl::unexpected<Error>(lock.error());
  return issue_locked(to, now);
}

Result<std::vector<std::byte>> Domain::issue_locked(const JoinRequest& to, Seconds now) {
  if (auto open = needs_key(); !open) return tl::unexpected<Error>(open.error());
  const Seconds life = to.life == 0 ? life_usual : to.life;
  if (life < life_min || life > life_max || now < 0 || now > last_moment - life_max)
    return fail(Errc::invalid, "no certificate can live so long",
                fmt::format("{} from {} on; lives are 1 minute to {}", span_text(life), utc_text(now),
                            span_text(life_max)),
                "--life 7d");
  auto all = issued();
  if (!all) return tl::unexpected<Error>(all.error());
  const auto& held = trust_.find(name())->revoked;
  const auto revoked = [&held](const Issued& one) { return held && held->has(one.serial); };
  const std::uint64_t key = digest_of(to.signing_key);
  if (std::any_of(all->begin(), all->end(),
                  [&](const Issued& one) { return one.key == key && revoked(one); }))
    return refuse(Refusal::revoked, spiffe_name(name(), to.name), "a certificate of this key was revoked",
                  "remove node.key from the node's folder, and enroll it anew with a new key");
  std::erase_if(*all, [&](const Issued& old) { return old.not_after + forget_after < now && !revoked(old); });
  if (all->size() >= issued_max)
    return fail(Errc::exhausted, "too many certificates are issued", fmt::format("{} are kept", issued_max),
                "wait until some have been expired for 30 days");
  Certificate one{name(),     to.name, to.signing_key,    to.static_key, std::max<Seconds>(now - early, 0),
                  now + life, 0,       root().fingerprint};
  fill_random({reinterpret_cast<std::byte*>(&one.serial), sizeof one.serial});
  all->push_back({one.serial, key, one.not_after, one.name});
  // Written first: a certificate that is out can always be revoked.
  if (auto kept = write_file(folder_ + "/issued", as_bytes(write_issued(*all)), Privacy::open); !kept)
    return tl::unexpected<Error>(kept.error());
  return identity::issue(one, key_);
}

Result<RevocationList> Domain::revoke(const std::string& node, Seconds now) {
  if (auto open = needs_key(); !open) return tl::unexpected<Error>(open.error());
  auto lock = FolderLock::take(folder_);
  if (!lock) return tl::unexpected<Error>(lock.error());
  auto all = issued();
  if (!all) return tl::unexpected<Error>(all.error());
  const auto& held = trust_.find(name())->revoked;
  RevocationList list = held.value_or(RevocationList{name(), root().fingerprint, 0, {}, {}});
  std::size_t found = 0;
  for (const Issued& one : *all) {
    if (one.name != node || one.not_after < now || list.has(one.serial)) continue;
    list.revoked.insert(std::lower_bound(list.revoked.begin(), list.revoked.end(), one.serial), one.serial);
    ++found;
  }
  if (found == 0)
    return fail(Errc::not_found, fmt::format("{} has no certificate to revoke", text::quoted(node)),
                fmt::format("{} has issued none to it that still holds", name()),
                "harness domain show " + name());
  if (list.revoked.size() > revoked_max)
    return fail(Errc::exhausted, "too many certificates are revoked",
                fmt::format("at most {} are", revoked_max), "issue shorter lives, or make a new root");
  ++list.serial;
  sign_revocations(list, key_);
  if (auto kept = trust_.add_revocations(list); !kept) return tl::unexpected<Error>(kept.error());
  return list;
}

Result<> Domain::sign(SignedFloor& floor) const {
  if (auto open = needs_key(); !open) return open;
  return sign_floor(floor, root(), key_);
}

}  // namespace harness::identity
