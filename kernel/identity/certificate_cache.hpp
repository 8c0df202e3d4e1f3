// SPDX-License-Identifier: Apache-2.0
// Certificates whose signature was found right: who comes again costs a hash and not a signature check.
//
// What is remembered is a digest of all bytes of the certificate, and that these roots believe it; dates and
// revocations are looked at each time, and everything is forgotten when the roots are read anew. Only right
// ones are kept: a stranger fills nothing. Bound: certificates_max, then the oldest goes. Rejected: the
// parsed certificate beside the digest (to parse is cheap).
#pragma once

#include <unordered_set>
#include <vector>

#include <harness/kernel/identity/hash.hpp>

namespace harness::identity {

class CertificateCache {
 public:
  static constexpr std::size_t certificates_max = 4096;
  using Name = Digest;

  static Name name_of(Bytes certificate) noexcept { return sha256({certificate}); }
  [[nodiscard]] bool has(const Name& name) const { return names_.contains(name); }
  void add(const Name& name) {
    if (!names_.insert(name).second) return;
    if (ages_.size() < certificates_max) return ages_.push_back(name);
    names_.erase(ages_[oldest_]);
    ages_[oldest_] = name;
    oldest_ = (oldest_ + 1) % certificates_max;
  }
  void forget() noexcept {
    names_.clear();
    ages_.clear();
    oldest_ = 0;
  }

 private:
  struct Front {  // a digest is a hash already
    std::size_t operator()(const Name& name) const noexcept { return load<std::uint64_t>(name.data()); }
  };
  std::unordered_set<Name, Front> names_;
  std::vector<Name> ages_;  // a ring
  std::size_t oldest_ = 0;
};

}  // namespace harness::identity
