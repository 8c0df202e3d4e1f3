// SPDX-License-Identifier: Apache-2.0
// Whom the nodes of a domain believe: one folder a domain, their own among them.
//
//   <folder>/<domain>/root       its root, as a line
//                     floor      the signed floor between it and us, as a line
//                     revoked    its newest list of revoked certificates, as a line
//                     psk        32 bytes that the two domains share, mode 0600
//
// Belief goes one way: that lab believes office is a folder in lab's store; that office believes lab is one
// in office's. A store is read whole and checked whole: one damaged file and it does not open, since to go on
// without it would be to believe less or to demand less than was agreed. What is added is checked against
// what stands there under a lock, so that a ratchet holds between processes. Bound: domains_max.
#pragma once

#include <map>
#include <optional>

#include <harness/kernel/identity/floor.hpp>
#include <harness/kernel/identity/revocation.hpp>

namespace harness::identity {

struct Trusted {
  Root root;
  std::optional<SignedFloor> floor;
  std::optional<RevocationList> revoked;
  std::optional<Key> psk;
};

class TrustStore {
 public:
  static constexpr std::size_t domains_max = 256;

  /// The store of the domain `self`; empty when the folder is not there. Errors: corrupt, denied, those of
  /// files. Blocks.
  static Result<TrustStore> open(std::string folder, std::string self);

  [[nodiscard]] const std::string& self() const noexcept { return self_; }
  [[nodiscard]] const std::map<std::string, Trusted, std::less<>>& domains() const noexcept {
    return domains_;
  }
  /// Null when the domain is not believed.
  [[nodiscard]] const Trusted* find(std::string_view domain) const noexcept;
  /// What links with a domain must give: as signed, else floor_between_domains, else nothing within one.
  [[nodiscard]] Properties floor(std::string_view domain) const noexcept;

  /// Believes a domain from now on. Errors: denied with wrong_root (another root of that name is believed),
  /// exhausted.
  Result<> add_root(const Root& root);
  /// Forgets a domain, its floor and its secret. Errors: not_found.
  Result<> remove(const std::string& domain);
  /// Errors: not_found (its other domain is not believed), those of check_floor and follows.
  Result<> add_floor(const SignedFloor& floor);
  Result<> add_revocations(const RevocationList& list);
  /// Errors: not_found, invalid (not 32 bytes, or all zero).
  Result<> set_psk(const std::string& domain, Bytes secret);

 private:
  TrustStore(std::string folder, std::string self) : folder_(std::move(folder)), self_(std::move(self)) {}
  [[nodiscard]] std::string path_of(std::string_view domain, std::string_view file) const;
  Result<Trusted> read(const std::string& domain) const;
  Result<> read_floor_of(const std::string& domain, Trusted& trusted, const Root& own) const;
  Result<Trusted*> known(const std::string& domain);

  std::string folder_;
  std::string self_;
  std::map<std::string, Trusted, std::less<>> domains_;
};

}  // namespace harness::identity
