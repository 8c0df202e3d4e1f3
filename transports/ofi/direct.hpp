// SPDX-License-Identifier: Apache-2.0
// Direct over a fabric: puts and gets are one-sided writes and reads (fi_write, fi_read) of registered
// memory, atomics in the domain `nic` are the card's (fi_fetch_atomic, fi_compare_atomic).
//
// The target registers a second mapping of a RegionMemory and tells its peer the provider's key over the
// control link. One word a region, in a page that the peer may read, says whether it is still shared.
//
//   put: (copy into a slot) fi_write ─▶ completed ─┐
//   get: ────────────────── fi_read ──▶ completed ─┴─ one fi_read of the word behind them all ─▶ ended
//   atomic: ────────── fi_fetch_atomic ─▶ completed, with the former word ──────────────────────▶ ended
//
// Large bytes of a put are written from where they lie when that is a region of this link, too: its memory
// stays mapped as long as the provider may read it. All others are copied into the operation's slot.
// The check makes two things certain at once. That read follows the writes to the same peer where the
// provider keeps that order (FI_ORDER_RAW); where it does not, the writes wait for delivery
// (FI_DELIVERY_COMPLETE), if the provider may be believed. And what the word says was true after the bytes
// had arrived: a region that was withdrawn before counts as not found, however late the withdrawal is heard
// here.
// Software providers that keep the order get the check right behind the put, whose completion says nothing
// more; the slot is the provider's until both have come. And where they read the places of one operation in
// their order (Policy::reads_in_order) a get brings the word behind its bytes, and there is no check.
// A provider that makes a new connection when one dies (LostWrite) keeps that order on each of them only: the
// check may go over the new one and say nothing of what the old one lost. There each put writes two places in
// one operation, the bytes and behind them a number of its own into its slot's word of the page, which the
// check reads, too. A number that is not there ends the link.
// Withdrawing: the word becomes 0 and the second mapping gets fresh pages, so that what software providers
// still write or read reaches nothing; a card, which has pinned the old ones, loses the registration instead.
// The registration of software providers goes when the peer says that nothing is under way: a write that is
// refused costs them the connection.
// An atomic needs no check, since only cards do any (Policy::has_atomics): what completed was done in pages
// that were registered, and a withdrawn region has no registration. What is refused was not done, and may go
// again by a message; an atomic with any other end is not repeated.
// Rejected: to register what the application allocates (it may unmap it, and it cannot be exchanged); signals
// by FI_REMOTE_CQ_DATA or fi_atomic behind a write: a message behind the check says the same everywhere;
// FI_DELIVERY_COMPLETE over tcp, true in libfabric 1.17 for writes alone, and an answer of the target's each.
// Bounds: regions_max regions each way; DirectSlots.
// Sources: fi_rma(3), fi_mr(3), fi_cq(3).
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <span>
#include <vector>

#include <atomic>
#include <harness/stack/direct.hpp>
#include <harness/transports/ofi/direct_slots.hpp>
#include <harness/transports/region_memory.hpp>
#include <harness/transports/wire/ofi.hpp>

namespace harness::transports::ofi {

class Ofi;

class OfiDirect final : public Direct {
 public:
  static constexpr unsigned regions_max = 256;
  static constexpr std::uint64_t word_bytes = DirectSlots::word_bytes;
  static constexpr std::uint64_t evidence_at = regions_max * word_bytes;  // in the page
  static constexpr std::uint32_t lent_bytes_min = 8 * 1024;               // below it a copy costs less
  // Smaller puts are sooner there as messages: over software providers, and with a signal.
  static constexpr std::uint32_t software_bytes_min = 4 * 1024;
  static constexpr std::uint32_t signalled_bytes_min = 16 * 1024;

  OfiDirect(Ofi& ofi, Connection& link) noexcept : ofi_(ofi), link_(link) {}
  ~OfiDirect();
  OfiDirect(const OfiDirect&) = delete;
  OfiDirect& operator=(const OfiDirect&) = delete;

  /// Whether puts over this provider can be told to have arrived.
  [[nodiscard]] static bool possible(const Fabric& fabric) noexcept;

