// SPDX-License-Identifier: Apache-2.0
// A completion queue: it drives the endpoints bound to it whenever it is read, and holds what they finished.
//
// Progress is manual: nothing moves unless somebody reads. A queue that its user sized too small overruns,
// and is of no use from then on, as with verbs. Its descriptor (FI_WAIT_FD) is an epoll set of the endpoints'
// sockets and a timer, which wakes up every 10 ms while operations wait for a peer
// that may have died.
#pragma once

#include <deque>
#include <vector>

#include <rdma/fi_eq.h>

#include <harness/transports/ofi/mock/domain.hpp>

namespace harness::transports::ofi::mock {

class Endpoint;

struct Completion {
  fi_cq_tagged_entry entry{};
  fi_addr_t source = FI_ADDR_NOTAVAIL;
  Fault fault = Fault::none;
  std::size_t missing_bytes = 0;  // olen
};

class CompletionQueue : public fid_cq {
 public:
  using Face = fid_cq;
  CompletionQueue(Domain& domain, const fi_cq_attr& attributes, void* context);
  CompletionQueue(const CompletionQueue&) = delete;
  CompletionQueue& operator=(const CompletionQueue&) = delete;
  ~CompletionQueue();

  void attach(Endpoint& endpoint, int socket);
  void detach(Endpoint& endpoint, int socket) noexcept;
  void push(const Completion& completion);

  /// fi_cq_readfrom(3); `source` may be null.
  ssize_t read(std::byte* buffer, std::size_t count, fi_addr_t* source);
  ssize_t read_error(fi_cq_err_entry& entry);
  ssize_t wait(std::byte* buffer, std::size_t count, fi_addr_t* source, int timeout_ms);
  /// fi_trywait(3): 0 when its descriptor may be slept on, else -FI_EAGAIN.
  int try_wait();
  [[nodiscard]] int descriptor() const noexcept { return epoll_; }
  [[nodiscard]] Domain& domain() const noexcept { return domain_; }
  /// Whoever has something to report waits until there is room.
  [[nodiscard]] bool stalls() const noexcept {
    return domain_.profile().guards_queues && entries_.size() + 2 > size_;
  }
  [[nodiscard]] bool in_use() const noexcept { return !endpoints_.empty(); }

 private:
  void progress();

  Domain& domain_;
  fi_cq_format format_;
  std::size_t size_;
  int epoll_ = -1;
  int timer_ = -1;
  bool overrun_ = false;
  std::deque<Completion> entries_;
  std::vector<Endpoint*> endpoints_;
  Random random_;
};

/// fi_cq_open(3).
int open_completion_queue(fid_domain* domain, fi_cq_attr* attributes, fid_cq** queue, void* context);

}  // namespace harness::transports::ofi::mock
