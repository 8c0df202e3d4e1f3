// SPDX-License-Identifier: Apache-2.0
// Loans: messages that the receiver reads in the sender's memory, whatever their size.
//
// The Lender owns an arena (shm/arena.hpp) and keeps every message that is out, in one of 64 slots; a record
// of 12 bytes tells where it lies. The Borrower has the arena read-only, a page of its own before it: there
// stand the slab headers, one a slot, so a loan is a message like any other, and only its offset is large.
// When the last reference goes, the bit of the slot in `returned` of the credit line changes, and the lender
// drops its message when it next looks. Nothing the peer writes is counted on: a slot that is returned twice
// or lent twice ends the link, and who never returns a loan is sent copies when the slots are used up.
// The lender could still change what it lent: loans are made between processes of one user alone, who could
// do worse to each other. When the peer dies its loans come home, and those borrowed stay readable until the
// last reference goes. Bounds: 64 loans out a direction, the arena's bytes.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <memory>

#include <harness/transports/shm/arena.hpp>
#include <harness/transports/shm/ring.hpp>

namespace harness::transports::shm {

class Lender {
 public:
  static constexpr unsigned slots = 64;

  explicit Lender(Arena::Owner arena) noexcept : arena_(std::move(arena)) {}

  [[nodiscard]] Arena& arena() noexcept { return *arena_; }
  [[nodiscard]] bool may_lend() const noexcept { return free_ != 0; }
  /// Keeps a message of this arena, one run of bytes, until it is returned. Requires: may_lend().
  wire::ShmLoan lend(Message&& message) noexcept {
    const auto slot = static_cast<unsigned>(std::countr_zero(free_));
    const Bytes run = message.run();
    free_ &= free_ - 1;
    out_[slot] = std::move(message);
    return {arena_->offset_of(run.data()), static_cast<std::uint16_t>(slot),
            static_cast<std::uint32_t>(run.size())};
  }
  [[nodiscard]] bool has_returned(std::uint64_t returned) const noexcept { return returned != seen_; }
  /// Drops what the peer says it has returned; false when that was not out.
  [[nodiscard]] bool take_back(std::uint64_t returned) noexcept {
    std::uint64_t changed = returned ^ seen_;
    if ((changed & free_) != 0) return false;
    seen_ = returned;
    free_ |= changed;
    for (; changed != 0; changed &= changed - 1)
      out_[static_cast<unsigned>(std::countr_zero(changed))].reset();
    return true;
  }
  [[nodiscard]] unsigned out_count() const noexcept {
    return slots - static_cast<unsigned>(std::popcount(free_));
  }

 private:
  Arena::Owner arena_;  // goes after the messages in it
  std::array<Message, slots> out_{};
  std::uint64_t free_ = ~std::uint64_t{0};
  std::uint64_t seen_ = 0;
};

class Borrower {
 public:
  struct Close {
    void operator()(Borrower* borrower) const noexcept { borrower->close(); }
  };
  using Owner = std::unique_ptr<Borrower, Close>;
  /// The layout of an arena of `bytes` with the page of slabs before it.
  static Layout layout(std::uint64_t bytes) noexcept { return {page_bytes, bytes, bytes}; }
  static Owner make(Memory arena, std::uint64_t bytes, wire::ShmLine& line) {
    return Owner(new Borrower(std::move(arena), bytes, line));
  }

  [[nodiscard]] bool fits(const wire::ShmLoan& loan) const noexcept {
    return loan.slot < Lender::slots && (out_ >> loan.slot & 1) == 0 && loan.at <= bytes_ &&
           loan.bytes <= bytes_ - loan.at;
  }
  /// The loan as a received message. Requires: fits(loan).
  Message borrow(Pool& pool, const wire::ShmLoan& loan, Quota* quota) noexcept;

 private:
  Borrower(Memory arena, std::uint64_t bytes, wire::ShmLine& line) noexcept
      : memory_(std::move(arena)), bytes_(bytes), line_(&line) {}
  static void give_back(Slab* slab) noexcept;
  void close() noexcept;

  Memory memory_;
  std::uint64_t bytes_;
  wire::ShmLine* line_;  // null: the link is gone
  std::uint64_t out_ = 0;
  std::uint64_t returned_ = 0;
};

}  // namespace harness::transports::shm
