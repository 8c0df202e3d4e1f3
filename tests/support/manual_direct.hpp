// SPDX-License-Identifier: Apache-2.0
// A transport's own way to the peer's memory, in one process: two ends, each with what the other has shared.
//
// What it begins ends when the test says so, in the order the seed says. Knobs: at once or begun, how much
// fits, which signals it gives, and keys that the origin has not heard of yet. In the domain `nic` an atomic
// that begins takes two turns: it loads its word, and then stores and ends.
#pragma once

#include <map>
#include <vector>

#include <harness/stack/direct.hpp>
#include <harness/stack/random.hpp>

namespace harness::tests {

class ManualDirect final : public Direct {
 public:
  explicit ManualDirect(std::uint64_t seed = 1) : random_(seed) {}

  bool at_once = false;
  std::uint64_t room = 64;  // operations under way
  bool word_signals = true;
  bool changes_words = true;
  std::uint64_t message_bytes = 0;  // smaller puts with a signal of their own are messages …
  std::uint64_t small_bytes = 0;    // … and so are smaller ones without
  std::uint64_t piece_bytes = 512;
  std::uint64_t lent_bytes_min = ~std::uint64_t{0};  // puts of so many read their source when they end
  ManualDirect* peer = nullptr;
  Errc fails_with = Errc::ok;  // … whatever ends next
  std::uint64_t carried_out = 0;

  /// Carries one operation out, any of those under way, and tells its end; false: there is none.
  bool end_one() {
    if (flights_.empty()) return false;
    const std::size_t at = random_.next() % flights_.size();
    if (loads_first(flights_[at])) return true;
    const Flight flight = std::move(flights_[at]);
    flights_.erase(flights_.begin() + static_cast<std::ptrdiff_t>(at));
    std::vector<std::byte> result;
    const Errc code = fails_with != Errc::ok ? fails_with : carry_out(flight, result);
    sink_.ended(sink_.self, flight.ticket, code, result);
    return true;
  }
  [[nodiscard]] std::size_t under_way() const noexcept override { return flights_.size(); }
  [[nodiscard]] std::size_t shared() const noexcept { return shared_.size(); }
  [[nodiscard]] bool is_used() const noexcept { return sink_.self != nullptr; }
  /// The endpoint goes.
  void go() {
    while (!flights_.empty()) {
      const std::uint64_t ticket = flights_.front().ticket;
      flights_.erase(flights_.begin());
      sink_.ended(sink_.self, ticket, Errc::peer_lost, {});
    }
    shared_.clear();
    if (sink_.self != nullptr) sink_.gone(sink_.self, *this);
    sink_ = {};
  }
  void tell_room() { sink_.room(sink_.self); }

  void leave() noexcept override {
    shared_.clear();
    sink_ = {};
  }
  void share(const Exposed& region) noexcept override { shared_[region.key] = region; }
  void withdraw(std::uint64_t key) noexcept override { shared_.erase(key); }
  [[nodiscard]] bool reaches(std::uint64_t key) const noexcept override {
    return peer->shared_.contains(key);
  }
  [[nodiscard]] std::uint64_t piece_bytes_max() const noexcept override { return piece_bytes; }
  [[nodiscard]] std::uint64_t put_bytes_min(bool apart) const noexcept override {
    return apart ? message_bytes : small_bytes;
  }
  [[nodiscard]] std::uint64_t put_bytes_max(Bytes source) noexcept override {
    return source.size() >= lent_bytes_min ? 2 * piece_bytes : piece_bytes;
  }
  [[nodiscard]] bool changes(const RegionHandle&) const noexcept override { return changes_words; }
  [[nodiscard]] bool signals(const Signal& signal) const noexcept override {
    return word_signals && signal.kind == Signal::Kind::word && reaches(signal.region.key);
  }

