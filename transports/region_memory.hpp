// SPDX-License-Identifier: Apache-2.0
// Memory for regions that peers on this host reach by themselves: a file without a name, mapped at both ends.
//
// The file can neither shrink nor grow and has its memory from the start, so that no access to it is answered
// by a signal. It is exposed on a link like any other memory (Regions::expose), on as many as one likes; over
// shared memory between processes of one user the peer maps it, over ofi the provider writes and reads it,
// everywhere else it is ordinary memory. A share ends by agreement with the peer; with one that does not
// answer (stopped in the middle of a write) these pages are exchanged for fresh ones with the same content,
// and what it still writes goes to an orphan.
// Rejected: shm_open (a name that outlives a killed process); sharing memory of the caller's own making (only
// a file can be mapped by two).
// Sources: memfd_create(2), fcntl(2) "File Sealing"; design §5.
#pragma once

#include <memory>

#include <boost/intrusive/list.hpp>

#include <harness/stack/bytes.hpp>
#include <harness/stack/result.hpp>
#include <harness/transports/shm/memory.hpp>

namespace harness {

class RegionMemory {
 public:
  /// A peer that may have this memory mapped. [the thread of the link; all links of a memory on one thread]
  class Share
      : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
   public:
    /// The pages are about to be exchanged: from its return on the peer reaches this memory by messages, and
    /// what it had begun otherwise is done, or goes to the old pages. The share is no more.
    virtual void withdrawn() noexcept = 0;

   protected:
    ~Share() = default;
  };

  /// `bytes` of zeros, rounded up to whole pages. Errors: invalid (none), exhausted (no memory). [any-thread]
  static Result<std::shared_ptr<RegionMemory>> make(std::uint64_t bytes);
  ~RegionMemory();
  RegionMemory(const RegionMemory&) = delete;
  RegionMemory& operator=(const RegionMemory&) = delete;

  /// The whole of it; in one place as long as it lives.
  [[nodiscard]] MutableBytes bytes() const noexcept { return bytes_; }
  template <class T>
  [[nodiscard]] T* as() const noexcept {
    return reinterpret_cast<T*>(bytes_.data());
  }

  // ---- for transports ----

  [[nodiscard]] int file() const noexcept { return file_.get(); }
  void add(Share& share) noexcept { shares_.push_back(share); }
  /// Ends every share, then puts fresh pages with the same content in place of these. False: no memory for
  /// that; the pages are the same. No other thread may write here meanwhile. Requires: the caller has a
  /// reference of its own.
  [[nodiscard]] bool renew() noexcept;

 private:
  RegionMemory(transports::shm::Descriptor file, MutableBytes bytes) noexcept
      : file_(std::move(file)), bytes_(bytes) {}
  static transports::shm::Descriptor make_file(std::size_t bytes) noexcept;

  transports::shm::Descriptor file_;
  MutableBytes bytes_;
  boost::intrusive::list<Share, boost::intrusive::constant_time_size<false>> shares_;
};

}  // namespace harness
