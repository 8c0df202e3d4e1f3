// SPDX-License-Identifier: Apache-2.0
// What an engine's endpoint has under way on the memory of peers: puts, gets, and the checks behind them.
//
// A put, a get and an atomic have a registered slot each, which they keep until they have ended, with room
// for a word behind the bytes; a check reads a word, and one more a slot. Memory is taken by the first one.
// A put whose bytes lie where the provider may read them (RegionMemory) keeps that memory instead of a copy.
// Bounds: `slots` puts, gets and atomics, `lent_bytes_max` of bytes lent by links that are there, `checks`
// checks.
#pragma once

#include <array>
#include <memory>

#include <harness/transports/ofi/buffers.hpp>

namespace harness::transports::ofi {

class DirectSlots {
 public:
  static constexpr unsigned slots = 64;
  static constexpr unsigned checks = 64;
  static constexpr std::uint32_t slot_bytes = 64 * 1024;
  static constexpr std::uint32_t lent_bytes = 1024 * 1024;                            // of one put at most …
  static constexpr std::uint64_t lent_bytes_max = std::uint64_t{slots} * slot_bytes;  // … of all: as by slots
  static constexpr std::uint32_t word_bytes = sizeof(std::uint64_t);
  static constexpr std::uint32_t stride_bytes = slot_bytes + 64;
  static constexpr std::uint32_t check_bytes = 64 + slots * word_bytes;

  /// False: no memory to be registered, and asked for once only.
  bool open(Fabric& fabric);
  /// Null when all are under way.
  Operation* take(Operation::Kind kind) noexcept {
    const bool check = kind == Operation::Kind::check;
    Operation*& free = check ? free_checks_ : free_;
    Operation* const taken = free;
    if (taken == nullptr) return nullptr;
    free = taken->next;
    taken->next = nullptr;
    taken->kind = kind;
    taken->busy = true;
    taken->seen = 0;
    ++busy_;
    return taken;
  }
  void give(Operation& operation) noexcept {
    Operation*& free = operation.kind == Operation::Kind::check ? free_checks_ : free_;
    if (std::exchange(operation.orphan, false)) --orphans(operation.kind);
    if (operation.is_lent) [[unlikely]]
      give_back(operation);
    operation.busy = false;
    operation.link = nullptr;
    operation.next = free;
    free = &operation;
    --busy_;
  }
  /// Keeps what a put's bytes lie in until the slot is given back; `registered`: for this put. Requires:
  /// `may_lend`.
  void lend(Operation& slot, std::shared_ptr<void> in, Region* registered = nullptr) noexcept {
    slot.is_lent = true;
    lent_ += slot.bytes;
    lenders_[number(slot)] = {std::move(in), registered};
  }
  [[nodiscard]] bool may_lend(std::size_t bytes) const noexcept { return lent_ + bytes <= lent_bytes_max; }
  [[nodiscard]] void* descriptor() const noexcept { return region_->descriptor(); }
  /// Of a put or a get: below `slots`.
  [[nodiscard]] unsigned number(const Operation& slot) const noexcept {
    return static_cast<unsigned>(&slot - table_.data());
  }
  /// The link of the operation is gone; some providers never complete it then. What it lent stays mapped, and
  /// nobody waits for it.
  void orphan(Operation& operation) noexcept {
    operation.link = nullptr;
    operation.orphan = true;
    ++orphans(operation.kind);
    if (operation.is_lent) lent_ -= std::exchange(operation.bytes, 0u);
  }
  /// All of the kind are the provider's, and may never come back.
  [[nodiscard]] bool lost(Operation::Kind kind) const noexcept {
    return kind == Operation::Kind::check ? orphan_checks_ == checks : orphans_ == slots;
  }
  /// Under way, those of links that are gone not counted.
  [[nodiscard]] unsigned busy() const noexcept { return busy_ - orphans_ - orphan_checks_; }
  /// Every operation of this link that is under way.
  template <class Visit>
  void each(const Connection& link, Visit&& visit) {
    for (Operation& operation : table_)
      if (operation.busy && operation.link == &link) visit(operation);
  }
  template <class Visit>
  void each(Visit&& visit) noexcept {
    for (Operation& operation : table_)
      if (operation.busy) visit(operation);
  }
  /// Takes the memory from the provider; all of it stays mapped.
  void retire() noexcept {
    if (region_ != nullptr) region_->retire();
    for (const Lender& lender : lenders_)
      if (lender.registered != nullptr) lender.registered->retire();
  }

 private:
  struct Lender {
    std::shared_ptr<void> memory;
    Region* registered = nullptr;  // in it
  };
  void give_back(Operation& slot) noexcept {
    slot.is_lent = false;
    lent_ -= slot.bytes;
    lenders_[number(slot)] = {};
  }
  unsigned& orphans(Operation::Kind kind) noexcept {
    return kind == Operation::Kind::check ? orphan_checks_ : orphans_;
  }

  std::unique_ptr<Region> region_;
  bool refused_ = false;
  std::array<Operation, slots + checks> table_{};
  std::array<Lender, slots> lenders_;
  Operation* free_ = nullptr;
  Operation* free_checks_ = nullptr;
  unsigned busy_ = 0;
  std::uint64_t lent_ = 0;  // bytes
  unsigned orphans_ = 0;
  unsigned orphan_checks_ = 0;
};

}  // namespace harness::transports::ofi
