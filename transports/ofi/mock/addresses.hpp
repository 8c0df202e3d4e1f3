// SPDX-License-Identifier: Apache-2.0
// The address vector: FI_AV_TABLE, so an fi_addr_t is an index; texts as fi_getname gives them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <harness/transports/ofi/mock/domain.hpp>

namespace harness::transports::ofi::mock {

class AddressVector : public fid_av {
 public:
  using Face = fid_av;
  AddressVector(Domain& domain, void* context);
  AddressVector(const AddressVector&) = delete;
  AddressVector& operator=(const AddressVector&) = delete;
  ~AddressVector() { --domain_.children; }

  /// The index, or nothing when the text is no address of this provider.
  std::optional<fi_addr_t> insert(const char* text);
  bool remove(fi_addr_t address);
  /// The name a socket has, or null.
  [[nodiscard]] const std::string* name_of(fi_addr_t address) const;
  [[nodiscard]] fi_addr_t address_of(const std::string& name) const;
  [[nodiscard]] std::string text_of(const std::string& name) const;
  [[nodiscard]] Domain& domain() const noexcept { return domain_; }
  unsigned users = 0;  // endpoints bound to it

 private:
  Domain& domain_;
  std::vector<std::string> names_;  // empty: removed, not used again
};

/// fi_av_open(3).
int open_address_vector(fid_domain* domain, fi_av_attr* attributes, fid_av** vector, void* context);

}  // namespace harness::transports::ofi::mock
