// SPDX-License-Identifier: Apache-2.0
// The regions that this side shares with its peer, and how they are taken back.
//
// A region that stands in a RegionMemory is told to the peer by packets on the socket: the memory once, with
// its descriptor, then the region. Its key stands in the table `live` of our page as long as the peer may use
// it. The peer's word `flight` says in which of them it is, at most some hundred microseconds at a time. To
// revoke, the key is taken off the table; then, behind a barrier, we wait until `flight` is another or
// elsewhere: whoever begins now finds the key gone. A peer that does not move for `answer_ns` (it is stopped)
// or whose barrier cannot be had is told so by the word `abandoned`, and loses the memory itself: its pages
// are exchanged for fresh ones (RegionMemory::renew). What it was doing there is void: it sees `abandoned`
// when it goes on, says so by a message, and the region is gone. A peer that another link's exchange finds
// standing in a region that is not revoked loses its link: nobody could say whether an addition of its was in
// time. Where only reading is allowed the peer gets a descriptor for reading, against mistakes: a process of
// the same user could always get the other.
// Rejected: a lock in shared memory (a killed peer holds it for ever); an answer of the peer's program
// (revoke would wait for a program that computes); leases (a clock read a put).
// Bounds: `regions_max` regions, by key modulo that, and `memories_max` memories; what exceeds them goes by
// messages. When the socket is full, packets wait here.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <memory>

#include <harness/stack/region.hpp>
#include <harness/transports/region_memory.hpp>
#include <harness/transports/wire/shm.hpp>

namespace harness::transports::shm {

class Connection;

class Exports {
 public:
  static constexpr unsigned regions_max = wire::ShmPage::regions_max;
  static constexpr unsigned memories_max = 64;
  static constexpr std::uint64_t answer_ns = 10'000'000;

  struct Counts {
    std::uint64_t withdrawn = 0;
    std::uint64_t orphaned = 0;  // times that pages were exchanged because this peer did not answer
  };

  explicit Exports(Connection& connection) noexcept;
  Exports(const Exports&) = delete;
  Exports& operator=(const Exports&) = delete;

  /// The two pages, from when the peer may be told; before that, regions wait.
  void open(wire::ShmPage& mine, const wire::ShmPage& theirs) noexcept {
    mine_ = &mine;
    theirs_ = &theirs;
  }
  /// Notes a region that can be shared, to be told; silent when it cannot.
  void add(const Exposed& region) noexcept;
  /// Tells the peer what it has not been told; false: the socket is full, and it is to be called again.
  [[nodiscard]] bool tell(const Descriptor& socket) noexcept;
  /// From its return on the peer reaches nothing of the region, unless it is false: then the peer does not
  /// answer, and there was no memory to exchange the pages.
  [[nodiscard]] bool withdraw(std::uint64_t key) noexcept;
  /// … of all regions. The peer is told afterwards that they are gone, if it still listens.
  [[nodiscard]] bool withdraw_all() noexcept;

  [[nodiscard]] unsigned count() const noexcept;
  [[nodiscard]] const Counts& counts() const noexcept { return counts_; }

 private:
  struct Region {
    std::uint64_t key = 0;  // 0: none
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    Access access = Access::none;
    std::uint8_t slot = 0;
    bool told = false;
  };
  struct Shared final : RegionMemory::Share {
    enum class State : std::uint8_t { free, waits, told, ends };
    void withdrawn() noexcept override { owner->pages_go(*this); }

    Exports* owner = nullptr;
    std::shared_ptr<RegionMemory> memory;
    State state = State::free;
    bool writable = false;
    unsigned regions = 0;
  };

  Shared* share(const std::shared_ptr<RegionMemory>& memory, bool writable) noexcept;
  [[nodiscard]] static bool lies_in(const Exposed& region) noexcept;
  [[nodiscard]] bool tell_memory(const Descriptor& socket, Shared& shared) noexcept;
  [[nodiscard]] bool tell_region(const Descriptor& socket, Region& region) noexcept;
  [[nodiscard]] bool tell_end(const Descriptor& socket, Shared& shared) noexcept;
  void take_off(const Region& region) noexcept;
  void forget(Region& region) noexcept;
  void forget_all(const Shared& shared) noexcept;
  void pages_go(Shared& shared) noexcept;
  using Places = std::bitset<regions_max>;
  [[nodiscard]] Places take_off(const Shared& shared) noexcept;
  [[nodiscard]] bool has_left(const Places& places) noexcept;
  [[nodiscard]] bool orphan(const std::shared_ptr<RegionMemory>& memory) noexcept;
  [[nodiscard]] bool make_order() const noexcept;
  [[nodiscard]] std::uint8_t slot_of(const Shared& shared) const noexcept {
    return static_cast<std::uint8_t>(&shared - memories_.data());
  }

  Connection& connection_;
  wire::ShmPage* mine_ = nullptr;
  const wire::ShmPage* theirs_ = nullptr;
  const bool barriers_;
  bool owes_ = false;  // something is to be told
  std::array<Region, regions_max> regions_{};
  std::array<Shared, memories_max> memories_{};
  Counts counts_;
};

}  // namespace harness::transports::shm
