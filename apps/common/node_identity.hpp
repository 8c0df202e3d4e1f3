// SPDX-License-Identifier: Apache-2.0
// The identity of a node on this machine: loaded when it runs, looked at when somebody asks.
#pragma once

#include <memory>
#include <string>

#include <harness/apps/common/cluster.hpp>
#include <harness/kernel/identity/authority.hpp>

namespace harness::apps {

/// The real clock, in seconds since 1970. [any-thread]
identity::Seconds unix_now();

/// Where a node's identity is, and for whom.
struct IdentityPlace {
  std::string state;   // the user's root of all state
  std::string folder;  // of the node
  std::string domain;
  std::string node;
};

/// Issues a certificate to the node when it is due and the root of its domain is here, not wrapped; says in
/// `issued` whether it did. Errors: those of enroll_here. Blocks.
Result<> renew_if_due(const IdentityPlace& place, const identity::Secret* passphrase, bool& issued);

/// The node's authority, with what the cluster file demands on top; null when it has no certificate. Errors:
/// those of NodeAuthority::load; denied with `revoked` when its own domain has revoked it. Blocks.
Result<std::unique_ptr<identity::NodeAuthority>> load_authority(const IdentityPlace& place,
                                                                const Cluster& cluster,
                                                                const identity::Secret* passphrase);

/// The floors that a domain and others have signed, as settings beside those of a cluster file.
std::vector<Setting> signed_floors(const identity::TrustStore& trust);

/// What a person is told of it.
struct IdentityView {
  std::string name;         // spiffe://…
  std::string key;          // "none", "mode 0600", "wrapped"
  std::string certificate;  // "none", "holds until …", "expired …"
  std::string root;         // fingerprint; empty: its domain is not known here
  identity::Seconds not_after = 0;
  bool due = false;  // no certificate that holds, or it should be renewed
};
/// Without opening a key. Errors: corrupt, denied. Blocks.
Result<IdentityView> look_at_identity(const IdentityPlace& place, identity::Seconds now);

}  // namespace harness::apps
