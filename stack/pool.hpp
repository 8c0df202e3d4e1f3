// SPDX-License-Identifier: Apache-2.0
// Reference-counted slabs from per-engine pools, and the quota that counts what a link has alive.
//
// A pool keeps free lists of thirteen sizes, each a power of two from 64 B to 256 KiB and a message's
// headroom. Larger slabs come from the heap and go back to it, except for a sixteenth of the limit that is
// kept for the next ones of their size, since fresh memory costs a page fault every 4 KiB. Foreign ones lie
// over memory that somebody else owns and takes back (a peer's shared memory). It grows in chunks up to a
// stated limit and never shrinks; after warm-up it allocates nothing.
// Counts are not atomic: a pool, its slabs and every message made of them belong to one engine's thread.
// What crosses threads is copied into heap slabs (Message::detached), which
// have no pool.
// Rejected: atomic counts (5 ns each on the 64-byte path), std::pmr (no shared ownership, no quota).
// Bounds: `limit_bytes` for all chunks and large slabs together; an allocation beyond it gives nullptr.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>

#include <boost/intrusive/slist.hpp>

struct harness_slab {};  // the opaque C names of stack/abi.h
struct harness_piece {};

namespace harness {

class Pool;

/// Counts the pool bytes that a link's layers and its application keep alive; tells once when they fall below
/// the limit.
class Quota {
 public:
  using Notify = void (*)(void* self) noexcept;

  struct Abandon {
    void operator()(Quota* quota) const noexcept { quota->abandon(); }
  };
  /// Its owner may go before the messages it counts: the last slab released then frees it.
  using Owner = std::unique_ptr<Quota, Abandon>;
  static Owner make(std::uint64_t limit_bytes) { return Owner(new Quota(limit_bytes)); }

  Quota(const Quota&) = delete;
  Quota& operator=(const Quota&) = delete;

  void charge(std::uint64_t bytes) noexcept {
    used_bytes_ += bytes;
    if (used_bytes_ > peak_bytes_) peak_bytes_ = used_bytes_;
  }
  void release(std::uint64_t bytes) noexcept {
    used_bytes_ -= bytes;
    if (used_bytes_ < wake_below_bytes_) [[unlikely]]
      wake();
  }
  [[nodiscard]] bool exhausted() const noexcept { return used_bytes_ >= limit_bytes_; }
  [[nodiscard]] std::uint64_t used_bytes() const noexcept { return used_bytes_; }
  [[nodiscard]] std::uint64_t peak_bytes() const noexcept { return peak_bytes_; }
  [[nodiscard]] std::uint64_t limit_bytes() const noexcept { return limit_bytes_; }

  /// Calls `notify(self)` once, from inside the release that brings the use below the limit: the transport's.
  /// [stack-thread]
  void when_below(Notify notify, void* self) noexcept { set(limit_watch_, limit_bytes_, notify, self); }
  /// The same for the layer that gives credit, below `bytes`. Null ends it. [stack-thread]
  void when_below(std::uint64_t bytes, Notify notify, void* self) noexcept {
    set(credit_watch_, bytes, notify, self);
  }
  /// True while that layer's watch is `self`'s.
  [[nodiscard]] bool watched_by(const void* self) const noexcept {
    return credit_watch_.notify != nullptr && credit_watch_.self == self;
  }

 private:
  struct Watch {
    std::uint64_t below_bytes = 0;
    Notify notify = nullptr;
    void* self = nullptr;
  };

  explicit Quota(std::uint64_t limit_bytes) noexcept : limit_bytes_(limit_bytes) {}
  void abandon() noexcept {
    abandoned_ = true;
    limit_watch_ = credit_watch_ = {};
    wake_below_bytes_ = ~std::uint64_t{0};
    if (used_bytes_ == 0) delete this;
  }
  void set(Watch& watch, std::uint64_t below_bytes, Notify notify, void* self) noexcept {
    if (abandoned_) return;
    watch = notify != nullptr ? Watch{below_bytes, notify, self} : Watch{};
    wake_below_bytes_ = limit_watch_.below_bytes > credit_watch_.below_bytes ? limit_watch_.below_bytes
                                                                             : credit_watch_.below_bytes;
  }
  void wake() noexcept;