  // Direct
  void leave() noexcept override;
  void share(const Exposed& region) noexcept override;
  void withdraw(std::uint64_t key) noexcept override;
  [[nodiscard]] bool reaches(std::uint64_t key) const noexcept override {
    return find_window(key) != nullptr;
  }
  Outcome put(std::uint64_t ticket, const RegionHandle& to, std::uint64_t offset, Bytes source,
              const Signal& signal) noexcept override;
  Outcome get(std::uint64_t ticket, const RegionHandle& from, std::uint64_t offset,
              MutableBytes into) noexcept override;
  Outcome atomic(std::uint64_t ticket, AtomicOp op, const RegionHandle& at, std::uint64_t offset,
                 std::uint64_t operand, std::uint64_t compare, std::uint64_t& before) noexcept override;
  [[nodiscard]] bool changes(const RegionHandle& at) const noexcept override {
    const Window* const window = find_window(at.key);
    return window != nullptr && allows(window->access, Access::atomic);
  }
  [[nodiscard]] bool signals(const Signal&) const noexcept override { return false; }
  [[nodiscard]] std::size_t under_way() const noexcept override { return begun_; }
  [[nodiscard]] std::uint64_t put_bytes_min(bool apart) const noexcept override;
  [[nodiscard]] std::uint64_t put_bytes_max(Bytes source) noexcept override;
  [[nodiscard]] std::uint64_t piece_bytes_max() const noexcept override {
    return std::min<std::uint64_t>(DirectSlots::slot_bytes, told_bytes());
  }

  // ---- for the connection ----

  /// Notes of the peer's; false: they cannot be.
  bool on_share(std::uint64_t number, Bytes tail);
  bool on_withdraw(std::uint64_t number) noexcept;
  bool on_withdrawn(std::uint64_t number) noexcept;
  /// An operation of this link completed; `error`: libfabric's code, 0 for none.
  void completed(Operation& operation, int error);
  /// Tells and checks what could not be before; false: something still waits.
  bool push_out() noexcept;
  /// The link ends: so does everything under way, as the next push_out tells.
  void end() noexcept;
  /// … and nobody may call any more.
  void go() noexcept;
  /// Operations were under way when the link ended: the provider still has them.
  [[nodiscard]] bool left_any() const noexcept { return left_any_; }
  void describe(Describer& describer) const;

 private:
  // A region of this side.
  struct Shared final : RegionMemory::Share {
    enum class State : std::uint8_t { free, to_tell, told, to_withdraw, withdrawn };
    State state = State::free;
    std::uint64_t key = 0;
    Access access = Access::none;
    Bytes bytes;
    std::shared_ptr<RegionMemory> in;
    std::unique_ptr<Region> region;
    std::shared_ptr<Region> lent;  // the same bytes to put from, where the provider wants to know them …
    bool is_refused = false;       // … and may not
    OfiDirect* owner = nullptr;
    void withdrawn() noexcept override { owner->withdraw(key); }
  };
  // A region of the peer's.
  struct Window {
    std::uint64_t key = 0;
    std::uint64_t bytes = 0;
    std::uint64_t address = 0;
    Access access = Access::none;
    RemoteKey remote;
    unsigned under_way = 0;  // puts, gets and atomics, those that have ended not counted
    Operation* completed = nullptr;
    Operation* in_check = nullptr;  // what the check that is under way will tell of
    bool closing = false;           // withdrawn: nothing new, and the peer waits for the end of what is
  };
  static constexpr unsigned slot_mask = Regions::regions_max - 1;

  // the target: direct_target.cpp
  [[nodiscard]] bool open_page();
  [[nodiscard]] Access reached_for(const Exposed& region) const noexcept;
  [[nodiscard]] std::atomic_ref<std::uint64_t> word(std::size_t number) const noexcept;
  bool tell(Shared& shared, std::size_t number) noexcept;
  void tell_refusal(std::size_t bytes) noexcept;
  void take_back(Shared& shared, std::size_t number) noexcept;
  void cut_off(Shared& shared, std::size_t number) noexcept;
  void forget(Shared& shared) noexcept;

