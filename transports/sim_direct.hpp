// SPDX-License-Identifier: Apache-2.0
// Direct over the simulated network: each operation takes its own time to land at the peer, and again to be
// told of, so that they overtake each other and a withdrawal falls between any two steps.
//
// In the domain `nic` an atomic loads its word at one time and stores it at a later one, as a card does that
// the processor knows nothing of; those of one endpoint wait for each other.
// A put of `lent_bytes_min` bytes or more reads its source when it lands.
// The peer hears of a shared region some time after it was shared, of a withdrawal at once (what matters is
// that nothing lands after it). Bound: `under_way_max` operations.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include <harness/stack/direct.hpp>
#include <harness/transports/sim_world.hpp>

namespace harness::transports {

class SimDirect final : public Direct {
 public:
  static constexpr std::size_t under_way_max = 64;
  static constexpr std::uint64_t piece_bytes = 1024;
  static constexpr std::uint64_t lent_bytes_min = 600;

  /// `peer`: the other end's, or null while it is not there.
  SimDirect(SimEngine& engine, std::function<SimDirect*()> peer);
  ~SimDirect();
  SimDirect(const SimDirect&) = delete;
  SimDirect& operator=(const SimDirect&) = delete;

  void leave() noexcept override;
  void share(const Exposed& region) noexcept override;
  void withdraw(std::uint64_t key) noexcept override { shared_.erase(key); }
  [[nodiscard]] bool reaches(std::uint64_t key) const noexcept override;
  Outcome put(std::uint64_t ticket, const RegionHandle& to, std::uint64_t offset, Bytes source,
              const Signal& signal) noexcept override;
  Outcome get(std::uint64_t ticket, const RegionHandle& from, std::uint64_t offset,
              MutableBytes into) noexcept override;
  Outcome atomic(std::uint64_t ticket, AtomicOp op, const RegionHandle& at, std::uint64_t offset,
                 std::uint64_t operand, std::uint64_t compare, std::uint64_t& before) noexcept override;
  [[nodiscard]] std::size_t under_way() const noexcept override { return flights_.size(); }
  [[nodiscard]] bool signals(const Signal& signal) const noexcept override {
    return signal.kind == Signal::Kind::word && reaches(signal.region.key);
  }
  [[nodiscard]] std::uint64_t piece_bytes_max() const noexcept override { return piece_bytes; }
  [[nodiscard]] std::uint64_t put_bytes_max(Bytes source) noexcept override {
    return source.size() < lent_bytes_min ? piece_bytes : 2 * piece_bytes;
  }

 private:
  struct Shared {
    Exposed region;
    std::uint64_t known_ns;  // world time
  };
  struct Flight {
    explicit Flight(SimDirect& owner);
    SimDirect& direct;
    std::uint64_t ticket = 0;
    Operation::Kind kind = Operation::Kind::write;
    std::uint64_t key = 0;
    std::uint64_t offset = 0;
    std::vector<std::byte> bytes;  // written, or read; empty: `lent` is written
    Bytes lent;
    Signal signal{};
    AtomicOp op = AtomicOp::add;
    std::uint64_t operand = 0;
    std::uint64_t compare = 0;
    std::byte* loaded = nullptr;  // the word that is to be stored, still
    bool landed = false;
    Errc code = Errc::ok;
    Timer timer;
  };

  Outcome begin(std::unique_ptr<Flight> flight, std::size_t bytes, Access need);
  void move(Flight& flight);
  [[nodiscard]] bool loads_first(Flight& flight) const;
  [[nodiscard]] Errc land(Flight& flight) const;
  void arm(Flight& flight) noexcept;
  [[nodiscard]] std::byte* find(std::uint64_t key, std::uint64_t offset, std::size_t bytes,
                                Access need) const noexcept;

  SimEngine& engine_;
  std::function<SimDirect*()> peer_;
  std::map<std::uint64_t, Shared> shared_;
  std::vector<std::unique_ptr<Flight>> flights_;
};

}  // namespace harness::transports
