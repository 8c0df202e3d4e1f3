// SPDX-License-Identifier: Apache-2.0
// See direct.hpp.
#include <harness/transports/shm/direct.hpp>

#include <algorithm>
#include <atomic>
#include <new>

#include <harness/stack/layer.hpp>
#include <harness/transports/shm/barrier.hpp>
#include <harness/transports/shm/connection.hpp>

namespace harness::transports::shm {

namespace {

// A word of eight bytes is stored as one.
inline void copy_across(std::byte* to, const std::byte* from, std::uint64_t bytes) noexcept {
  if (bytes == sizeof(std::uint64_t)) {
    store(to, load<std::uint64_t>(from));
  } else if (bytes <= 32) {
    copy_payload(to, from, static_cast<std::uint32_t>(bytes));
  } else {
    std::memcpy(to, from, bytes);
  }
}

inline void give(std::uint64_t* word, const Signal& signal) noexcept {
  const std::atomic_ref<std::uint64_t> there(*word);
  if (signal.op == SignalOp::set) {
    there.store(signal.value, std::memory_order_release);
  } else {
    there.fetch_add(signal.value, std::memory_order_acq_rel);
  }
}

}  // namespace

// ---- opening and ending ----

void MappedDirect::open(wire::ShmPage& mine, const wire::ShmPage& theirs, bool takes) noexcept {
  if (phase_ != Phase::opening) return;
  phase_ = Phase::open;
  mine_ = &mine;
  theirs_ = &theirs;
  if (!takes && exports_ != nullptr) static_cast<void>(exports_->withdraw_all());
  takes_ = takes;
  if (exports_ != nullptr) exports_->open(mine, theirs);
}

bool MappedDirect::end() noexcept {
  if (phase_ == Phase::ended) return true;
  phase_ = Phase::ended;
  imports_.reset();
  return exports_ == nullptr || exports_->withdraw_all();
}

void MappedDirect::tell_gone() {
  static_cast<void>(end());
  const DirectSink sink = std::exchange(sink_, {});
  if (sink.gone != nullptr) sink.gone(sink.self, *this);
}

const char* MappedDirect::hear(const Received& packet) noexcept {
  if (phase_ != Phase::open) return "a region before the greeting";
  if (imports_ == nullptr) imports_.reset(new (std::nothrow) Imports);
  if (imports_ == nullptr) return "no memory to note regions";
  switch (packet.packet.kind) {
    case wire::ShmPacket::Kind::memory: {
      const auto memory = packet.as<wire::ShmMemory>();
      fences_ = (memory.flags & wire::ShmMemory::barriers) == 0 || !hear_barriers();
      return imports_->take(memory, packet.file);
    }
    case wire::ShmPacket::Kind::region:
      return imports_->take(packet.as<wire::ShmRegion>(),
                            packet.as<wire::ShmPlace>(wire::bytes_of<wire::ShmRegion>));
    case wire::ShmPacket::Kind::drop: return imports_->drop(packet.as<wire::ShmMemory>());
    default: return "a packet that does not belong here";
  }
}

// ---- the target ----

void MappedDirect::share(const Exposed& region) noexcept {
  if (region.in == nullptr || phase_ == Phase::ended || !takes_) return;
  if (exports_ == nullptr) {
    exports_.reset(new (std::nothrow) Exports(connection_));
    if (exports_ == nullptr) return;
    if (phase_ == Phase::open) exports_->open(*mine_, *theirs_);
  }
  exports_->add(region);
  connection_.tell_shares();
}

void MappedDirect::withdraw(std::uint64_t key) noexcept {
  if (exports_ == nullptr) return;
  const bool safe = exports_->withdraw(key);
  connection_.tell_shares();
  if (!safe) connection_.give_up_sharing();
}

void MappedDirect::leave() noexcept {
  sink_ = {};
  if (exports_ == nullptr) return;
  const bool safe = exports_->withdraw_all();
  connection_.tell_shares();
  if (!safe) connection_.give_up_sharing();
}

// ---- the origin ----

// Our word first, then the table: the barrier between the two is the peer's, or a fence of ours. False: the
// regions may not be used any more, or the peer did not wait for us to the end.
template <class Act>
inline bool MappedDirect::fly(std::uint64_t one_key, std::uint64_t other_key, Act act) noexcept {
  flight_ += wire::ShmPage::flight_step;
  const std::uint64_t flight = flight_ | wire::ShmPage::flight_in(one_key, other_key);
  store_shared(mine_->flight, flight);
  keep_order();
  const bool live = is_live(one_key) && is_live(other_key);
  if (live) [[likely]]
    act();
  keep_order();
  const bool awaited = load_shared(theirs_->abandoned) != flight;
  store_shared(mine_->flight, flight_);
  if (live && awaited) [[likely]]
    return true;
  ++refused_;
  return false;
}

// What was done before is seen before what comes now: by the compiler here, by the processor where it must.
inline void MappedDirect::keep_order() const noexcept {
  if (fences_) [[unlikely]]
    return fence();
#if defined(__x86_64__)
  asm("" : : : "memory");
#else
  __atomic_thread_fence(__ATOMIC_ACQ_REL);
#endif
}

bool MappedDirect::reaches(std::uint64_t key) const noexcept { return find(key) != nullptr && is_live(key); }

bool MappedDirect::signals(const Signal& signal) const noexcept {
  if (signal.kind != Signal::Kind::word) return false;
  const Import* const region = find(signal.region.key);
  return region != nullptr && region->word(signal.offset) != nullptr && is_live(signal.region.key);
}

Direct::Outcome MappedDirect::put(std::uint64_t, const RegionHandle& to, std::uint64_t offset, Bytes source,
                                  const Signal& signal) noexcept {
  const Import* const region = find(to.key);
  if (region == nullptr || !region->takes(offset, source.size(), Access::write)) return Outcome::no;
  std::uint64_t* word = nullptr;
  std::uint64_t word_key = to.key;
  if (signal.kind != Signal::Kind::none) {
    word_key = signal.region.key;
    const Import* const there = signal.kind == Signal::Kind::word ? find(word_key) : nullptr;
    word = there != nullptr ? there->word(signal.offset) : nullptr;
    if (word == nullptr) return Outcome::no;
    want_line(word);
  }
  std::byte* at = region->at + offset;
  while (source.size() > chunk_bytes) {
    if (!fly(to.key, word_key, [&] { copy_across(at, source.data(), chunk_bytes); })) return Outcome::no;
    at += chunk_bytes;
    source = source.subspan(chunk_bytes);
  }
  const bool done = fly(to.key, word_key, [&] {
    if (!source.empty()) copy_across(at, source.data(), source.size());
    if (word != nullptr) give(word, signal);
  });
  return done ? Outcome::done : Outcome::no;
}

Direct::Outcome MappedDirect::get(std::uint64_t, const RegionHandle& from, std::uint64_t offset,
                                  MutableBytes into) noexcept {
  const Import* const region = find(from.key);
  if (region == nullptr || !region->takes(offset, into.size(), Access::read)) return Outcome::no;
  for (std::uint64_t done = 0; done < into.size();) {
    const std::uint64_t bytes = std::min(into.size() - done, chunk_bytes);
    if (!fly(from.key, from.key, [&] { copy_across(into.data() + done, region->at + offset + done, bytes); }))
      return Outcome::no;
    done += bytes;
  }
  return Outcome::done;
}

Direct::Outcome MappedDirect::atomic(std::uint64_t, AtomicOp op, const RegionHandle& at, std::uint64_t offset,
                                     std::uint64_t operand, std::uint64_t compare,
                                     std::uint64_t& before) noexcept {
  const Import* const region = find(at.key);
  std::uint64_t* const word = region != nullptr ? region->word(offset) : nullptr;
  if (word == nullptr) return Outcome::no;
  const std::atomic_ref<std::uint64_t> there(*word);
  const bool done = fly(at.key, at.key, [&] {
    switch (op) {
      case AtomicOp::add: before = there.fetch_add(operand); break;
      case AtomicOp::swap: before = there.exchange(operand); break;
      case AtomicOp::compare_swap:
        before = compare;
        there.compare_exchange_strong(before, operand);
        break;
    }
  });
  return done ? Outcome::done : Outcome::no;
}

void MappedDirect::describe(Describer& describer) const {
  const Exports::Counts counts = exports_ != nullptr ? exports_->counts() : Exports::Counts{};
  describer.value("regions_shared", exports_ != nullptr ? exports_->count() : 0);
  describer.value("regions_reached", imports_ != nullptr ? imports_->count() : 0);
  describer.value("regions_withdrawn", counts.withdrawn);
  describer.value("regions_orphaned", counts.orphaned);
  describer.value("direct_flights", flight_ / wire::ShmPage::flight_step);
  describer.value("direct_refused", refused_);
}

}  // namespace harness::transports::shm
