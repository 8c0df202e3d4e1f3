// SPDX-License-Identifier: Apache-2.0
// harness::Authority over the files of this user: a node's keys and certificate, and what its domain
// believes.
//
// Everything is read once and kept; reload() reads it again, all or nothing, so that a damaged file leaves
// what was in force. What a handshake asks then costs a few look-ups, no file, and one signature check for a
// certificate that was not shown before. Only who joins makes it read one: its token's.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <harness/kernel/identity/certificate_cache.hpp>
#include <harness/kernel/identity/node_folder.hpp>
#include <harness/kernel/identity/trust_store.hpp>
#include <harness/stack/authority.hpp>

namespace harness::identity {

class NodeAuthority final : public Authority {
 public:
  /// A demand of this node's own configuration: it is added to what was signed, never in place of it.
  struct Raise {
    std::string domain;
    Properties word{};
  };
  struct Options {
    std::string state;   // folder of all state of this user
    std::string folder;  // of the node
    std::string domain;
    std::string node;
    std::vector<Raise> raises;
    std::function<Seconds()> now;  // the real clock
  };

  /// Null when the node has no certificate: then it has no identity. `passphrase` may be null. Errors: denied
  /// (a file that others may read, a passphrase that is needed or wrong), corrupt, conflict (the certificate
  /// is for another name, domain or key), not_found (its domain is not here). Blocks.
  static Result<std::unique_ptr<NodeAuthority>> load(Options options, const Secret* passphrase);

  [[nodiscard]] const Principal& self() const noexcept override { return self_; }
  [[nodiscard]] Bytes certificate() const noexcept override { return certificate_; }
  [[nodiscard]] Bytes static_secret() const noexcept override { return keys_.static_secret.bytes(); }
  [[nodiscard]] Result<Principal> verify(Bytes certificate) const override;
  [[nodiscard]] Result<> still_believed(const Principal& peer) const override;
  [[nodiscard]] Key shared_secret(std::string_view domain) const noexcept override;
  [[nodiscard]] Properties floor(std::string_view domain) const noexcept override;
  [[nodiscard]] std::optional<Code> greeting(std::string_view domain, Bytes frame) const noexcept override;
  [[nodiscard]] Code cookie(Bytes bytes) const noexcept override;
  [[nodiscard]] Result<Key> ticket_key(Bytes name) const override;

  /// Its own certificate, taken apart; it may have expired. [stack-thread]
  [[nodiscard]] const Certificate& own() const noexcept { return own_; }
  [[nodiscard]] const TrustStore& trust() const noexcept { return trust_; }
  /// Reads certificate and trust again, keeps the keys. Errors: as load; nothing has changed then.
  /// [stack-thread]
  Result<> reload();

 private:
  NodeAuthority(Options options, NodeKeys keys, TrustStore trust);
  Result<> take_certificate(Bytes bytes, const TrustStore& trust);
  void take_trust(TrustStore trust);
  [[nodiscard]] tl::unexpected<Error> not_believed(std::string_view domain) const;

  Options options_;
  NodeKeys keys_;
  TrustStore trust_;
  std::map<std::string, Code, std::less<>> greeting_keys_;  // of the domains that trust_ believes
  Code cookie_key_{};                                       // drawn when it is loaded
  mutable CertificateCache checked_;
  std::vector<std::byte> certificate_;
  Certificate own_;
  Principal self_;
};

}  // namespace harness::identity
