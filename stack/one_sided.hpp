// SPDX-License-Identifier: Apache-2.0
// One-sided operations on the peer's memory: put, get, atomics, fence and flush.
//
// The peer exposes a region (stack/region.hpp) and sends its handle; from then on this side writes and
// reads it without the peer's program. Each operation is an object of the caller's, so nothing is
// allocated, and ends by `done` or when `busy()` is false. The rules, the same over every transport:
//   - `delivered`: the bytes stand in the region and the peer sees them; `reusable`: the source may change.
//   - a signal that is seen says that every byte of its own put is there; of other puts it says nothing.
//   - operations may be carried out in any order, unless one is `after_previous` or a fence stands between.
//   - atomic operations are atomic towards each other; in the domain `cpu` towards the processor and signals
//     as well; in the domain `nic` there are no signals.
//   - what the target refuses ends with its code; when the operation had ended already (reusable), the next
//     flush has the code.
// Sources: OpenSHMEM 1.5 (put_signal, fence, quiet); MPI 4 §12 (flush); GASPI (notify).
#pragma once

#include <cstdint>

#include <boost/intrusive/list.hpp>

#include <harness/stack/region.hpp>

namespace harness {

enum class Done : std::uint8_t { reusable, delivered };
enum class AtomicOp : std::uint8_t { add, swap, compare_swap };
enum class SignalOp : std::uint8_t { set, add };

/// How the target is told that a put is there: not at all, 16 bits to its handler, or a word in a region.
struct Signal {
  enum class Kind : std::uint8_t { none, immediate, word };
  Kind kind = Kind::none;
  std::uint16_t immediate = 0;
  SignalOp op = SignalOp::set;
  RegionHandle region{};     // of the word, exposed for atomics in the domain `cpu` …
  std::uint64_t offset = 0;  // … 8-byte aligned there
  std::uint64_t value = 0;
};

struct PutOptions {
  Done done = Done::reusable;
  Signal signal{};
  bool after_previous = false;  // carried out when every operation before it has been
};

/// One operation: the caller's. Alive and in its place while busy; destroyed then, what has not left is not
/// sent, and its end is not told. What a transport reads by itself may still go, with the bytes that stand
/// there then. [stack-thread]
class Operation
    : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  /// Called when it has ended, as the last act; may be called before the call that began it returns, may
  /// begin the next one and may destroy this one.
  using Ended = void (*)(Operation& self);

  explicit Operation(Ended ended = nullptr) noexcept : ended_(ended) {}
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;

  [[nodiscard]] bool busy() const noexcept { return is_linked(); }
  [[nodiscard]] Errc code() const noexcept { return code_; }             // how it ended
  [[nodiscard]] std::uint64_t value() const noexcept { return value_; }  // before the atomic operation

  // ---- for the layer that carries it out ----

  enum class Kind : std::uint8_t { write, read, atomic, flush };
  struct Work {
    Kind kind = Kind::write;
    Done done = Done::reusable;
    AtomicOp op = AtomicOp::add;
    RegionHandle region{};
    std::uint64_t offset = 0;
    Bytes source{};       // write
    MutableBytes into{};  // read
    std::uint64_t operand = 0;
    std::uint64_t compare = 0;
    Signal signal{};
    std::uint64_t fence = 0;       // fences begun before it
    std::uint64_t done_bytes = 0;  // write: sent; read: arrived
    std::uint64_t first = 0;       // numbers of its pieces: first … end - 1
    std::uint64_t end = 0;
    std::uint64_t ticket = 0;       // with the transport: of its first piece; flush: of what comes later
    std::uint64_t piece_bytes = 0;  // … of all but the last; of a read
    std::uint32_t pieces = 0;       // … begun there
    std::uint32_t flying = 0;       // … and not ended
    bool by_messages = false;       // from here on
    bool lent = false;              // write: the transport reads the source
    Errc failed = Errc::ok;         // of a piece
  };
  Work work{};
  void begin() noexcept { code_ = Errc::ok; }
  [[nodiscard]] bool tells() const noexcept { return ended_ != nullptr; }
  void end(Errc code, std::uint64_t value = 0) {
    unlink();
    code_ = code;
    value_ = value;
    if (ended_ != nullptr) ended_(*this);
  }

 private:
  Ended ended_;
  Errc code_ = Errc::ok;
  std::uint64_t value_ = 0;
};

/// One-sided access to the peer of a link. A call that returns ok has begun the operation, or ended it
/// already; any other code leaves it alone. Codes: too_large (a get of 4 GiB or more), closed (the link is
/// not up), invalid (outside the region by its handle, or not aligned), denied (the region is not exposed
/// for that, or the word of a signal is the card's). [stack-thread]
class OneSided {
 public:
  /// Writes `source`, which stays unchanged until the operation has ended, at `offset` of the region.
  virtual Errc put(Operation& operation, const RegionHandle& to, std::uint64_t offset, Bytes source,
                   const PutOptions& options = {}) = 0;
  /// Reads as many bytes as `into` has. Ends when they are there.
  virtual Errc get(Operation& operation, const RegionHandle& from, std::uint64_t offset,
                   MutableBytes into) = 0;
  /// Changes the 64-bit word at `offset`, 8-byte aligned; the operation then has its former value.
  virtual Errc atomic(Operation& operation, AtomicOp op, const RegionHandle& at, std::uint64_t offset,
                      std::uint64_t operand, std::uint64_t compare = 0) = 0;
  /// Ends when everything begun before it is delivered; its code is the first failure since the last flush.
  virtual Errc flush(Operation& operation) = 0;
  /// Whatever is begun from now on is carried out after everything begun before.
  virtual void fence() noexcept = 0;
  /// Operations that have not ended.
  [[nodiscard]] virtual std::size_t operations() const noexcept = 0;

 protected:
  ~OneSided() = default;
};

}  // namespace harness