  Outcome put(std::uint64_t ticket, const RegionHandle& to, std::uint64_t offset, Bytes source,
              const Signal& signal) noexcept override {
    const bool lent = source.size() >= lent_bytes_min;
    const auto outcome =
        begin({.kind = Operation::Kind::write,
               .ticket = ticket,
               .key = to.key,
               .offset = offset,
               .bytes = lent ? std::vector<std::byte>() : std::vector(source.begin(), source.end()),
               .lent = lent ? source : Bytes{},
               .signal = signal},
              nullptr, {});
    return lent && outcome == Outcome::begun ? Outcome::lent : outcome;
  }
  Outcome get(std::uint64_t ticket, const RegionHandle& from, std::uint64_t offset,
              MutableBytes into) noexcept override {
    return begin({.kind = Operation::Kind::read,
                  .ticket = ticket,
                  .key = from.key,
                  .offset = offset,
                  .bytes = std::vector<std::byte>(into.size())},
                 nullptr, into);
  }
  Outcome atomic(std::uint64_t ticket, AtomicOp op, const RegionHandle& at, std::uint64_t offset,
                 std::uint64_t operand, std::uint64_t compare, std::uint64_t& before) noexcept override {
    return begin({.kind = Operation::Kind::atomic,
                  .ticket = ticket,
                  .key = at.key,
                  .offset = offset,
                  .bytes = {},
                  .op = op,
                  .operand = operand,
                  .compare = compare},
                 &before, {});
  }

 private:
  struct Flight {
    Operation::Kind kind;
    std::uint64_t ticket = 0;
    std::uint64_t key = 0;
    std::uint64_t offset = 0;
    std::vector<std::byte> bytes;
    Bytes lent;
    Signal signal{};
    AtomicOp op = AtomicOp::add;
    std::uint64_t operand = 0;
    std::uint64_t compare = 0;
    const std::byte* loaded = nullptr;  // the word that is to be stored, still
    std::uint64_t before = 0;
  };

  // True: it has loaded its word, or waits for another that has.
  bool loads_first(Flight& flight) {
    const auto found = peer->shared_.find(flight.key);
    if (flight.kind != Operation::Kind::atomic || flight.loaded != nullptr || found == peer->shared_.end() ||
        found->second.atomics == AtomicDomain::cpu)
      return false;
    const std::byte* const at = found->second.bytes.data() + flight.offset;
    for (const Flight& other : flights_)
      if (other.loaded == at) return true;
    flight.loaded = at;
    std::memcpy(&flight.before, at, sizeof flight.before);
    return true;
  }

  Outcome begin(Flight flight, std::uint64_t* before, MutableBytes into) {
    if (!reaches(flight.key)) return Outcome::no;
    if (!at_once && flights_.size() >= room) return Outcome::full;
    if (!at_once) {
      flights_.push_back(std::move(flight));
      return Outcome::begun;
    }
    std::vector<std::byte> result;
    if (carry_out(flight, result) != Errc::ok) return Outcome::no;
    if (before != nullptr) std::memcpy(before, result.data(), sizeof *before);
    std::copy_n(result.begin(), std::min(result.size(), into.size()), into.begin());
    return Outcome::done;
  }

  Errc carry_out(const Flight& flight, std::vector<std::byte>& result) {
    const auto found = peer->shared_.find(flight.key);
    if (found == peer->shared_.end()) return Errc::not_found;
    ++carried_out;
    std::byte* const at = found->second.bytes.data() + flight.offset;
    if (flight.kind == Operation::Kind::read) {
      result.assign(at, at + flight.bytes.size());
    } else if (flight.kind == Operation::Kind::write) {
      std::copy(flight.bytes.begin(), flight.bytes.end(), at);
      std::copy(flight.lent.begin(), flight.lent.end(), at);
      return signal(flight.signal);
    } else {
      std::uint64_t word = flight.before;
      if (flight.loaded == nullptr) std::memcpy(&word, at, sizeof word);
      result.resize(sizeof word);
      std::memcpy(result.data(), &word, sizeof word);
      if (flight.op == AtomicOp::add) word += flight.operand;
      if (flight.op == AtomicOp::swap || (flight.op == AtomicOp::compare_swap && word == flight.compare))
        word = flight.operand;
      std::memcpy(at, &word, sizeof word);
    }
    return Errc::ok;
  }
  Errc signal(const Signal& signal) {
    if (signal.kind != Signal::Kind::word) return Errc::ok;
    const auto found = peer->shared_.find(signal.region.key);
    if (found == peer->shared_.end()) return Errc::not_found;
    std::uint64_t word = 0;
    std::byte* const at = found->second.bytes.data() + signal.offset;
    std::memcpy(&word, at, sizeof word);
    word = signal.op == SignalOp::add ? word + signal.value : signal.value;
    std::memcpy(at, &word, sizeof word);
    return Errc::ok;
  }

  std::map<std::uint64_t, Exposed> shared_;
  std::vector<Flight> flights_;
  Random random_;
};

}  // namespace harness::tests