  // the origin: direct_origin.cpp, direct_put.cpp
  [[nodiscard]] Window* find_window(std::uint64_t key) const noexcept;
  [[nodiscard]] Window* open_window(const RegionHandle& handle, std::uint64_t offset, std::size_t bytes,
                                    Access need) noexcept;
  long post_put(Operation& slot, const Window& window, std::uint64_t address, Bytes source,
                const Shared* lender, bool& is_over) noexcept;
  long write(Operation& slot, const Window& window, std::uint64_t address, Bytes source,
             const Shared* lender) noexcept;
  [[nodiscard]] Shared* lender_of(Bytes source) noexcept;
  [[nodiscard]] bool may_lend(Shared& shared) noexcept;
  Outcome posted(Operation& slot, long code) noexcept;
  Operation* take_slot(Operation::Kind kind, std::uint64_t key, std::uint64_t ticket) noexcept;
  void check_later() noexcept;
  Outcome no_slot() noexcept;
  Outcome full() noexcept;
  [[nodiscard]] bool checks_at_once(std::size_t bytes) const noexcept;
  /// Largest put that a read behind it follows …
  [[nodiscard]] static std::uint64_t ordered_bytes(const Fabric& fabric) noexcept {
    const bool ordered = (fabric.info().tx_attr->msg_order & FI_ORDER_RAW) != 0;
    return ordered ? fabric.info().ep_attr->max_order_raw_size : 0;
  }
  /// … and largest that can be told to have arrived.
  [[nodiscard]] std::uint64_t told_bytes() const noexcept;
  void landed(Operation& slot, Window& window) noexcept;
  void left(Operation& slot, int error);
  void settle(Operation& slot, Errc code);
  bool start_check(Window& window) noexcept;
  long post(decltype(fi_writemsg)& call, Operation& operation, std::span<const fi_rma_iov> there,
            std::uint64_t flags) const noexcept;
  // Bytes of this side, and how the provider knows them.
  struct Piece {
    const std::byte* at = nullptr;
    std::size_t bytes = 0;
    void* descriptor = nullptr;
  };
  long post(decltype(fi_writemsg)& call, Operation& operation, std::span<const Piece> here,
            std::span<const fi_rma_iov> there, std::uint64_t flags) const noexcept;
  long post_check(Operation& check, const Operation* list) const noexcept;
  [[nodiscard]] static bool needs_evidence(const Fabric& fabric) noexcept {
    return fabric.policy().lost_write == LostWrite::silent;
  }
  [[nodiscard]] static bool reads_word_behind(const Fabric& fabric) noexcept {
    return fabric.policy().reads_in_order && fabric.info().tx_attr->rma_iov_limit >= 2;
  }
  [[nodiscard]] fi_rma_iov word_of(std::uint16_t window) const noexcept;
  [[nodiscard]] static Errc word_behind(const Operation& get, const Window& window) noexcept;
  [[nodiscard]] fi_rma_iov evidence_of(unsigned first, unsigned count) const noexcept;
  [[nodiscard]] bool have_arrived(const Window& window, const Operation& check) const noexcept;
  void checked(Operation& check, int error);
  void end_list(Operation*& list, Errc code);
  void give_all(Operation* list) noexcept;
  void tell_lost();
  void finish(Operation& slot, Errc code);
  bool close_window(Window& window, std::size_t number) noexcept;
  void lose(Operation& slot, int error);

  // direct_atomic.cpp
  long post_atomic(Operation& slot, const Window& window, std::uint64_t address, AtomicOp op,
                   std::uint64_t operand, std::uint64_t compare) noexcept;
  void changed(Operation& slot, int error);

  Ofi& ofi_;
  Connection& link_;
  bool ended_ = false;
  bool left_any_ = false;
  std::size_t begun_ = 0;  // puts, gets and atomics that have not ended

  std::unique_ptr<Region> page_;  // of words
  std::vector<std::unique_ptr<Shared>> shared_;
  unsigned shared_count_ = 0;
  bool to_tell_ = false;

  std::array<std::unique_ptr<Window>, regions_max> windows_;
  std::vector<std::uint16_t> by_slot_;  // of the region's key: number of the window and 1
  RemoteKey page_key_;
  std::uint64_t page_address_ = 0;
  std::uint64_t last_evidence_ = 0;
  bool to_check_ = false;
  bool full_since_ = false;          // somebody waits for room
  Operation* checked_ = nullptr;     // being told of
  std::vector<std::uint64_t> lost_;  // tickets that ended with the link, to be told

  std::uint64_t refused_ = 0;  // regions, by the provider
  std::uint64_t puts_ = 0;
  std::uint64_t lent_ = 0;  // of them from where the bytes lay
  std::uint64_t gets_ = 0;
  std::uint64_t atomics_ = 0;
  std::uint64_t checks_ = 0;
  std::uint64_t bytes_out_ = 0;
  std::uint64_t bytes_in_ = 0;
  std::uint64_t full_ = 0;
  std::uint64_t not_found_ = 0;
};

}  // namespace harness::transports::ofi
