// SPDX-License-Identifier: Apache-2.0
// Two users of the mock provider in one program, each with a fabric, domain, queue and endpoint of its own,
// as two processes have. Nothing here or in the tests touches the mock but through libfabric's interface.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include <rdma/fi_atomic.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_rma.h>

#include <harness/transports/ofi/mock/mock.hpp>

namespace harness::tests {

namespace mock = transports::ofi::mock;

constexpr int every_mr_mode =
    FI_MR_LOCAL | FI_MR_RAW | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY | FI_MR_ENDPOINT;
constexpr std::uint64_t local_access = FI_SEND | FI_RECV | FI_READ | FI_WRITE;
constexpr std::uint64_t every_access = local_access | FI_REMOTE_READ | FI_REMOTE_WRITE;
constexpr std::byte poison{0xdb};
constexpr const char* verbs = "mock-verbs";
constexpr const char* cxi = "mock-cxi";
constexpr const char* tcp = "mock-tcp";

struct FreeInfo {
  void operator()(fi_info* info) const noexcept { mock::mock_freeinfo(info); }
};
using Info = std::unique_ptr<fi_info, FreeInfo>;

/// Hints that offer everything, for one provider or (null) for any.
Info offering(const char* provider = nullptr);
/// What fi_getinfo says; `error` (when not null) takes its result.
Info ask(const fi_info* hints, int* error = nullptr);

struct SideOptions {
  std::size_t cq = 256;
  fi_cq_format format = FI_CQ_FORMAT_DATA;
  fi_wait_obj wait = FI_WAIT_FD;
  std::uint64_t bind_flags = 0;  // FI_SELECTIVE_COMPLETION
  std::uint64_t caps = 0;
  bool enable = true;
};

struct Failure {
  fi_cq_err_entry entry;
  std::string words;
};

class Side {
 public:
  explicit Side(const char* provider, const SideOptions& options = {});
  Side(const Side&) = delete;
  Side& operator=(const Side&) = delete;
  ~Side();

  void close_endpoint();
  std::array<char, 64> name() const;
  fi_addr_t know(const Side& other);
  /// One look into the queue: everything there goes to `done` and `failed`.
  void look();
  bool wants(int mr_bit) const { return (info->domain_attr->mr_mode & mr_bit) != 0; }
  /// Entries in `done` with all of these flags.
  std::size_t count(std::uint64_t flags) const;

  Info info;
  fid_fabric* fabric = nullptr;
  fid_domain* domain = nullptr;
  fid_cq* cq = nullptr;
  fid_av* av = nullptr;
  fid_ep* ep = nullptr;
  std::vector<fi_cq_data_entry> done;
  std::vector<fi_addr_t> sources;
  std::vector<Failure> failed;
  ssize_t broken = 0;  // what fi_cq_read said that was neither an entry nor an error of one
};

/// Pages of memory, registered as the provider of a side wants it.
class Pages {
 public:
  Pages(Side& side, std::size_t bytes, std::uint64_t access = every_access, std::uint64_t key = 0);
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  ~Pages();
  void unregister();
  std::byte* at(std::size_t offset = 0) const { return start_ + offset; }
  void* descriptor() const { return fi_mr_desc(mr); }
  /// What a peer calls the byte at `offset`.
  std::uint64_t address(std::size_t offset = 0) const;
  /// What the peer `of` passes as key: through fi_mr_raw_attr and fi_mr_map_raw where keys are long.
  std::uint64_t key_for(const Side& of);
  void fill(int value) const { memset(start_, value, bytes_); }
  bool all(int value, std::size_t begin, std::size_t end) const;

  fid_mr* mr = nullptr;

 private:
  Side& side_;
  std::byte* start_;
  std::size_t bytes_;
  std::vector<std::pair<fid_domain*, std::uint64_t>> mapped_;
};

class Pair {
 public:
  explicit Pair(const char* provider, const char* knobs = "", const SideOptions& options = {});
  /// Looks into both queues until the condition holds, `limit` times at most.
  template <class F>
  bool until(F condition, unsigned limit = 100'000) {
    for (unsigned i = 0; i < limit; ++i) {
      if (condition()) return true;
      a->look();
      b->look();
    }
    return condition();
  }
  /// Nothing is on its way any more, unless it waits for something that does not come.
  void rest(unsigned looks = 2000) {
    for (unsigned i = 0; i < looks; ++i) a->look(), b->look();
  }
  /// Posts again until the provider takes it; what it answers at last.
  template <class F>
  ssize_t post(F call) {
    ssize_t result = -FI_EAGAIN;
    for (unsigned i = 0; i < 100'000 && (result = call()) == -FI_EAGAIN; ++i) a->look(), b->look();
    return result;
  }

  std::unique_ptr<Side> a;
  std::unique_ptr<Side> b;
  fi_addr_t to_b;
  fi_addr_t to_a;
};

/// A context that tests tell completions apart by.
inline void* mark(std::uintptr_t number) { return reinterpret_cast<void*>(number); }
inline std::uintptr_t number_of(const void* context) { return reinterpret_cast<std::uintptr_t>(context); }

}  // namespace harness::tests
