// SPDX-License-Identifier: Apache-2.0
// See direct_slots.hpp.
#include <harness/transports/ofi/direct_slots.hpp>

namespace harness::transports::ofi {

bool DirectSlots::open(Fabric& fabric) {
  if (region_ != nullptr || refused_) return !refused_;
  region_ = Region::make(fabric, std::size_t{slots} * stride_bytes + std::size_t{checks} * check_bytes,
                         Region::Use::both_ways);
  refused_ = region_ == nullptr;
  if (refused_) return false;
  std::byte* at = region_->data();
  for (unsigned i = 0; i < slots + checks; ++i) {
    const bool check = i >= slots;
    Operation& operation = table_[i];
    operation.memory = at;
    operation.next = std::exchange(check ? free_checks_ : free_, &operation);
    at += check ? check_bytes : stride_bytes;
  }
  return true;
}

}  // namespace harness::transports::ofi
