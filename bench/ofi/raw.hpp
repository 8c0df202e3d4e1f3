// SPDX-License-Identifier: Apache-2.0
// The floor of transport ofi: an endpoint of libfabric used directly, with what a program that knows its
// provider would do and nothing else. No header, no credit, no sequence, one peer.
//
// The same kind of endpoint as ours: FI_EP_RDM, one completion queue, manual progress, order of sends. Up to
// the inject size messages go by fi_inject, larger ones by fi_send, `sends_max` of them or 4 MiB under way,
// each from a buffer of its own: it is written before, as ours are, and what is under way may not be. They
// are received into a few buffers that take many messages (FI_MULTI_RECV), or, when large, each into a buffer
// of its own.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>

#include <harness/bench/support/duo.hpp>

namespace harness::bench {

class RawEnd {
 public:
  /// Opens an endpoint of this provider for messages of up to `bytes`; gives up when it cannot. The provider
  /// must want no registered memory, as shm and tcp do.
  RawEnd(const std::string& provider, std::uint32_t bytes);
  ~RawEnd();
  RawEnd(const RawEnd&) = delete;
  RawEnd& operator=(const RawEnd&) = delete;

  /// The endpoint's name, as hexadecimal digits.
  [[nodiscard]] std::string name() const;
  /// Whom it sends to.
  void meet(const std::string& name);

  // ---- far side: until the job is over ----
  void echo(const Duo::Still& still);
  void sink(Board& board, const Duo::Still& still);

  // ---- near side ----
  /// ns one way: the median of batches of `batch` round trips, in `budget_ns`.
  double trips(std::uint32_t bytes, std::uint64_t batch, std::uint64_t budget_ns);
  /// ns a message until the last of `count` has arrived.
  double flood(std::uint32_t bytes, std::uint64_t count, const Board& board);

 private:
  static constexpr unsigned sends_max = 16;
  static constexpr unsigned many_buffers = 4;
  static constexpr unsigned single_buffers = 16;
  static constexpr std::uint32_t many_bytes = 1 << 20;
  static constexpr std::uint32_t large = 16 * 1024;        // messages from here on have buffers of their own
  static constexpr std::uint32_t filled_bytes_max = 4096;  // large messages are only begun
  static constexpr std::uint32_t under_way_bytes_max = 4 << 20;  // more does not stay in a cache

  struct Receive {
    fi_context2 context{};  // first: a completion names it
    std::byte* memory = nullptr;
  };

  void open(fi_info* info);
  void post(Receive& receive);
  /// So many messages of `bytes` may be under way.
  static unsigned window(std::uint32_t bytes) noexcept {
    return std::clamp(under_way_bytes_max / bytes, 1u, sends_max);
  }
  /// Where the next message of `bytes` is written.
  [[nodiscard]] std::byte* next(std::uint32_t bytes) noexcept {
    return out_.data() + std::size_t{next_context_ % window(bytes)} * bytes;
  }
  bool send(std::uint32_t bytes);
  template <class On>
  void turn(On&& on);

  std::uint32_t bytes_;
  bool many_;
  std::size_t inject_bytes_ = 0;
  fi_info* info_ = nullptr;
  fid_fabric* fabric_ = nullptr;
  fid_domain* domain_ = nullptr;
  fid_av* addresses_ = nullptr;
  fid_cq* completions_ = nullptr;
  fid_ep* endpoint_ = nullptr;
  fi_addr_t peer_ = FI_ADDR_UNSPEC;
  unsigned under_way_ = 0;
  std::vector<std::byte> out_;
  std::vector<std::byte> in_;
  std::vector<Receive> receives_;
  std::array<fi_context2, sends_max> contexts_{};
  unsigned next_context_ = 0;
};

}  // namespace harness::bench
