// SPDX-License-Identifier: Apache-2.0
// Direct: a transport's own way to the peer's memory, where it has one: mapped pages, a network card.
//
// `put` uses it below itself where nothing between forbids it (the property `native put`), and messages for
// everything else: the caller cannot tell them apart but by their speed. At the target the endpoint tells
// its peer of the regions that it shares, by ways of its own; until the peer has heard, or when a region
// cannot be shared so, the origin's calls answer `no`.
//
// | outcome | means                                                                                      |
// |---------|--------------------------------------------------------------------------------------------|
// | done    | carried out, and the peer sees it                                                          |
// | begun   | nothing of the caller's is needed any more; Sink::ended tells once it is carried out       |
// | lent    | the same, but the source stays unchanged until then                                        |
// | full    | nothing happened, Sink::room or Sink::ended follows                                        |
// | no      | nothing happened: not this way, or not any more                                            |
//
// The sink is told from the endpoint's poll or when the endpoint goes, never inside a call. An endpoint
// either does everything at once or begins everything.
// Sources: OpenFabrics fi_rma(3), fi_atomic(3); design §5.
#pragma once

#include <cstdint>

#include <harness/stack/one_sided.hpp>

namespace harness {

class Direct;

/// What the layer that uses a Direct is told. [stack-thread]
struct DirectSink {
  void* self = nullptr;
  /// What began with `ticket` is carried out and seen by the peer (ok), with the bytes read or the former
  /// word; or it was not: not_found (revoked), denied, invalid, peer_lost. In any order, each once. Of an
  /// atomic peer_lost says that nobody knows, and every other code that it was not carried out.
  void (*ended)(void* self, std::uint64_t ticket, Errc code, Bytes result) = nullptr;
  /// After `full`: it is worth trying again.
  void (*room)(void* self) = nullptr;
  /// The endpoint goes: everything begun has ended, and nothing of it may be called any more.
  void (*gone)(void* self, Direct& which) = nullptr;
};

class Direct {
 public:
  enum class Outcome : std::uint8_t { done, begun, lent, full, no };

  /// Who uses it from now on. [stack-thread]
  void attach(const DirectSink& sink) noexcept { sink_ = sink; }
  /// Nobody does any more: withdraws everything, and tells nothing.
  virtual void leave() noexcept = 0;

  // ---- the target ----

  /// Lets the peer reach the region by itself if that is possible; silent if not, since messages do it then.
  virtual void share(const Exposed& region) noexcept = 0;
  /// From its return on the peer reaches no byte of the region this way. Waits for what is under way.
  virtual void withdraw(std::uint64_t key) noexcept = 0;

  // ---- the origin: handles are checked by the caller, offsets lie inside ----

  /// Whether the peer has shared the region; the calls below may still answer `no`.
  [[nodiscard]] virtual bool reaches(std::uint64_t key) const noexcept = 0;
  /// Writes at most `put_bytes_max(source)` bytes, then signals a word, or not.
  virtual Outcome put(std::uint64_t ticket, const RegionHandle& to, std::uint64_t offset, Bytes source,
                      const Signal& signal) noexcept = 0;
  /// done: `into` has the bytes; begun: they come with `ended`.
  virtual Outcome get(std::uint64_t ticket, const RegionHandle& from, std::uint64_t offset,
                      MutableBytes into) noexcept = 0;
  /// done: `before` has the former value; begun: it comes with `ended`, 8 bytes.
  virtual Outcome atomic(std::uint64_t ticket, AtomicOp op, const RegionHandle& at, std::uint64_t offset,
                         std::uint64_t operand, std::uint64_t compare, std::uint64_t& before) noexcept = 0;
  /// Whether it changes words of this region, as its atomic domain wants; the others are changed by messages.
  [[nodiscard]] virtual bool changes(const RegionHandle& at) const noexcept {
    (void)at;
    return true;
  }
  /// Whether `put` can signal this behind its bytes; the others are signalled by a message.
  [[nodiscard]] virtual bool signals(const Signal& signal) const noexcept = 0;
  /// Operations that have begun here and not ended.
  [[nodiscard]] virtual std::size_t under_way() const noexcept { return 0; }
  /// A smaller put had better be a message. `apart`: its signal will be one, behind the bytes.
  [[nodiscard]] virtual std::uint64_t put_bytes_min(bool apart) const noexcept {
    (void)apart;
    return 0;
  }
  /// Largest put of this source in one call.
  [[nodiscard]] virtual std::uint64_t put_bytes_max(Bytes source) noexcept {
    (void)source;
    return piece_bytes_max();
  }
  /// Largest get in one call, ever the same. ~0: all is done at once, a signal it cannot give is `no`.
  [[nodiscard]] virtual std::uint64_t piece_bytes_max() const noexcept = 0;

 protected:
  ~Direct() = default;
  DirectSink sink_{};
};

}  // namespace harness
