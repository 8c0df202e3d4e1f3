// SPDX-License-Identifier: Apache-2.0
// Memory that the peer of a link may reach by itself, and the handle by which it does.
//
// A region is exposed on one link; its handle says how large it is and what may be done with it, and
// carries a key that no other region of any link has: a number and 52 random bits, so that a handle that
// was revoked, is another link's, or was made up is refused (and not taken for whoever uses that number
// now). The handle travels by any way the application likes, a message most often. What the peer may do is
// checked here, at the target, for every access that messages carry. Regions outlive the stacks of a link:
// they are exposed once and hold through swaps and lost contact.
// A word in the domain `nic` is changed by the card or by messages, never by both at once, since a card does
// not see what the processor does between its load and its store. Within a stack the origin changes the way
// only when all that it began the other way has been carried out (layers/put). Across stacks it is done here:
// only the oldest stack shares such a region with its transport, a younger one when that has gone, and one
// that is to change a word for a message takes the region from the others' cards first. Where two links
// expose the same bytes in that domain, both must go over one card; the program that owns the bytes keeps off
// them.
// Bounds: `regions_max` a link.
// Sources: InfiniBand Architecture 1.4 §9.4 (R_Key); OpenFabrics fi_mr(3).
// Next in reading order: stack/one_sided.hpp.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include <boost/intrusive/list.hpp>

#include <harness/stack/bytes.hpp>
#include <harness/stack/placement.hpp>
#include <harness/stack/random.hpp>
#include <harness/stack/result.hpp>

namespace harness {

class RegionMemory;  // transports/region_memory.hpp

/// What a peer may do with a region: bits.
enum class Access : std::uint8_t { none = 0, read = 1, write = 2, atomic = 4, all = 7 };
constexpr Access operator|(Access a, Access b) noexcept {
  return static_cast<Access>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}
constexpr bool allows(Access have, Access need) noexcept {
  return (static_cast<unsigned>(have) & static_cast<unsigned>(need)) == static_cast<unsigned>(need);
}

/// Who carries out atomic operations on a region: its processor, with which the application's own
/// std::atomic_ref agree, or the network card, which agrees with nobody else: where the transport has none
/// that can, the processor does it, and no word there is a put's signal.
enum class AtomicDomain : std::uint8_t { cpu, nic };

/// What the peer needs to reach a region; a value, at most 64 bytes when packed.
struct RegionHandle {
  static constexpr std::uint8_t version = 1;
  static constexpr std::size_t packed_bytes = 19;

  std::uint64_t key = 0;
  std::uint64_t bytes = 0;
  Access access = Access::none;
  AtomicDomain atomics = AtomicDomain::cpu;

  [[nodiscard]] bool covers(std::uint64_t offset, std::uint64_t length) const noexcept {
    return offset <= bytes && length <= bytes - offset;
  }
  [[nodiscard]] std::array<std::byte, packed_bytes> pack() const noexcept;
  /// Errors: invalid (not a handle), conflict (of another version).
  static Result<RegionHandle> unpack(Bytes packed);
  friend bool operator==(const RegionHandle&, const RegionHandle&) noexcept = default;
};

/// A region at the target: what is exposed.
struct Exposed {
  std::uint64_t key = 0;  // 0: free
  MutableBytes bytes;
  Access access = Access::none;
  AtomicDomain atomics = AtomicDomain::cpu;
  std::shared_ptr<RegionMemory> in;  // memory that other processes can map, and the bytes are in; or null
};

/// The regions that a link exposes. [stack-thread]
class Regions {
 public:
  static constexpr std::size_t regions_max = 4096;
  /// Who hears the immediate values that puts signal: the key of the region written to, and 16 bits.
  using OnSignal = std::function<void(std::uint64_t key, std::uint16_t immediate)>;

  /// Hears what becomes exposed, and what is revoked before revoke() returns.
  class Watcher
      : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
   public:
    virtual void exposed(const Exposed& region) noexcept = 0;
    virtual void revoked(std::uint64_t key) noexcept = 0;

   protected:
    ~Watcher() = default;
  };

  explicit Regions(Random& random) noexcept : random_(random) {}
  ~Regions();
  Regions(const Regions&) = delete;
  Regions& operator=(const Regions&) = delete;

  /// Lets the peer reach `bytes`, which stay the caller's and stand until the region is revoked or the link
  /// is gone. Bytes `in` memory that other processes can map are kept until then, and a peer on this host may
  /// reach them without this program. Errors: invalid (no bytes), exhausted (regions_max).
  Result<RegionHandle> expose(MutableBytes bytes, Access access, AtomicDomain atomics = AtomicDomain::cpu,
                              std::shared_ptr<RegionMemory> in = nullptr);
  /// From its return on no byte of the region is read or written by the peer. Errors: not_found.
  Errc revoke(const RegionHandle& handle) noexcept;
  void on_signal(OnSignal handler) { on_signal_ = std::make_shared<OnSignal>(std::move(handler)); }

  // ---- for the layer that carries the peer's operations out ----

  /// The bytes [offset, offset + length) of a region, if the peer may do that with them. not_found: no such
  /// region (any more); denied: not exposed for that; invalid: outside it.
  Errc find(std::uint64_t key, std::uint64_t offset, std::uint64_t length, Access access,
            std::byte*& at) const noexcept;
  /// Leads a placement to bytes that `find` gave for a write, until it is reset or the region goes.
  void place(std::uint64_t key, std::byte* at, Placement& to) noexcept;
  void tell(std::uint64_t key, std::uint16_t immediate) const {
    if (const auto handler = on_signal_; handler && *handler)
      (*handler)(key, immediate);  // it may set another
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// Tells of every region now, and of each change until `unwatch`; of those in the domain `nic` only the
  /// oldest watcher is told.
  void watch(Watcher& watcher) noexcept;
  /// Those regions are revoked from it, and the next oldest is told of them.
  void unwatch(Watcher& watcher) noexcept;
  /// What `find` gave is about to be changed by the processor, for a message that `by` has: in the domain
  /// `nic` it is revoked from every other watcher first.
  void take(std::uint64_t key, const Watcher& by) noexcept;
  /// Requires: the key of a region.
  [[nodiscard]] AtomicDomain domain_of(std::uint64_t key) const noexcept {
    return regions_[key & (regions_max - 1)].atomics;
  }

 private:
  static constexpr unsigned slot_bits = 12;
  static_assert(regions_max == 1u << slot_bits);

  Random& random_;
  std::vector<Exposed> regions_;  // by the low bits of the key
  boost::intrusive::list<Watcher, boost::intrusive::constant_time_size<false>> watchers_;
  boost::intrusive::list<Placement, boost::intrusive::constant_time_size<false>> placements_;
  std::size_t size_ = 0;
  std::shared_ptr<OnSignal> on_signal_;
};

}  // namespace harness
