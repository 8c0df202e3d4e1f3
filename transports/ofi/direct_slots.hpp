// SPDX-License-Identifier: Apache-2.0
// What an engine's endpoint has under way on the memory of peers: puts, gets, and the checks behind them.
//
// A put, a get and an atomic have a registered slot each, which they keep until they have ended, with room
// for a word behind the bytes; a check reads a word, and one more a slot. Memory is taken by the first one.
// Bounds: `slots` puts, gets and atomics, `checks` checks.
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
    operation.busy = false;
    operation.link = nullptr;
    operation.next = free;
    free = &operation;
    --busy_;
  }
  [[nodiscard]] void* descriptor() const noexcept { return region_->descriptor(); }
  /// Of a put or a get: below `slots`.
  [[nodiscard]] unsigned number(const Operation& slot) const noexcept {
    return static_cast<unsigned>(&slot - table_.data());
  }
  /// The link of the operation is gone; some providers never complete it then.
  void orphan(Operation& operation) noexcept {
    operation.link = nullptr;
    operation.orphan = true;
    ++orphans(operation.kind);
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
  void retire() noexcept {
    if (region_ != nullptr) region_->retire();
  }

 private:
  unsigned& orphans(Operation::Kind kind) noexcept {
    return kind == Operation::Kind::check ? orphan_checks_ : orphans_;
  }

  std::unique_ptr<Region> region_;
  bool refused_ = false;
  std::array<Operation, slots + checks> table_{};
  Operation* free_ = nullptr;
  Operation* free_checks_ = nullptr;
  unsigned busy_ = 0;
  unsigned orphans_ = 0;
  unsigned orphan_checks_ = 0;
};

}  // namespace harness::transports::ofi
