// SPDX-License-Identifier: Apache-2.0
// The profiles.
#include <harness/transports/ofi/mock/profile.hpp>

namespace harness::transports::ofi::mock {

namespace {

constexpr std::uint64_t common_caps = FI_MSG | FI_RMA | FI_ATOMIC | FI_READ | FI_WRITE | FI_RECV | FI_SEND |
                                      FI_REMOTE_READ | FI_REMOTE_WRITE | FI_SOURCE | FI_LOCAL_COMM |
                                      FI_REMOTE_COMM;
constexpr std::uint64_t ordered =
    FI_ORDER_RAR | FI_ORDER_RAW | FI_ORDER_RAS | FI_ORDER_WAW | FI_ORDER_WAS | FI_ORDER_SAW | FI_ORDER_SAS;

Profile verbs_profile() {
  return {.provider = "mock-verbs",
          .domain = "mock_verbs0",
          .scheme = "mock-verbs:",
          .protocol = FI_PROTO_RDMA_CM_IB_RC,
          .caps = common_caps,
          .mode = FI_RX_CQ_DATA,
          .mr_mode = FI_MR_LOCAL | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY,
          .key_bytes = 4,
          .inject_bytes = 64,
          .cq_data_bytes = 4,
          .iov_limit = 4,
          .places_limit = 1,
          .order = ordered,
          .named_by_host = true,
          .receives_in_order = true,
          .write_data = true,
          .answers_deliver = true,
          .completes_late = false,
          .guards_queues = false,
          .truncation_is_nacked = true};
}

Profile cxi_profile(bool raw) {
  const int raw_bits = raw ? FI_MR_RAW | FI_MR_PROV_KEY : 0;
  return {.provider = "mock-cxi",
          .domain = "mock_cxi0",
          .scheme = "mock-cxi:",
          .protocol = FI_PROTO_CXI,
          .caps = common_caps | FI_MULTI_RECV | FI_FENCE,
          .mode = 0,
          .mr_mode = FI_MR_ENDPOINT | FI_MR_ALLOCATED | raw_bits,
          .key_bytes = raw ? raw_key_bytes : 4,
          .inject_bytes = 192,
          .cq_data_bytes = 8,
          .iov_limit = 1,
          .places_limit = 1,
          .order = FI_ORDER_SAS,
          .named_by_host = false,
          .receives_in_order = false,
          .write_data = false,
          .answers_deliver = false,
          .completes_late = false,
          .guards_queues = true,
          .truncation_is_nacked = false};
}

Profile tcp_profile() {
  return {.provider = "mock-tcp",
          .domain = "mock_tcp0",
          .scheme = "mock-tcp:",
          .protocol = FI_PROTO_RXM,
          .caps = (common_caps & ~std::uint64_t{FI_ATOMIC}) | FI_MULTI_RECV,
          .mode = 0,
          .mr_mode = 0,
          .key_bytes = 8,
          .inject_bytes = 64,
          .cq_data_bytes = 8,
          .iov_limit = 4,
          .places_limit = 2,
          .order = ordered,
          .named_by_host = true,
          .receives_in_order = true,
          .write_data = true,
          .answers_deliver = true,
          .completes_late = true,
          .guards_queues = true,
          .truncation_is_nacked = false};
}

}  // namespace

std::array<Profile, 3> profiles(bool raw) { return {verbs_profile(), cxi_profile(raw), tcp_profile()}; }

}  // namespace harness::transports::ofi::mock
