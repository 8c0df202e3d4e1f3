// SPDX-License-Identifier: Apache-2.0
// An endpoint: FI_EP_RDM, one wire, the half that asks and the half that is asked.
#pragma once

#include <rdma/fi_atomic.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_rma.h>
#include <rdma/fi_tagged.h>

#include <harness/transports/ofi/mock/initiator.hpp>
#include <harness/transports/ofi/mock/target.hpp>

namespace harness::transports::ofi::mock {

class Endpoint : public fid_ep {
 public:
  using Face = fid_ep;
  Endpoint(Domain& domain, const fi_info& info, void* context);
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;
  ~Endpoint();

  int bind(struct fid& object, std::uint64_t flags);
  int enable();
  /// Takes what came, lets every operation go one step, sends what waits.
  void progress();

  [[nodiscard]] bool usable() const noexcept { return !station.wire.broken(); }
  [[nodiscard]] bool enabled() const noexcept { return enabled_; }
  [[nodiscard]] bool busy() const noexcept { return initiator.busy() || target.busy() || wire_waits_; }
  [[nodiscard]] bool waits_for_peer() const noexcept { return initiator.waits_for_peer(); }
  [[nodiscard]] bool can(std::uint64_t caps) const noexcept { return (caps_ & caps) == caps; }
  [[nodiscard]] std::uint64_t default_flags(bool receive) const noexcept {
    return receive ? receive_flags_ : transmit_flags_;
  }

  Station station;
  Initiator initiator;
  Target target;

 private:
  int bind_queue(CompletionQueue& queue, std::uint64_t flags);

  std::uint64_t caps_;
  std::uint64_t transmit_flags_;
  std::uint64_t receive_flags_;
  bool enabled_ = false;
  bool wire_waits_ = false;
};

/// fi_endpoint(3).
int open_endpoint(fid_domain* domain, fi_info* info, fid_ep** endpoint, void* context);

/// Whether an atomic exists: 64-bit words; sum and write, with FI_FETCH_ATOMIC also read, with
/// FI_COMPARE_ATOMIC compare and swap alone.
bool atomic_exists(const Knobs& knobs, fi_datatype type, fi_op operation, std::uint64_t flags) noexcept;

/// The tables behind fi_send, fi_write, fi_atomic and their relatives.
fi_ops_msg* message_operations();
fi_ops_rma* rma_operations();
fi_ops_atomic* atomic_operations();

}  // namespace harness::transports::ofi::mock
