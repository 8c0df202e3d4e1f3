// SPDX-License-Identifier: Apache-2.0
// See policy.hpp.
#include <harness/transports/ofi/policy.hpp>

#include <array>

namespace harness::transports::ofi {

namespace {

constexpr std::uint32_t v1_17 = FI_VERSION(1, 17);
constexpr std::uint32_t v1_18 = FI_VERSION(1, 18);
constexpr std::uint32_t k8 = 8 * 1024;
constexpr std::uint32_t rxm_bytes =
    16 * 1024;  // over a card ofi_rxm cuts larger messages, and touches 30 MB with the first

// Atomics of shm and ofi_rxm (over a card, too) are carried out by the target's processor in its progress, as
// are messages of ours. ofi_rxm 1.17 gives up the order of reads and writes for them (RAW, WAW, SAW go, and
// max_order_raw_size is 0), which native put stands on. net has the capability and refuses every operation.
// ofi_rxm says that it injects 64 bytes. Asked for 128 it copies the rest itself: a frame of 64 B is there
// 3 % sooner, and a flood of them takes 10 % longer.
// shm copies what is read inside the call, and the peer should have room again while the next is copied.
constexpr std::array table = {
    Policy{.word = "cxi",
           .provider = "cxi",
           .is_card = true,
           .has_descriptor = true,
           .trusts_delivery = true,
           .has_atomics = true,
           .lost_write = LostWrite::none,
           .inject_bytes_max = 192,
           .note = "registered memory is bound to its endpoint"},
    Policy{.word = "verbs",
           .provider = "verbs;ofi_rxm",
           .is_card = true,
           .named_by_host = true,
           .has_descriptor = true,
           .probe_bytes_max = rxm_bytes,
           .note = "delivery is not honoured by ofi_rxm"},
    Policy{.word = "efa",
           .provider = "efa",
           .is_card = true,
           .eager_bytes = k8,
           .probe_bytes_max = 0,
           .note = "one-sided operations are not ordered; delivery not honoured before 1.12"},
    Policy{.word = "opx",
           .provider = "opx",
           .is_card = true,
           .eager_bytes = k8,
           .probe_bytes_max = 0,
           .note = "no multi-receive"},
    Policy{.word = "psm3", .provider = "psm3", .is_card = true, .probe_bytes_max = 0},
    Policy{.word = "tcp",
           .provider = "tcp",
           .from = v1_18,
           .named_by_host = true,
           .has_descriptor = true,
           .reads_in_order = true,
           .lost_write = LostWrite::silent,
           .note = "connectionless by itself since 1.18"},
    Policy{.word = "tcp",
           .provider = "tcp;ofi_rxm",
           .named_by_host = true,
           .keeps_injected = true,
           .reads_in_order = true,
           .lost_write = LostWrite::silent,
           .eager_bytes = eager_bytes_max,
           .note = "delivery is not honoured by ofi_rxm; a descriptor costs two system calls a message"},
    Policy{.word = "shm",
           .provider = "shm",
           .trusts_delivery = true,
           .reads_in_order = true,
           .lost_write = LostWrite::none,
           .mr_mode = FI_MR_VIRT_ADDR,  // it gives up all order but that of sends when it is offered more
           .eager_bytes = 4096,
           .reads_bytes = 128 * 1024,
           .note = "nothing to sleep on; a killed peer may leave a name in /dev/shm and block its lock"},
    Policy{.word = "net",
           .provider = "net",
           .to = v1_17,
           .is_auto = false,
           .named_by_host = true,
           .has_descriptor = true,
           .lost_write = LostWrite::silent,
           .note = "refuses the atomics it advertises; its thread needs a core"},
    Policy{.word = "rxd",
           .provider = "udp;ofi_rxd",
           .is_auto = false,
           .named_by_host = true,
           .eager_bytes = k8,
           .note = "fixed window without congestion control; hangs under load"},
    Policy{.word = "sockets",
           .provider = "sockets",
           .is_auto = false,
           .named_by_host = true,
           .has_descriptor = true,
           .note = "unmaintained; milliseconds a transfer, or dead"},
    Policy{.word = "mock-verbs",
           .provider = "mock-verbs",
           .is_auto = false,
           .is_card = true,
           .named_by_host = true,
           .has_descriptor = true,
           .has_atomics = true,
           .inject_bytes_max = 64,
           .note = "for tests: a verbs card that is strict"},
    Policy{.word = "mock-cxi",
           .provider = "mock-cxi",
           .is_auto = false,
           .is_card = true,
           .has_descriptor = true,
           .trusts_delivery = true,
           .has_atomics = true,
           .lost_write = LostWrite::none,
           .inject_bytes_max = 64,
           .note = "for tests: a cxi card that is strict"},
    Policy{.word = "mock-tcp",
           .provider = "mock-tcp",
           .is_auto = false,
           .named_by_host = true,
           .keeps_injected = true,
           .reads_in_order = true,
           .lost_write = LostWrite::silent,
           .inject_bytes_max = 64,
           .note = "for tests: tcp;ofi_rxm that is strict"},
};

}  // namespace

std::span<const Policy> policies() noexcept { return table; }

bool fits(const Policy& policy, const fi_info& info, std::uint32_t version) noexcept {
  return info.fabric_attr != nullptr && info.fabric_attr->prov_name != nullptr &&
         policy.provider == info.fabric_attr->prov_name && version >= policy.from && version <= policy.to;
}

}  // namespace harness::transports::ofi
