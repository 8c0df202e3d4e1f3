// SPDX-License-Identifier: Apache-2.0
// Fabric and domain: making, closing, waiting.
#include <stdlib.h>
#include <string.h>

#include <memory>

#include <harness/transports/ofi/mock/addresses.hpp>
#include <harness/transports/ofi/mock/completion.hpp>
#include <harness/transports/ofi/mock/endpoint.hpp>
#include <harness/transports/ofi/mock/mock.hpp>

namespace harness::transports::ofi::mock {

namespace {

int close_domain(fid* face) {
  Domain& domain = object_of<Domain>(face);
  if (domain.children != 0 || !domain.memory.empty()) return -FI_EBUSY;
  --domain.fabric.domains;
  const std::unique_ptr<Domain> ends(&domain);
  return 0;
}

int control_domain(fid* face, int command, void* argument) {
  MemoryTable& memory = object_of<Domain>(face).memory;
  if (command == FI_MAP_RAW_MR) return memory.map_raw(*static_cast<const struct fi_mr_map_raw*>(argument));
  if (command == FI_UNMAP_KEY) return memory.unmap(*static_cast<const std::uint64_t*>(argument));
  return -FI_ENOSYS;
}

int query_atomic(fid_domain* face, fi_datatype type, fi_op operation, fi_atomic_attr* attributes,
                 std::uint64_t flags) {
  if (!atomic_exists(static_cast<Domain*>(face)->knobs(), type, operation, flags)) return -FI_EOPNOTSUPP;
  *attributes = {.count = 1, .size = sizeof(std::uint64_t)};
  return 0;
}

fi_ops_domain* domain_operations() {
  static fi_ops_domain operations{.size = sizeof(fi_ops_domain),
                                  .av_open = open_address_vector,
                                  .cq_open = open_completion_queue,
                                  .endpoint = open_endpoint,
                                  .scalable_ep = refuse,
                                  .cntr_open = refuse,
                                  .poll_open = refuse,
                                  .stx_ctx = refuse,
                                  .srx_ctx = refuse,
                                  .query_atomic = query_atomic,
                                  .query_collective = refuse,
                                  .endpoint2 = refuse};
  return &operations;
}

int close_fabric(fid* face) {
  Fabric& fabric = object_of<Fabric>(face);
  if (fabric.domains != 0) return -FI_EBUSY;
  const std::unique_ptr<Fabric> ends(&fabric);
  return 0;
}

int try_wait(fid_fabric*, fid** all, int count) {
  int result = 0;
  for (int i = 0; i < count; ++i) {
    if (all[i]->fclass != FI_CLASS_CQ) return -FI_EINVAL;
    if (const int one = object_of<CompletionQueue>(all[i]).try_wait(); one != 0) result = one;
  }
  return result;
}

fi_ops_fabric* fabric_operations() {
  static fi_ops_fabric operations{.size = sizeof(fi_ops_fabric),
                                  .domain = open_domain,
                                  .passive_ep = refuse,
                                  .eq_open = refuse,
                                  .wait_open = refuse,
                                  .trywait = try_wait,
                                  .domain2 = refuse};
  return &operations;
}

}  // namespace

int open_domain(fid_fabric* face, fi_info* info, fid_domain** out, void* context) {
  Fabric& fabric = *static_cast<Fabric*>(face);
  if (info->domain_attr == nullptr) return -FI_EINVAL;
  if (strcmp(info->domain_attr->name, fabric.profile.domain) != 0) return -FI_EINVAL;
  static fi_ops fid_table = fid_operations(close_domain, refuse, control_domain);
  auto domain = std::make_unique<Domain>(fabric, info->domain_attr->mr_mode);
  domain->fid = {FI_CLASS_DOMAIN, context, &fid_table};
  domain->ops = domain_operations();
  domain->mr = registration_operations();
  ++fabric.domains;
  *out = domain.release();
  return 0;
}

int mock_fabric(fi_fabric_attr* attributes, fid_fabric** out, void* context) {
  const char* text = getenv("HARNESS_MOCK");
  const auto knobs = parse_knobs(text == nullptr ? "" : text);
  if (!knobs) return -FI_EINVAL;
  static fi_ops fid_table = fid_operations(close_fabric);
  for (const Profile& profile : profiles(knobs->raw != 0)) {
    if (attributes->name == nullptr || strcmp(attributes->name, profile.provider) != 0) continue;
    auto fabric = std::make_unique<Fabric>();
    fabric->fid = {FI_CLASS_FABRIC, context, &fid_table};
    fabric->ops = fabric_operations();
    fabric->api_version = attributes->api_version;
    fabric->profile = profile;
    fabric->knobs = *knobs;
    *out = fabric.release();
    return 0;
  }
  return -FI_ENODATA;
}

}  // namespace harness::transports::ofi::mock
