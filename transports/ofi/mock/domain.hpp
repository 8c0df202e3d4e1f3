// SPDX-License-Identifier: Apache-2.0
// Fabric and domain: what the endpoints, queues and regions of one thread share. An object that others
// still stand on does not close (-FI_EBUSY).
#pragma once

#include <harness/transports/ofi/mock/memory.hpp>

namespace harness::transports::ofi::mock {

struct Fabric : fid_fabric {
  using Face = fid_fabric;
  Profile profile{};
  Knobs knobs;
  unsigned domains = 0;
};

struct Domain : fid_domain {
  using Face = fid_domain;
  Domain(Fabric& of, int mr_mode)
      : fabric(of), memory(mr_mode, of.knobs.memlock, of.knobs.seed ^ 0x6d656d6f7279) {}
  [[nodiscard]] const Profile& profile() const noexcept { return fabric.profile; }
  [[nodiscard]] const Knobs& knobs() const noexcept { return fabric.knobs; }

  Fabric& fabric;
  MemoryTable memory;
  unsigned children = 0;   // endpoints, queues, address vectors
  unsigned endpoints = 0;  // ever made: each has its own random numbers
};

/// fi_domain(3).
int open_domain(fid_fabric* fabric, fi_info* info, fid_domain** domain, void* context);

}  // namespace harness::transports::ofi::mock