  std::uint64_t limit_bytes_;
  std::uint64_t used_bytes_ = 0;
  std::uint64_t wake_below_bytes_ = 0;  // the higher one of both watches; abandoned: always
  std::uint64_t peak_bytes_ = 0;
  Watch limit_watch_;   // of the transport
  Watch credit_watch_;  // of the layer that gives credit
  bool abandoned_ = false;
};

/// A block of shared memory; its bytes follow this header. Immutable once a second message refers to it.
struct alignas(64) Slab
    : harness_slab,
      boost::intrusive::slist_base_hook<boost::intrusive::link_mode<boost::intrusive::normal_link>> {
  using GiveBack = void (*)(Slab*) noexcept;
  Pool* pool = nullptr;    // null: a heap slab without a pool, may cross threads while unshared
  Quota* quota = nullptr;  // charged for charge_bytes while alive
  std::uint32_t references = 1;
  std::uint32_t capacity = 0;    // bytes behind the header
  std::uint32_t size_class = 0;  // index, Pool::large or Pool::foreign
  std::uint32_t wanted = 0;      // bytes asked for, at most capacity
  GiveBack give_back = nullptr;  // of a foreign slab: takes its memory, header included
  void* owner = nullptr;         // … and whose it is
  [[nodiscard]] std::byte* bytes() noexcept { return reinterpret_cast<std::byte*>(this + 1); }
  [[nodiscard]] std::uint64_t total_bytes() const noexcept { return sizeof(Slab) + std::uint64_t{capacity}; }
  /// What a quota counts: the bytes asked for, not what the size class adds to them. So half a quota is room
  /// for a message of half as many bytes, whatever frames it comes in, and reassembly cannot starve on
  /// rounding.
  [[nodiscard]] std::uint64_t charge_bytes() const noexcept {
    const std::uint64_t bytes = sizeof(Slab) + std::uint64_t{wanted};
    return bytes > 256 ? bytes : 256;
  }
  /// Counts this slab to `to` until it is released, unless a quota counts it already.
  void charge(Quota& to) noexcept {
    if (quota != nullptr) return;
    quota = &to;
    to.charge(charge_bytes());
  }
};
static_assert(sizeof(Slab) == 64);

/// One further piece of a body, in a singly linked chain.
struct Piece : harness_piece {
  Pool* pool;  // where this node goes back to; its slab may have none
  Slab* slab;
  std::byte* data;
  std::uint32_t bytes;
  Piece* next;
};

class Pool {
 public:
  static constexpr std::uint32_t head_bytes = 128;  // beside a power of two: a message of 64 KiB has headroom
  static constexpr std::array<std::uint32_t, 13> class_bytes = [] {
    std::array<std::uint32_t, 13> bytes{};
    for (std::uint32_t i = 0; i < bytes.size(); ++i) bytes[i] = (64u << i) + head_bytes + sizeof(Slab);
    return bytes;
  }();
  static constexpr std::uint32_t large = class_bytes.size();
  static constexpr std::uint32_t foreign = large + 1;
  static constexpr std::uint32_t slab_header_bytes = sizeof(Slab);
  static constexpr std::uint64_t spare_share = 16;  // of the limit, for large slabs that nobody uses
  static constexpr std::uint32_t capacity_of(std::uint32_t size_class) {
    return class_bytes[size_class] - slab_header_bytes;
  }

  explicit Pool(std::uint64_t limit_bytes = std::uint64_t{1} << 30) noexcept : limit_bytes_(limit_bytes) {}
  /// Requires: every slab was given back, or the process ends (messages outlive their pool only by a bug).
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /// A slab of at least `capacity` bytes with one reference, or nullptr beyond the limit. `quota` may be
  /// null. [stack-thread]
  Slab* allocate(std::uint32_t capacity, Quota* quota = nullptr) noexcept {
    const std::uint32_t size_class = class_for(capacity);
    if (size_class == large || free_[size_class].empty()) return allocate_slow(size_class, capacity, quota);
    Slab& slab = free_[size_class].front();
    free_[size_class].pop_front();
    slab.references = 1;
    slab.wanted = capacity;
    slab.quota = quota;
    if (quota != nullptr) quota->charge(slab.charge_bytes());
    return &slab;
  }

