// SPDX-License-Identifier: Apache-2.0
// The table of FI_ORDER_*: which kind waits for which.
#include <harness/transports/ofi/mock/packet.hpp>

namespace harness::transports::ofi::mock {

namespace {

enum Class { sends, writes, reads };

Class class_of(Verb verb) noexcept {
  if (verb == Verb::send) return sends;
  return verb == Verb::read ? reads : writes;
}

constexpr std::uint64_t bit_of[3][3] = {  // [later][earlier]
    {FI_ORDER_SAS, FI_ORDER_SAW, FI_ORDER_SAR},
    {FI_ORDER_WAS, FI_ORDER_WAW, FI_ORDER_WAR},
    {FI_ORDER_RAS, FI_ORDER_RAW, FI_ORDER_RAR}};

}  // namespace

bool must_follow(std::uint64_t order, const Packet& later, const Packet& earlier) noexcept {
  if (later.fence != 0 || earlier.fence != 0) return true;
  return (order & bit_of[class_of(later.verb)][class_of(earlier.verb)]) != 0;
}

}  // namespace harness::transports::ofi::mock
