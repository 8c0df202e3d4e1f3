// SPDX-License-Identifier: Apache-2.0
// See policy.hpp.
#include <harness/transports/ofi/policy.hpp>

#include <array>

#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>

namespace harness::transports::ofi {

namespace {

constexpr std::uint64_t every_bit =
    FI_MR_LOCAL | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY | FI_MR_ENDPOINT | FI_MR_RAW;
// shm gives up all order but that of sends when it is offered more.
constexpr std::uint64_t addresses_only = FI_MR_VIRT_ADDR;
constexpr std::uint32_t v1_17 = FI_VERSION(1, 17);
constexpr std::uint32_t v1_18 = FI_VERSION(1, 18);
constexpr std::uint32_t k16 = 16 * 1024;  // ofi_rxm cuts larger messages, and touches 30 MB with the first
constexpr std::uint32_t k64 = 64 * 1024;
constexpr std::uint32_t large_inject = 4096;

constexpr std::array table = {
    Policy{"cxi", "cxi", 0, 0, any_version, true, false, true, true, every_bit, k16, k64, 192,
           "registered memory is bound to its endpoint"},
    Policy{"verbs", "verbs;ofi_rxm", 0, 0, any_version, true, true, false, true, every_bit, k16, k16,
           large_inject, "delivery is not honoured by ofi_rxm"},
    Policy{"efa", "efa", 0, 0, any_version, true, false, false, false, every_bit, 8192, 0, large_inject,
           "one-sided operations are not ordered; delivery not honoured before 1.12"},
    Policy{"opx", "opx", 0, 0, any_version, true, false, false, false, every_bit, 8192, 0, large_inject,
           "no multi-receive"},
    Policy{"psm3", "psm3", 0, 0, any_version, true, false, false, false, every_bit, k16, 0, large_inject, ""},
    Policy{"tcp", "tcp", 0, v1_18, any_version, true, true, false, true, every_bit, k16, k64, large_inject,
           "connectionless by itself since 1.18"},
    Policy{"tcp", "tcp;ofi_rxm", 0, 0, any_version, true, true, false, false, every_bit, k16, k16,
           large_inject,
           "delivery is not honoured by ofi_rxm; a descriptor costs two system calls a message"},
    Policy{"shm", "shm", 0, 0, any_version, true, false, true, false, addresses_only, 4096, k64, large_inject,
           "nothing to sleep on; a killed peer may leave a name in /dev/shm and block its lock"},
    Policy{"net", "net", 0, 0, v1_17, false, true, false, true, every_bit, k16, k64, large_inject,
           "refuses the atomics it advertises; its thread needs a core"},
    Policy{"rxd", "udp;ofi_rxd", 0, 0, any_version, false, true, false, false, every_bit, 8192, k64,
           large_inject, "fixed window without congestion control; hangs under load"},
    Policy{"sockets", "sockets", 0, 0, any_version, false, true, false, true, every_bit, k16, k64,
           large_inject, "unmaintained; milliseconds a transfer, or dead"},
    Policy{"mock-verbs", "mock-verbs", 0, 0, any_version, false, true, false, true, every_bit, k16, k64, 64,
           "for tests: a verbs card that is strict"},
    Policy{"mock-cxi", "mock-cxi", 0, 0, any_version, false, false, true, true, every_bit, k16, k64, 64,
           "for tests: a cxi card that is strict"},
};

}  // namespace

std::span<const Policy> policies() noexcept { return table; }

bool fits(const Policy& policy, const fi_info& info, std::uint32_t version) noexcept {
  return info.fabric_attr != nullptr && info.fabric_attr->prov_name != nullptr &&
         policy.provider == info.fabric_attr->prov_name && version >= policy.from && version <= policy.to &&
         (policy.protocol == 0 || (info.ep_attr != nullptr && info.ep_attr->protocol == policy.protocol));
}

}  // namespace harness::transports::ofi
