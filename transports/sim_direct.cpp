// SPDX-License-Identifier: Apache-2.0
// See sim_direct.hpp.
#include <harness/transports/sim_direct.hpp>

#include <algorithm>
#include <cstring>

namespace harness::transports {

namespace {

constexpr std::uint64_t step_ns_max = 600'000;
constexpr std::size_t word_bytes = sizeof(std::uint64_t);

std::uint64_t load_word(const std::byte* at) noexcept {
  std::uint64_t word = 0;
  std::memcpy(&word, at, word_bytes);
  return word;
}

}  // namespace

SimDirect::SimDirect(SimEngine& engine, std::function<SimDirect*()> peer)
    : engine_(engine), peer_(std::move(peer)) {}

SimDirect::~SimDirect() {
  for (const auto& flight : std::exchange(flights_, {}))
    if (sink_.self != nullptr) sink_.ended(sink_.self, flight->ticket, Errc::peer_lost, {});
  const DirectSink sink = std::exchange(sink_, {});
  if (sink.self != nullptr) sink.gone(sink.self, *this);
}

// Nobody is told of an end any more, so sources may change from here on.
void SimDirect::leave() noexcept {
  for (const auto& flight : flights_) {
    const Bytes lent = std::exchange(flight->lent, {});
    flight->bytes.insert(flight->bytes.end(), lent.begin(), lent.end());
  }
  sink_ = {};
  shared_.clear();
}

void SimDirect::share(const Exposed& region) noexcept {
  SimWorld& world = engine_.world();
  shared_[region.key] = {region, world.now_ns() + world.random().below(step_ns_max)};
}

bool SimDirect::reaches(std::uint64_t key) const noexcept {
  const SimDirect* const peer = peer_();
  if (peer == nullptr) return false;
  const auto found = peer->shared_.find(key);
  return found != peer->shared_.end() && found->second.known_ns <= engine_.world().now_ns();
}

std::byte* SimDirect::find(std::uint64_t key, std::uint64_t offset, std::size_t bytes,
                           Access need) const noexcept {
  const auto found = shared_.find(key);
  if (found == shared_.end()) return nullptr;
  const Exposed& region = found->second.region;
  const bool inside = offset <= region.bytes.size() && bytes <= region.bytes.size() - offset;
  return inside && allows(region.access, need) ? region.bytes.data() + offset : nullptr;
}

// ---- the origin ----

Direct::Outcome SimDirect::put(std::uint64_t ticket, const RegionHandle& to, std::uint64_t offset,
                               Bytes source, const Signal& signal) noexcept {
  auto flight = std::make_unique<Flight>(*this);
  flight->ticket = ticket;
  flight->key = to.key;
  flight->offset = offset;
  const bool is_lent = source.size() >= lent_bytes_min;
  if (is_lent)
    flight->lent = source;
  else
    flight->bytes.assign(source.begin(), source.end());
  flight->signal = signal;
  const Outcome outcome = begin(std::move(flight), source.size(), Access::write);
  return is_lent && outcome == Outcome::begun ? Outcome::lent : outcome;
}

Direct::Outcome SimDirect::get(std::uint64_t ticket, const RegionHandle& from, std::uint64_t offset,
                               MutableBytes into) noexcept {
  auto flight = std::make_unique<Flight>(*this);
  flight->ticket = ticket;
  flight->kind = Operation::Kind::read;
  flight->key = from.key;
  flight->offset = offset;
  flight->bytes.resize(into.size());
  return begin(std::move(flight), into.size(), Access::read);
}

Direct::Outcome SimDirect::atomic(std::uint64_t ticket, AtomicOp op, const RegionHandle& at,
                                  std::uint64_t offset, std::uint64_t operand, std::uint64_t compare,
                                  std::uint64_t&) noexcept {
  auto flight = std::make_unique<Flight>(*this);
  flight->ticket = ticket;
  flight->kind = Operation::Kind::atomic;
  flight->key = at.key;
  flight->offset = offset;
  flight->bytes.resize(word_bytes);
  flight->op = op;
  flight->operand = operand;
  flight->compare = compare;
  return begin(std::move(flight), word_bytes, Access::atomic);
}

Direct::Outcome SimDirect::begin(std::unique_ptr<Flight> flight, std::size_t bytes, Access need) {
  if (!reaches(flight->key) || peer_()->find(flight->key, flight->offset, bytes, need) == nullptr)
    return Outcome::no;
  if (flights_.size() == under_way_max) return Outcome::full;
  arm(*flights_.emplace_back(std::move(flight)));
  return Outcome::begun;
}

SimDirect::Flight::Flight(SimDirect& owner)
    : direct(owner), timer(
                         [](void* self) {
                           auto& flight = *static_cast<Flight*>(self);
                           flight.direct.move(flight);
                         },
                         this) {}

void SimDirect::arm(Flight& flight) noexcept {
  engine_.timers().arm(flight.timer, engine_.now_ns() + engine_.world().random().below(step_ns_max));
}

// It lands, and some time later it is told of.
void SimDirect::move(Flight& flight) {
  if (!flight.landed && loads_first(flight)) return arm(flight);
  if (!std::exchange(flight.landed, true)) {
    flight.code = land(flight);
    return arm(flight);
  }
  const auto at =
      std::find_if(flights_.begin(), flights_.end(), [&](const auto& one) { return one.get() == &flight; });
  const auto ended = std::move(*at);
  flights_.erase(at);
  if (sink_.self == nullptr) return;
  const bool brings = ended->code == Errc::ok && ended->kind != Operation::Kind::write;
  sink_.ended(sink_.self, ended->ticket, ended->code, brings ? Bytes(ended->bytes) : Bytes{});
  if (sink_.self != nullptr) sink_.room(sink_.self);
}

// True: it has loaded its word, or waits for another that has.
bool SimDirect::loads_first(Flight& flight) const {
  const SimDirect* const peer = peer_();
  if (flight.kind != Operation::Kind::atomic || flight.loaded != nullptr || peer == nullptr) return false;
  std::byte* const at = peer->find(flight.key, flight.offset, word_bytes, Access::atomic);
  if (at == nullptr || peer->shared_.at(flight.key).region.atomics == AtomicDomain::cpu) return false;
  if (std::any_of(flights_.begin(), flights_.end(), [&](const auto& one) { return one->loaded == at; }))
    return true;
  flight.loaded = at;
  std::copy_n(at, word_bytes, flight.bytes.begin());
  return true;
}

Errc SimDirect::land(Flight& flight) const {
  const SimDirect* const peer = peer_();
  if (peer == nullptr) return Errc::peer_lost;
  const bool changes = flight.kind == Operation::Kind::atomic;
  const bool reads = flight.kind == Operation::Kind::read;
  const Access need = changes ? Access::atomic : reads ? Access::read : Access::write;
  const std::size_t bytes = flight.bytes.size() + flight.lent.size();
  std::byte* const at = peer->find(flight.key, flight.offset, bytes, need);
  const Signal& signal = flight.signal;
  const bool signals = signal.kind == Signal::Kind::word;
  std::byte* const word =
      signals ? peer->find(signal.region.key, signal.offset, word_bytes, Access::atomic) : nullptr;
  const bool loaded = std::exchange(flight.loaded, nullptr) != nullptr;
  if (at == nullptr || (signals && word == nullptr)) return Errc::not_found;
  if (reads) {
    std::copy_n(at, flight.bytes.size(), flight.bytes.begin());
  } else if (!changes) {
    std::copy(flight.bytes.begin(), flight.bytes.end(), at);
    std::copy(flight.lent.begin(), flight.lent.end(), at);
  } else {
    const std::uint64_t before = load_word(loaded ? flight.bytes.data() : at);
    std::uint64_t after = flight.op == AtomicOp::add ? before + flight.operand : flight.operand;
    if (flight.op == AtomicOp::compare_swap && before != flight.compare) after = before;
    std::memcpy(flight.bytes.data(), &before, word_bytes);
    std::memcpy(at, &after, word_bytes);
  }
  if (!signals) return Errc::ok;
  const std::uint64_t value = signal.op == SignalOp::add ? load_word(word) + signal.value : signal.value;
  std::memcpy(word, &value, word_bytes);
  return Errc::ok;
}

}  // namespace harness::transports
