// SPDX-License-Identifier: Apache-2.0
// Loading, and the answers to a handshake's questions.
#include <harness/kernel/identity/authority.hpp>

#include <fmt/format.h>

#include <harness/kernel/identity/domain.hpp>
#include <harness/kernel/identity/greeting.hpp>
#include <harness/kernel/identity/refusal.hpp>
#include <harness/kernel/identity/take.hpp>
#include <harness/stack/text.hpp>

namespace harness::identity {

namespace {

Result<TrustStore> trust_of(const NodeAuthority::Options& options) {
  auto domain = Domain::open(options.state, options.domain);
  if (!domain) return tl::unexpected<Error>(domain.error());
  return std::move(domain->trust());
}

tl::unexpected<Error> revoked(const std::string& domain, const std::string& name, std::uint64_t serial) {
  return refuse(Refusal::revoked, spiffe_name(domain, name),
                fmt::format("{} revoked the certificate {:016x}", domain, serial),
                fmt::format("if that was a mistake, enroll {} anew with a new key", name));
}

}  // namespace

NodeAuthority::NodeAuthority(Options options, NodeKeys keys, TrustStore trust)
    : options_(std::move(options)), keys_(std::move(keys)), trust_(std::move(trust)) {
  fill_random(cookie_key_);
}

// What was checked against other roots is checked again.
void NodeAuthority::take_trust(TrustStore trust) {
  trust_ = std::move(trust);
  checked_.forget();
  greeting_keys_.clear();
  for (const auto& [domain, trusted] : trust_.domains())
    greeting_keys_.emplace(domain, greeting_key(trusted.root));
  greeting_keys_.emplace("", greeting_key(trust_.find(options_.domain)->root.fingerprint));  // who joins
}

Result<std::unique_ptr<NodeAuthority>> NodeAuthority::load(Options options, const Secret* passphrase) {
  const NodeFolder folder(options.folder);
  auto certificate = folder.certificate();
  if (!certificate) return tl::unexpected<Error>(certificate.error());
  if (!*certificate) return std::unique_ptr<NodeAuthority>();
  auto keys = folder.keys(passphrase);
  if (!keys) return tl::unexpected<Error>(keys.error());
  auto trust = trust_of(options);
  if (!trust) return tl::unexpected<Error>(trust.error());
  std::unique_ptr<NodeAuthority> authority(new NodeAuthority(std::move(options), std::move(*keys), *trust));
  authority->take_trust(std::move(*trust));
  if (auto right = authority->take_certificate(**certificate, authority->trust_); !right)
    return tl::unexpected<Error>(right.error());
  return authority;
}

Result<> NodeAuthority::take_certificate(Bytes bytes, const TrustStore& trust) {
  auto own = parse_certificate(bytes);
  if (!own) return tl::unexpected<Error>(own.error());
  const std::string again = fmt::format("harness node enroll {}", options_.node);
  if (own->domain != options_.domain || own->name != options_.node)
    return fail(Errc::conflict, "the certificate of this node is another one's",
                fmt::format("it names {}, this is {}", spiffe_name(own->domain, own->name),
                            spiffe_name(options_.domain, options_.node)),
                again);
  if (own->signing_key != keys_.signing.public_key() || own->static_key != keys_.static_key)
    return fail(Errc::conflict, "the certificate of this node is for other keys",
                "node.key was exchanged, or node.certificate was", again);
  // Its dates are left to the peers, and to a warning: whoever has expired must still be able to renew.
  const Seconds in_force = own->not_before;
  if (auto valid = check_certificate(bytes, trust.find(options_.domain)->root, in_force); !valid)
    return tl::unexpected<Error>(valid.error());
  certificate_.assign(bytes.begin(), bytes.end());
  self_ = {own->domain, own->name, own->static_key, own->serial};
  own_ = std::move(*own);
  return {};
}

Result<> NodeAuthority::reload() {
  auto certificate = NodeFolder(options_.folder).certificate();
  if (!certificate) return tl::unexpected<Error>(certificate.error());
  if (!*certificate)
    return fail(Errc::not_found, "the certificate of this node is gone", options_.folder + " has none",
                fmt::format("harness node enroll {}", options_.node));
  auto trust = trust_of(options_);
  if (!trust) return tl::unexpected<Error>(trust.error());
  if (auto right = take_certificate(**certificate, *trust); !right) return right;
  take_trust(std::move(*trust));
  return {};
}

tl::unexpected<Error> NodeAuthority::not_believed(std::string_view domain) const {
  return fail(Errc::denied, fmt::format("the domain {} is not believed", domain),
              fmt::format("the nodes of {} believe {} domains, not this one", options_.domain,
                          trust_.domains().size()),
              fmt::format("harness domain trust {} ROOT, with what `harness domain show {}` prints there",
                          options_.domain, domain));
}

Result<Principal> NodeAuthority::verify(Bytes bytes) const {
  auto shown = parse_certificate(bytes);
  if (!shown) return tl::unexpected<Error>(shown.error());
  const Trusted* domain = trust_.find(shown->domain);
  if (domain == nullptr) return not_believed(shown->domain);
  const CertificateCache::Name name = CertificateCache::name_of(bytes);
  if (checked_.has(name)) {
    if (auto valid = check_dates(*shown, options_.now()); !valid) return tl::unexpected<Error>(valid.error());
  } else {
    if (auto valid = check_certificate(bytes, domain->root, options_.now()); !valid)
      return tl::unexpected<Error>(valid.error());
    checked_.add(name);
  }
  if (domain->revoked && domain->revoked->has(shown->serial))
    return revoked(shown->domain, shown->name, shown->serial);
  return Principal{std::move(shown->domain), std::move(shown->name), shown->static_key, shown->serial};
}

Result<> NodeAuthority::still_believed(const Principal& peer) const {
  if (peer.domain.empty()) return {};  // it joins, and is nobody yet
  const Trusted* domain = trust_.find(peer.domain);
  if (domain == nullptr) return not_believed(peer.domain);
  if (domain->revoked && domain->revoked->has(peer.serial))
    return revoked(peer.domain, peer.name, peer.serial);
  return {};
}

Key NodeAuthority::shared_secret(std::string_view domain) const noexcept {
  const Trusted* trusted = trust_.find(domain);
  return trusted != nullptr && trusted->psk ? *trusted->psk : Key{};
}

Properties NodeAuthority::floor(std::string_view domain) const noexcept {
  Properties word = trust_.floor(domain);
  for (const Raise& raise : options_.raises)
    if (raise.domain == domain) word = word | raise.word;
  return word;
}

std::optional<Code> NodeAuthority::greeting(std::string_view domain, Bytes frame) const noexcept {
  const auto key = greeting_keys_.find(domain);
  if (key == greeting_keys_.end()) return {};
  return short_code(key->second, frame);
}

Result<Key> NodeAuthority::ticket_key(Bytes name) const {
  Fingerprint root{};
  TokenId id{};
  Reader in(name);
  take(in, root);
  take(in, id);
  const Root& own = trust_.find(options_.domain)->root;
  if (!in.done() || root != own.fingerprint)
    return refuse(Refusal::wrong_root, "the token",
                  fmt::format("it names {}, {} has {}", fingerprint_text(root), options_.domain,
                              fingerprint_text(own.fingerprint)),
                  "dial a node of the domain that the token is for");
  auto domain = Domain::open(options_.state, options_.domain);
  if (!domain) return tl::unexpected<Error>(domain.error());
  if (!domain->holds_root())
    return fail(Errc::not_found,
                fmt::format("the root of {} is not held by {}", options_.domain, options_.node),
                "who lets a node join must be able to issue", "dial the node where the domain was made");
  return domain->psk(id, options_.now());
}

Code NodeAuthority::cookie(Bytes bytes) const noexcept { return short_code(cookie_key_, bytes); }

}  // namespace harness::identity
