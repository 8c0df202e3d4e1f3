// SPDX-License-Identifier: Apache-2.0
// Loading, renewing and showing.
#include <harness/apps/common/node_identity.hpp>

#include <chrono>

#include <fmt/format.h>

#include <harness/kernel/identity/enroll.hpp>
#include <harness/kernel/identity/refusal.hpp>

namespace harness::apps {

namespace {

using identity::Domain;
using identity::NodeFolder;

std::vector<identity::NodeAuthority::Raise> raises_of(const Cluster& cluster, const std::string& domain) {
  std::vector<identity::NodeAuthority::Raise> raises;
  for (const policies::Floor& floor : cluster.floors) {
    if (floor.domain_a == domain) raises.push_back({floor.domain_b, floor.word});
    if (floor.domain_b == domain && floor.domain_a != domain) raises.push_back({floor.domain_a, floor.word});
  }
  return raises;
}

std::string life_of(const identity::Certificate& own, identity::Seconds now) {
  if (now > own.not_after) return fmt::format("expired {}", identity::utc_text(own.not_after));
  return fmt::format("holds until {}, {}", identity::utc_text(own.not_after),
                     identity::span_text(own.not_after - now));
}

}  // namespace

identity::Seconds unix_now() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(since).count();
}

Result<> renew_if_due(const IdentityPlace& place, const identity::Secret* passphrase, bool& issued) {
  issued = false;
  NodeFolder folder(place.folder);
  const identity::Seconds now = unix_now();
  if (!identity::needs_certificate(folder, place.domain, place.node, now)) return {};
  auto domain = Domain::open(place.state, place.domain);
  if (!domain && domain.error().code == Errc::not_found) return {};
  if (!domain) return tl::unexpected<Error>(domain.error());
  if (!domain->holds_root()) return {};
  auto wrapped = domain->is_wrapped();
  if (!wrapped) return tl::unexpected<Error>(wrapped.error());
  if (*wrapped) return {};
  if (auto open = domain->unlock(nullptr); !open) return open;
  auto own = identity::enroll_here(*domain, folder, place.node, passphrase, 0, now);
  if (!own) return tl::unexpected<Error>(own.error());
  issued = true;
  return {};
}

Result<std::unique_ptr<identity::NodeAuthority>> load_authority(const IdentityPlace& place,
                                                                const Cluster& cluster,
                                                                const identity::Secret* passphrase) {
  auto authority = identity::NodeAuthority::load(
      {place.state, place.folder, place.domain, place.node, raises_of(cluster, place.domain), &unix_now},
      passphrase);
  if (!authority || *authority == nullptr) return authority;
  const auto valid = (*authority)->verify((*authority)->certificate());
  if (!valid && identity::refusal_of(valid.error())) return tl::unexpected<Error>(valid.error());
  return authority;  // an expired one may still be renewed
}

std::vector<Setting> signed_floors(const identity::TrustStore& trust) {
  std::vector<Setting> settings;
  for (const auto& [domain, trusted] : trust.domains())
    if (trusted.floor)
      settings.push_back({fmt::format("floors.{}.{}", trust.self(), domain),
                          fmt::format("\"{}\"", property::to_string(trusted.floor->word)),
                          fmt::format("signed by both, serial {}", trusted.floor->serial)});
  return settings;
}

Result<IdentityView> look_at_identity(const IdentityPlace& place, identity::Seconds now) {
  const NodeFolder folder(place.folder);
  IdentityView view{identity::spiffe_name(place.domain, place.node), "none", "none", {}, 0, true};
  auto facts = folder.facts();
  if (!facts) return tl::unexpected<Error>(facts.error());
  if (*facts) view.key = (*facts)->wrapped ? "wrapped" : "mode 0600";
  if (auto domain = Domain::open(place.state, place.domain))
    view.root = identity::fingerprint_text(domain->root().fingerprint);
  auto bytes = folder.certificate();
  if (!bytes) return tl::unexpected<Error>(bytes.error());
  if (!*bytes) return view;
  auto own = identity::parse_certificate(**bytes);
  if (!own) return tl::unexpected<Error>(own.error());
  view.certificate = life_of(*own, now);
  view.not_after = own->not_after;
  view.due = now >= own->renew_at();
  return view;
}

}  // namespace harness::apps
