// SPDX-License-Identifier: Apache-2.0
// The peer's memory, reached by loads and stores: put, get and atomics where it is mapped, all of it at once.
//
// An operation is a copy between two stores to our word `flight`, which says where we are, and behind a look
// into the peer's table `live`, whether the region still may be used (exports.hpp). Before it goes it looks
// into the peer's word `abandoned`: when that is this very flight, the peer has given up waiting for it, and
// the bytes went nowhere. All these words lie in lines that the other side touches only when it revokes. Long
// copies are cut into chunks, so that a peer that revokes waits no longer than for one. The signal is a store
// or an addition behind the bytes.
// Bounds: those of exports.hpp and imports.hpp. Sources: design §5; Dijkstra, EWD 123 (Dekker).
#pragma once

#include <memory>

#include <harness/stack/direct.hpp>
#include <harness/transports/shm/exports.hpp>
#include <harness/transports/shm/imports.hpp>
#include <harness/transports/shm/ring.hpp>
#include <harness/transports/shm/socket.hpp>

namespace harness {
class Describer;
}

namespace harness::transports::shm {

class MappedDirect final : public Direct {
 public:
  static constexpr std::uint64_t chunk_bytes = 512 * 1024;

  explicit MappedDirect(Connection& connection) noexcept : connection_(connection) {}
  MappedDirect(const MappedDirect&) = delete;
  MappedDirect& operator=(const MappedDirect&) = delete;

  // ---- for the connection ----

  /// The link is open: both pages are there; `takes`: the peer may be told of regions.
  void open(wire::ShmPage& mine, const wire::ShmPage& theirs, bool takes) noexcept;
  /// Sends what the peer has not been told; false: the socket is full.
  [[nodiscard]] bool tell(const Descriptor& socket) noexcept {
    return exports_ == nullptr || exports_->tell(socket);
  }
  /// Null, or why the packet cannot be.
  [[nodiscard]] const char* hear(const Received& packet) noexcept;
  /// Nothing is reached any more, in either direction. False: the peer does not answer and might still finish
  /// a write.
  bool end() noexcept;
  /// The endpoint goes.
  void tell_gone();
  void describe(Describer& describer) const;

  // ---- Direct ----

  void leave() noexcept override;
  void share(const Exposed& region) noexcept override;
  void withdraw(std::uint64_t key) noexcept override;
  [[nodiscard]] bool reaches(std::uint64_t key) const noexcept override;
  Outcome put(std::uint64_t ticket, const RegionHandle& to, std::uint64_t offset, Bytes source,
              const Signal& signal) noexcept override;
  Outcome get(std::uint64_t ticket, const RegionHandle& from, std::uint64_t offset,
              MutableBytes into) noexcept override;
  Outcome atomic(std::uint64_t ticket, AtomicOp op, const RegionHandle& at, std::uint64_t offset,
                 std::uint64_t operand, std::uint64_t compare, std::uint64_t& before) noexcept override;
  [[nodiscard]] bool signals(const Signal& signal) const noexcept override;
  [[nodiscard]] std::uint64_t piece_bytes_max() const noexcept override { return ~std::uint64_t{0}; }

 private:
  enum class Phase : std::uint8_t { opening, open, ended };

  [[nodiscard]] const Import* find(std::uint64_t key) const noexcept {
    return imports_ != nullptr ? imports_->find(key) : nullptr;
  }
  [[nodiscard]] bool is_live(std::uint64_t key) const noexcept {
    return load_shared(theirs_->live[key % Imports::regions_max]) == key;
  }
  template <class Act>
  [[nodiscard]] bool fly(std::uint64_t one_key, std::uint64_t other_key, Act act) noexcept;
  void keep_order() const noexcept;

  Connection& connection_;
  Phase phase_ = Phase::opening;
  bool takes_ = true;   // the peer may be told of regions, as far as we know
  bool fences_ = true;  // the peer cannot make the barrier for us, or we do not hear it
  wire::ShmPage* mine_ = nullptr;
  const wire::ShmPage* theirs_ = nullptr;
  std::uint64_t flight_ = 0;
  std::unique_ptr<Imports> imports_;  // from the first region of the peer on
  std::unique_ptr<Exports> exports_;  // … of ours
  std::uint64_t refused_ = 0;         // the region was not to be reached any more
};

}  // namespace harness::transports::shm