  /// A slab from the heap that belongs to no pool: whoever holds its only reference may be on any thread.
  /// [any-thread]
  static Slab* allocate_detached(std::uint32_t capacity) noexcept;

  /// Makes a slab of this pool over memory of `owner`: the header at `where`, `capacity` bytes behind it, as
  /// many counted by quotas. `give_back` gets it when its last reference goes. It does not count to the
  /// limit, but is alive. [stack-thread]
  Slab* adopt(void* where, std::uint32_t capacity, void* owner, Slab::GiveBack give_back) noexcept;

  static void retain(Slab* slab) noexcept { ++slab->references; }
  static void release(Slab* slab) noexcept {
    if (--slab->references == 0) recycle(slab);
  }

  /// A node for a body piece, or nullptr beyond the limit; goes back by release_piece. [stack-thread]
  Piece* allocate_piece(Slab* slab, std::byte* data, std::uint32_t bytes, Piece* next) noexcept {
    if (free_pieces_ == nullptr && !grow_pieces()) [[unlikely]]
      return nullptr;
    Piece* const piece = free_pieces_;
    free_pieces_ = piece->next;
    piece->slab = slab;
    piece->data = data;
    piece->bytes = bytes;
    piece->next = next;
    return piece;
  }
  static void release_piece(Piece* piece) noexcept {
    piece->next = piece->pool->free_pieces_;
    piece->pool->free_pieces_ = piece;
  }

  [[nodiscard]] std::uint64_t held_bytes() const noexcept { return held_bytes_; }  // chunks and large slabs
  [[nodiscard]] std::uint64_t grown_count() const noexcept {
    return grown_count_;
  }  // times it asked the heap
  [[nodiscard]] std::uint64_t alive_count() const noexcept;  // slabs not given back

 private:
  using FreeList = boost::intrusive::slist<Slab, boost::intrusive::constant_time_size<false>,
                                           boost::intrusive::cache_last<false>>;
  struct Chunk {
    Chunk* next;
    std::uint64_t bytes;
  };

  static constexpr std::uint32_t class_for(std::uint32_t capacity) noexcept {
    if (capacity <= capacity_of(0)) return 0;
    const auto size_class = static_cast<std::uint32_t>(std::bit_width(capacity - head_bytes - 1)) - 6;
    return size_class < large ? size_class : large;
  }
  static void recycle(Slab* slab) noexcept {
    if (slab->size_class >= large) [[unlikely]]
      return recycle_other(slab);
    Quota* const quota = slab->quota;
    slab->pool->free_[slab->size_class].push_front(*slab);
    if (quota != nullptr) quota->release(slab->charge_bytes());  // last: it may resume a transport
  }
  static void recycle_other(Slab* slab) noexcept;
  Slab* allocate_slow(std::uint32_t size_class, std::uint32_t capacity, Quota* quota) noexcept;
  bool grow(std::uint32_t size_class) noexcept;
  bool grow_pieces() noexcept;
  void* take_chunk(std::uint64_t bytes) noexcept;
  Slab* take_spare(std::uint32_t capacity) noexcept;
  bool keep_spare(Slab& slab) noexcept;
  bool make_way(std::uint64_t bytes) noexcept;
  void drop_spares() noexcept;

  std::array<FreeList, class_bytes.size()> free_;
  Piece* free_pieces_ = nullptr;
  Chunk* chunks_ = nullptr;
  std::uint64_t limit_bytes_;
  std::uint64_t held_bytes_ = 0;
  std::uint64_t grown_count_ = 0;
  std::uint64_t other_alive_ = 0;  // large and foreign
  std::array<std::uint64_t, class_bytes.size()> made_{};
  FreeList spares_;  // large slabs given back, kept for the next ones
  std::uint64_t spare_bytes_ = 0;
};

}  // namespace harness
