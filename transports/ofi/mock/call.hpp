// SPDX-License-Identifier: Apache-2.0
// One call that posts an operation, whichever of libfabric's thirty it was, on its way to the initiator.
#pragma once

#include <harness/transports/ofi/mock/endpoint.hpp>

namespace harness::transports::ofi::mock {

struct Call {
  Verb verb = Verb::send;
  Segments from;
  Segments to;
  fi_addr_t peer = FI_ADDR_UNSPEC;
  std::uint64_t address = 0;
  std::uint64_t key = 0;
  fi_rma_iov second{};  // place; length 0: there is none
  std::uint64_t data = 0;
  std::uint64_t flags = 0;
  void* context = nullptr;
  bool silent = false;  // fi_inject: no completion of a success
  fi_datatype type = FI_UINT64;
  fi_op action = FI_SUM;
};

inline Endpoint& endpoint_of(fid_ep* face) noexcept { return *static_cast<Endpoint*>(face); }

Segment segment(const void* start, std::size_t bytes, void* descriptor) noexcept;
Segments segments(const iovec* vector, void** descriptors, std::size_t count);

/// A send from the buffers with the endpoint's default flags; callers change what is different.
Call send_call(fid_ep* ep, Segments&& from, fi_addr_t to, void* context);
/// A one-sided operation; `buffers` are the destination of a read, else the source.
Call rma_call(fid_ep* ep, Verb verb, Segments&& buffers, fi_addr_t peer, std::uint64_t address,
              std::uint64_t key, void* context);
Call&& with_data(Call&& call, std::uint64_t data) noexcept;
/// Copied at the call, and silent when all goes well.
Call&& as_inject(Call&& call) noexcept;

/// Hands it to the initiator: 0, or what libfabric refuses at the call (flags, sizes, states, immediate data
/// that is too wide, an unknown address), or -FI_EAGAIN: no room, or the seed said so.
ssize_t submit(fid_ep* ep, Call&& call);

}  // namespace harness::transports::ofi::mock
