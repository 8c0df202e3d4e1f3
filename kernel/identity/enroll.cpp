// SPDX-License-Identifier: Apache-2.0
// Keys, certificate, file. The public halves are enough to renew: no passphrase is needed for it.
#include <harness/kernel/identity/enroll.hpp>

namespace harness::identity {

Result<Certificate> enroll_here(Domain& domain, NodeFolder& folder, const std::string& node,
                                const Secret* passphrase, Seconds life, Seconds now) {
  auto keys = folder.facts();
  if (keys && !*keys) {
    if (auto made = folder.keys_or_new(passphrase); !made) return tl::unexpected<Error>(made.error());
    keys = folder.facts();
  }
  if (!keys) return tl::unexpected<Error>(keys.error());
  JoinRequest request;
  request.domain = domain.name();
  request.name = node;
  request.signing_key = (*keys)->signing_key;
  request.static_key = (*keys)->static_key;
  request.life = life;
  auto bytes = domain.issue(request, now);
  if (!bytes) return tl::unexpected<Error>(bytes.error());
  if (auto kept = folder.keep_certificate(*bytes); !kept) return tl::unexpected<Error>(kept.error());
  return parse_certificate(*bytes);
}

bool needs_certificate(const NodeFolder& folder, const std::string& domain, const std::string& node,
                       Seconds now) {
  auto bytes = folder.certificate();
  if (!bytes) return false;  // damaged: told where it is loaded, not papered over
  if (!*bytes) return true;
  auto own = parse_certificate(**bytes);
  return own && own->domain == domain && own->name == node && now >= own->renew_at();
}

}  // namespace harness::identity
