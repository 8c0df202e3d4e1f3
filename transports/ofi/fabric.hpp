// SPDX-License-Identifier: Apache-2.0
// One endpoint on a fabric: what the provider was asked for, what it answered, and the objects in between.
//
// An engine has one of these for all its links: one reliable datagram endpoint, one address table, one
// completion queue for both directions. Progress is made when the queue is read, by the engine's thread
// alone. The hints are a ladder: with buffers that take many messages, then
// without, then without the provider's own care for its queues (FI_RM_ENABLED). Sends to one peer must
// keep their order (FI_ORDER_SAS); a provider without one-sided reads is of no use, since large frames are
// read. Every mr_mode bit that is offered is obeyed by memory.hpp, so what comes back is the provider's wish.
// Rejected: an endpoint a link (FI_EP_MSG: a connection state machine for each, receive buffers for each),
// FI_AV_MAP (deprecated), the memory registration cache (corrupts silently when memory is unmapped).
// Bounds: the queue holds what both directions may have under way.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_eq.h>
#include <rdma/fi_rma.h>

#include <harness/stack/result.hpp>
#include <harness/transports/ofi.hpp>
#include <harness/transports/ofi/library.hpp>
#include <harness/transports/ofi/policy.hpp>

namespace harness::transports::ofi {

/// Closes an object of libfabric.
struct CloseFid {
  template <class F>
  void operator()(F* object) const noexcept {
    fi_close(&object->fid);
  }
};
template <class F>
using Fid = std::unique_ptr<F, CloseFid>;

struct FreeInfo {
  const Library* library;
  void operator()(fi_info* info) const noexcept { library->freeinfo(info); }
};
using Info = std::unique_ptr<fi_info, FreeInfo>;

/// A provider that has a device here, with the row that it was found by.
struct Choice {
  const Policy* policy = nullptr;
  Info info{nullptr, {}};
};

/// The first provider that `word` allows ("auto": by preference). `host` numbers the interface to bind to,
/// or, with `towards`, a peer to be reached; empty: the provider's own choice. Errors: unsupported.
/// [stack-thread]
Result<Choice> choose(const Library& library, std::string_view word, const std::string& host = {},
                      bool towards = false);
/// Every row, tried.
std::vector<ProviderReport> report(const Library& library);

class Fabric {
 public:
  static constexpr std::size_t name_bytes_max = 256;

  /// Opens everything and enables the endpoint. Errors: io, with the call that failed and libfabric's words.
  static Result<std::unique_ptr<Fabric>> open(const Library& library, Choice choice);

  [[nodiscard]] const fi_info& info() const noexcept { return *choice_.info; }
  [[nodiscard]] const Policy& policy() const noexcept { return *choice_.policy; }
  [[nodiscard]] const Library& library() const noexcept { return library_; }
  [[nodiscard]] bool wants(std::uint64_t mr_bit) const noexcept {
    return (info().domain_attr->mr_mode & static_cast<int>(mr_bit)) != 0;
  }
  [[nodiscard]] bool has(std::uint64_t caps) const noexcept { return (info().caps & caps) == caps; }
  /// The provider keeps its queues from overrunning.
  [[nodiscard]] bool manages_queues() const noexcept {
    return info().domain_attr->resource_mgmt == FI_RM_ENABLED;
  }
  /// A posted buffer takes many messages. Without the care for queues every message gets one of its own.
  [[nodiscard]] bool receives_many() const noexcept { return has(FI_MULTI_RECV) && manages_queues(); }
  /// The largest message that is injected, of those up to `bytes`.
  [[nodiscard]] std::uint32_t inject_bytes(std::uint32_t bytes) const noexcept;
  /// Receives complete in the order of the messages.
  [[nodiscard]] bool receives_in_order() const noexcept {
    return (info().rx_attr->comp_order & FI_ORDER_STRICT) != 0;
  }
  [[nodiscard]] std::string_view provider() const noexcept { return info().fabric_attr->prov_name; }
  [[nodiscard]] std::uint32_t protocol() const noexcept { return info().ep_attr->protocol; }
  [[nodiscard]] const std::vector<std::byte>& name() const noexcept { return name_; }
  [[nodiscard]] fid_domain* domain() const noexcept { return domain_.get(); }
  [[nodiscard]] fid_ep* endpoint() const noexcept { return endpoint_.get(); }
  [[nodiscard]] fid_cq* completions() const noexcept { return completions_.get(); }
  [[nodiscard]] fid_av* addresses() const noexcept { return addresses_.get(); }
  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }  // to sleep on; -1: none
  /// True when nothing is lost by sleeping on the descriptor now.
  [[nodiscard]] bool may_sleep() noexcept;
  [[nodiscard]] std::uint64_t next_key() noexcept { return ++last_key_; }
  /// Closes the endpoint: no completion comes any more, and no memory is touched.
  void shut() noexcept { endpoint_.reset(); }

  /// The peer of this name; FI_ADDR_NOTAVAIL when it is none of this provider's.
  fi_addr_t insert(std::span<const std::byte> name);
  /// A link to it is gone; `idle`: nothing is under way to it, so the provider may forget it, too.
  void leave(fi_addr_t address, bool idle) noexcept;

 private:
  struct Peer {
    std::vector<std::byte> name;
    fi_addr_t address = FI_ADDR_NOTAVAIL;
    unsigned links = 0;
  };

  Fabric(const Library& library, Choice choice) : library_(library), choice_(std::move(choice)) {}
  Result<> open_all();
  Result<> open_queue();
  Result<> enable();
  [[nodiscard]] tl::unexpected<Error> failed(const char* call, long code) const;

  const Library& library_;
  Choice choice_;
  Fid<fid_fabric> fabric_;
  Fid<fid_domain> domain_;
  Fid<fid_av> addresses_;
  Fid<fid_cq> completions_;
  Fid<fid_ep> endpoint_;
  std::vector<std::byte> name_;
  std::vector<Peer> peers_;
  int descriptor_ = -1;
  std::uint64_t last_key_ = 0;
};

}  // namespace harness::transports::ofi
