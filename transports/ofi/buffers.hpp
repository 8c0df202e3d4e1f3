// SPDX-License-Identifier: Apache-2.0
// What the endpoint has under way: registered buffers to send from and to receive into, and reads of peers.
//
// Every operation has a context that libfabric may write into until it completes; they lie in fixed tables,
// so nothing is allocated for a message. Receiving: with FI_MULTI_RECV a few large buffers that each take
// many messages and are posted again when the provider lets go of them, otherwise a buffer a message. What
// completed is copied out at once, so no buffer waits for the application. Without FI_MR_LOCAL a read goes
// straight into the message's slab, otherwise into registered memory first.
// Bounds: slots_max sends that are not injected, reads_max reads, receive_slots buffers.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <utility>
#include <vector>

#include <harness/stack/pool.hpp>
#include <harness/transports/ofi/memory.hpp>

namespace harness::transports::ofi {

class Connection;

struct Operation {
  enum class Kind : std::uint8_t { receive, send, read, put, get, atomic, check, probe };
  static constexpr std::uint32_t not_under_way = ~std::uint32_t{0};  // of `seen`: it waits for another

  fi_context2 context{};  // first: a completion names it
  Kind kind = Kind::receive;
  bool busy = false;
  bool orphan = false;         // its link is gone
  bool has_word = false;       // of a get: the region's word is read behind the bytes
  bool in_flight = false;      // of a put whose check does not wait for its completion: that is to come …
  bool is_checked = false;     // … and its check came first
  bool is_lent = false;        // of a put: its bytes lie in the application's memory
  std::uint32_t seen = 0;      // the look for overdue ones that found it first; 0: none yet
  Connection* link = nullptr;  // null: whose it was is gone
  std::byte* memory = nullptr;
  Slab* slab = nullptr;     // of a read: where the frame goes
  Slab* waiting = nullptr;  // … and its place in the queue
  std::uint32_t bytes = 0;
  std::uint16_t window = 0;  // of a put, a get, an atomic and the check behind them …
  int error = 0;             // of a put that completed before its check …
  Errc outcome = Errc::ok;   // … and of one that was checked before it completed
  std::uint64_t ticket = 0;
  std::uint64_t evidence = 0;  // of a put: what it writes into its word of the peer's page; 0: nothing; of a
                               // check: so many of these words it reads
  Operation* next = nullptr;   // … that wait for the same check
};

/// Sends that the provider completes later: one slot a frame.
class SendSlots {
 public:
  static constexpr unsigned slots_max = 128;
  static constexpr std::uint32_t bytes_max = 4 * 1024 * 1024;  // of all slots: fewer when they are large

  /// `slots`, or as many as `bytes_max` holds. False: no memory to be registered.
  bool open(Fabric& fabric, std::uint32_t slot_bytes, unsigned slots = slots_max);
  [[nodiscard]] void* descriptor() const noexcept { return region_->descriptor(); }
  /// Null when all are under way.
  Operation* take() noexcept {
    if (free_ == 0) return nullptr;
    Operation* slot = stack_[--free_];
    slot->busy = true;
    slot->seen = 0;
    return slot;
  }
  void give(Operation& slot) noexcept {
    orphans_ -= std::exchange(slot.orphan, false) ? 1u : 0u;
    slot.busy = false;
    slot.link = nullptr;
    stack_[free_++] = &slot;
  }
  /// Under way, those of links that are gone not counted: some providers never complete them.
  [[nodiscard]] unsigned busy() const noexcept { return slots_ - free_ - orphans_; }
  void orphan(const Connection& link) noexcept;
  template <class Visit>
  void each(Visit&& visit) noexcept {
    for (Operation& slot : table_)
      if (slot.busy) visit(slot);
  }
  /// Takes the memory from the provider; it stays mapped.
  void retire() noexcept {
    if (region_ != nullptr) region_->retire();
  }

 private:
  std::unique_ptr<Region> region_;
  std::array<Operation, slots_max> table_{};
  std::array<Operation*, slots_max> stack_{};
  unsigned slots_ = 0;
  unsigned free_ = 0;
  unsigned orphans_ = 0;
};

class ReceiveBuffers {
 public:
  static constexpr unsigned large_count = 4;
  static constexpr std::uint32_t single_count = 256;

  /// Posts all. Errors: exhausted (no memory to be registered), io.
  Result<> open(Fabric& fabric, std::uint32_t buffer_bytes, std::uint32_t message_bytes);
  /// The message of a completion; null when it belongs to none of ours.
  [[nodiscard]] const std::byte* message(const Operation& buffer,
                                         const fi_cq_data_entry& entry) const noexcept {
    return many_ ? static_cast<const std::byte*>(entry.buf) : buffer.memory;
  }
  /// Posts a buffer again when its last message was taken; one that the provider does not take now is tried
  /// again by `repost`.
  void done(Operation& buffer, std::uint64_t flags) noexcept {
    if (many_ && (flags & FI_MULTI_RECV) == 0) [[likely]]
      return;
    if (!post(buffer)) ++unposted_;
  }
  void repost() noexcept {
    if (unposted_ != 0) [[unlikely]]
      post_again();
  }
  void retire() noexcept {
    if (region_ != nullptr) region_->retire();
  }

 private:
  bool post(Operation& buffer) noexcept;
  void post_again() noexcept;

  Fabric* fabric_ = nullptr;
  std::unique_ptr<Region> region_;
  std::vector<Operation> table_;
  bool many_ = false;
  unsigned unposted_ = 0;
};

/// Reads of frames that peers offered.
class Reads {
 public:
  static constexpr unsigned reads_max = 16;

  /// False: no memory to be registered.
  bool open(Fabric& fabric, std::uint32_t frame_bytes_max);
  /// Null when all are under way.
  Operation* take() noexcept;
  void give(Operation& read) noexcept;
  /// Where the provider writes to: the slab, or memory of the read's own.
  [[nodiscard]] std::byte* target(Operation& read) const noexcept {
    return landing_ != nullptr ? read.memory : read.slab->bytes();
  }
  [[nodiscard]] void* descriptor() const noexcept {
    return landing_ != nullptr ? landing_->descriptor() : nullptr;
  }
  /// Brings what was read into the slab.
  void land(Operation& read) const noexcept;
  /// Under way, those of links that are gone not counted.
  [[nodiscard]] unsigned busy() const noexcept { return busy_; }
  void orphan(const Connection& link) noexcept;
  template <class Visit>
  void each(Visit&& visit) noexcept {
    for (Operation& read : table_)
      if (read.busy) visit(read);
  }
  void release_all() noexcept;
  void retire() noexcept {
    if (landing_ != nullptr) landing_->retire();
  }

 private:
  std::unique_ptr<Region> landing_;  // only with FI_MR_LOCAL
  std::array<Operation, reads_max> table_{};
  unsigned busy_ = 0;
};

}  // namespace harness::transports::ofi
