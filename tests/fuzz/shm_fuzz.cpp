// SPDX-License-Identifier: Apache-2.0
// A peer of shm that sends any packets with any descriptors and writes any words into its page, through a
// real socket and real memory, and puts, gets and atomics on whatever was imported. What may be is decided by
// a model (support/shm_model.hpp): a packet that cannot be ends the link and nothing else does; an operation
// is carried out exactly when the region allows it, and changes no other byte of any memory. A link that is
// up carries a frame, what is revoked is out of the peer's reach, no descriptor and no slab is left behind.
//
// Input: a byte of flags, then steps: a byte that says which, and its numbers (support/numbers.hpp).
#include <algorithm>
#include <cstring>
#include <optional>

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <harness/tests/fuzz/support/shm_model.hpp>
#include <harness/tests/unit/transports/shm_region_liar.hpp>

namespace {

using namespace harness;
using fuzz::File;
using fuzz::require;
using fuzz::ShmModel;
using fuzz::Told;
using transports::shm::Received;
using wire::ShmPacket;
using State = ShmModel::State;

constexpr std::uint64_t operation_bytes_max = 20'000;

class Run {
 public:
  Run(tests::Victim& victim, Reader input) : victim_(victim), input_(input), liar_(victim.name) {
    for (const File::Kind kind : {File::Kind::whole, File::Kind::small}) {
      const File& file = File::of(kind);
      std::memset(file.memory, 0x5a, file.bytes);
      shadow(kind).assign(file.memory, file.memory + file.bytes);
    }
    if ((input_.take<std::uint8_t>() & 1) == 0)
      say(ShmPacket{.log2_bytes = ShmModel::ring_log2, .flags = 3}, File::Kind::ring);
  }

  void steps() {
    for (unsigned step = 0; step < 200 && input_.remaining() != 0; ++step) one();
    settle();
    carries_a_frame();
    if (memory_ != nullptr) withdraw();
  }

 private:
  std::uint64_t number(std::uint64_t right) { return fuzz::number(input_, right); }

  void one() {
    switch (input_.take<std::uint8_t>() % 14) {
      case 0: return show();
      case 1:
      case 2: return region();
      case 3: return say(wire::ShmMemory{.kind = ShmPacket::Kind::drop, .slot = slot()}, File::Kind::none);
      case 4: return packet();
      case 5: {
        const auto log2 = static_cast<std::uint8_t>(number(ShmModel::arena_log2));
        return say(ShmPacket{.kind = ShmPacket::Kind::arena, .log2_bytes = log2}, file(File::Kind::arena));
      }
      case 6: {
        const auto log2 = static_cast<std::uint8_t>(number(ShmModel::ring_log2));
        const auto flags = static_cast<std::uint16_t>(number(3));
        return say(ShmPacket{.log2_bytes = log2, .flags = flags}, file(File::Kind::ring));
      }
      case 7: return scribble();
      case 8: return settle();
      case 9: return put();
      case 10: return get();
      case 11: return atomic();
      case 12: return share();
      default: return memory_ != nullptr ? withdraw() : carries_a_frame();
    }
  }

  // ---- packets ----

  template <class Packet>
  void say(const Packet& packet, File::Kind kind) {
    std::array<std::byte, wire::bytes_of<Packet>> raw{};
    wire::encode(packet, raw.data());
    say(Bytes(raw), kind);
  }
  void say(Bytes packet, File::Kind kind) {
    const int number = kind == File::Kind::ring    ? liar_.file.get()
                       : kind == File::Kind::arena ? liar_.arena_file.get()
                                                   : File::of(kind).number;
    if (!transports::shm::send_bytes(liar_.socket, packet, number)) {
      settle();
      if (!transports::shm::send_bytes(liar_.socket, packet, number)) return;
    }
    model_.hear(packet, kind);
    if (++unheard_ == 8) settle();
  }
  File::Kind file(File::Kind right) {
    const auto which = input_.take<std::uint8_t>();
    return which == 0 ? right : static_cast<File::Kind>(which % File::kinds);
  }
  std::uint8_t slot() { return static_cast<std::uint8_t>(number(3)); }
  std::uint64_t key() { return number(7); }
  void show() {
    const File::Kind kind = file(File::Kind::whole);
    const auto flags = static_cast<std::uint16_t>(number(wire::ShmMemory::writable));
    const std::uint8_t where = slot();
    say(wire::ShmMemory{.slot = where, .flags = flags, .bytes = number(File::of(kind).bytes)}, kind);
  }
  void region() {
    wire::ShmRegion region{.slot = slot()};
    region.access = static_cast<std::uint16_t>(number(7));
    region.key = key();
    wire::ShmPlace place{};
    place.offset = number(64);
    place.bytes = number(File::of(File::Kind::whole).bytes - place.offset);
    if (region.key % 4 != 3 || input_.take<std::uint8_t>() % 4 != 0) live(region.key) = region.key;
    decltype(Received::raw) raw{};
    wire::encode(region, raw.data());
    wire::encode(place, raw.data() + wire::bytes_of<wire::ShmRegion>);
    say(Bytes(raw), File::Kind::none);
  }
  void packet() {
    const File::Kind kind = file(File::Kind::none);
    const std::size_t bytes = input_.take<std::uint8_t>() % 48;
    say(input_.take_bytes(std::min(bytes, input_.remaining())), kind);
  }

  // ---- words ----

  [[nodiscard]] wire::ShmPage& page() const { return liar_.page(); }
  [[nodiscard]] std::uint64_t& live(std::uint64_t key) const {
    return page().live[key % wire::ShmPage::regions_max];
  }
  [[nodiscard]] bool is_live(std::uint64_t key) const { return live(key) == key; }
  // Of the page. That the peer stands still costs 10 ms, so it does once a run.
  void scribble() {
    const auto which = input_.take<std::uint8_t>();
    if (which % 8 == 0) {
      page().abandoned = number(wire::ShmPage::flight_step | wire::ShmPage::flight_in(7, 7));
    } else if (which % 8 == 1) {
      const std::uint64_t flight = number(wire::ShmPage::flight_in(ours, ours));
      if ((flight & 1) == 0 || !std::exchange(stood_, true)) page().flight = flight;
    } else if (which % 8 == 2) {
      auto* const line = reinterpret_cast<std::uint64_t*>(&page().line);
      transports::shm::store_shared(line[which / 8 % 3], number(0));
      lied_in_line_ = true;
    } else {
      const std::uint64_t where = key();
      live(where) = number(where);
    }
  }

  // ---- what the victim makes of it ----

  [[nodiscard]] bool ended() const {
    return std::any_of(victim_.heard.begin(), victim_.heard.end(),
                       [](const Event& event) { return event.kind != EventKind::writable; });
  }
  [[nodiscard]] bool is_up() const { return victim_.endpoint != nullptr && !ended(); }
  Direct* direct() { return is_up() ? victim_.endpoint->direct() : nullptr; }

  // Until the victim has taken every packet; then it must think of them as the model does.
  void settle() {
    unheard_ = 0;
    const auto heard = [&] {
      int left = 0;
      return ioctl(liar_.socket.get(), SIOCOUTQ, &left) != 0 || left == 0;
    };
    require(victim_.until([&] {
      return ended() || (model_.state() != State::open && victim_.shm.connection_count() == 0) || heard();
    }));
    victim_.turns(3);
    if (lied_in_line_ && ended()) model_.hear({}, File::Kind::none);
    switch (model_.state()) {
      case State::greeting: require(victim_.endpoint == nullptr); break;
      case State::open: require(is_up()); break;
      case State::ended:
        require(victim_.until(
            [&] { return victim_.endpoint == nullptr ? victim_.shm.connection_count() == 0 : ended(); }));
        break;
    }
    if (is_up())
      for (const auto& [place, told] : model_.regions())
        if (told.key != 0) require(direct()->reaches(told.key) == is_live(told.key));
    hear_ours();
  }
  void carries_a_frame() {
    settle();
    if (!is_up()) return;
    const std::size_t before = victim_.got.size();
    std::memcpy(liar_.at(liar_.tail) + 8, "frame", 5);
    liar_.record(wire::ShmKind::data, 5);
    require(victim_.until([&] { return victim_.got.size() == before + 1 || (lied_in_line_ && ended()); }));
    require(ended() || victim_.got.back().text() == "frame");
  }

  // ---- operations ----

  std::vector<std::byte>& shadow(File::Kind kind) { return shadows_[kind == File::Kind::small ? 1 : 0]; }
  // The bytes of a region as they should be.
  std::byte* expected(const Told& told) { return shadow(told.file).data() + told.offset; }
  void nothing_else_changed() {
    for (const File::Kind kind : {File::Kind::whole, File::Kind::small})
      require(std::memcmp(File::of(kind).memory, shadow(kind).data(), File::of(kind).bytes) == 0);
  }
  // Whether an operation on these two must be carried out; no: it may not change a byte. Nothing: the peer
  // may have said that it did not wait.
  std::optional<bool> must(bool allowed, bool living) const {
    if (!allowed || !living) return false;
    return page().abandoned == 0 ? std::optional<bool>(true) : std::nullopt;
  }

  void put() {
    settle();
    if (direct() == nullptr) return;
    const Told to = model_.find(key());
    const std::uint64_t offset = number(0), bytes = std::min(number(to.bytes - offset), operation_bytes_max);
    std::vector<std::byte> source(bytes, static_cast<std::byte>(++stamp_));
    Signal signal;
    Told word;
    const auto how = input_.take<std::uint8_t>() % 4;
    if (how >= 2) {
      signal.kind = Signal::Kind::word;
      signal.op = how == 2 ? SignalOp::set : SignalOp::add;
      signal.region.key = key();
      signal.offset = number(8);
      signal.value = 0x0101010101010101u * stamp_;
      word = model_.find(signal.region.key);
      const bool there = word.has_word(signal.offset);
      require(direct()->signals(signal) == (there && is_live(word.key)));
    }
    const RegionHandle handle{to.key, to.bytes, to.access};
    const bool allowed = to.takes(offset, bytes, Access::write) && (how < 2 || word.has_word(signal.offset));
    const auto wanted = must(allowed, is_live(to.key) && (how < 2 || is_live(word.key)));
    const auto outcome = direct()->put(0, handle, offset, source, signal);
    require(outcome == Direct::Outcome::done || outcome == Direct::Outcome::no);
    if (wanted) require((outcome == Direct::Outcome::done) == *wanted);
    if (wanted != false) {
      std::copy(source.begin(), source.end(), expected(to) + offset);
      if (how >= 2) {
        const std::uint64_t before = how == 2 ? 0 : load<std::uint64_t>(expected(word) + signal.offset);
        store(expected(word) + signal.offset, before + signal.value);
      }
    }
    nothing_else_changed();
  }
  void get() {
    settle();
    if (direct() == nullptr) return;
    const Told from = model_.find(key());
    const std::uint64_t offset = number(0),
                        bytes = std::min(number(from.bytes - offset), operation_bytes_max);
    std::vector<std::byte> into(bytes);
    const auto wanted = must(from.takes(offset, bytes, Access::read), is_live(from.key) || bytes == 0);
    const auto outcome = direct()->get(0, {from.key, from.bytes, from.access}, offset, into);
    if (wanted) require((outcome == Direct::Outcome::done) == *wanted);
    if (outcome == Direct::Outcome::done)
      require(std::equal(into.begin(), into.end(), expected(from) + offset));
    nothing_else_changed();
  }
  void atomic() {
    settle();
    if (direct() == nullptr) return;
    const Told at = model_.find(key());
    const std::uint64_t offset = number(8), operand = number(1);
    const auto op = static_cast<AtomicOp>(input_.take<std::uint8_t>() % 3);
    const auto wanted = must(at.has_word(offset), is_live(at.key));
    const std::uint64_t old = at.has_word(offset) ? load<std::uint64_t>(expected(at) + offset) : 0;
    const std::uint64_t compare = number(old);
    std::uint64_t before = 0;
    const auto outcome =
        direct()->atomic(0, op, {at.key, at.bytes, at.access}, offset, operand, compare, before);
    if (wanted) require((outcome == Direct::Outcome::done) == *wanted);
    if (wanted != false) {
      require(before == old);
      const std::uint64_t after = op == AtomicOp::add                      ? old + operand
                                  : op == AtomicOp::swap || old == compare ? operand
                                                                           : old;
      store(expected(at) + offset, after);
    }
    nothing_else_changed();
  }

  // ---- a region of the victim's ----

  static constexpr std::uint64_t ours = 5;

  void share() {
    settle();
    if (direct() == nullptr || memory_ != nullptr) return;
    memory_ = RegionMemory::make(File::page).value();
    direct()->share({.key = ours, .bytes = memory_->bytes(), .access = Access::all, .in = memory_});
    victim_.turns(2);
    hear_ours();
  }
  // What the victim says: its memory, which an honest peer would map.
  void hear_ours() {
    for (;;) {
      const Received got = transports::shm::receive_packet(liar_.socket);
      if (got.what != Received::What::packet && got.what != Received::What::bell) return;
      if (got.what != Received::What::packet || got.packet.kind != ShmPacket::Kind::memory ||
          shown_ != nullptr)
        continue;
      void* const at = mmap(nullptr, File::page, PROT_READ | PROT_WRITE, MAP_SHARED, got.file.get(), 0);
      require(at != MAP_FAILED);
      shown_ = static_cast<std::byte*>(at);
    }
  }
  // Who stands in it all the time writes to nobody's pages from then on.
  void withdraw() {
    hear_ours();
    Direct* const from = direct();
    const bool inside = (page().flight & 1) != 0 && (page().flight >> 1 & 255) == ours;
    if (from != nullptr) from->withdraw(ours);
    if (shown_ != nullptr && from != nullptr && inside) {
      std::memset(shown_, 0x77, File::page);
      const MutableBytes all = memory_->bytes();
      require(std::none_of(all.begin(), all.end(), [](std::byte one) { return one == std::byte{0x77}; }));
    }
    if (shown_ != nullptr) munmap(shown_, File::page);
    shown_ = nullptr;
    memory_.reset();
    if (ended()) model_.hear({}, File::Kind::none);
    settle();
  }

 public:
  ~Run() {
    if (shown_ != nullptr) munmap(shown_, File::page);
  }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

 private:
  tests::Victim& victim_;
  Reader input_;
  tests::RegionLiar liar_;
  ShmModel model_;
  std::array<std::vector<std::byte>, 2> shadows_;
  std::shared_ptr<RegionMemory> memory_;
  std::byte* shown_ = nullptr;
  unsigned unheard_ = 0;
  std::uint8_t stamp_ = 0;
  bool lied_in_line_ = false;
  bool stood_ = false;
};

int lowest_free_descriptor() {
  const int lowest = dup(STDERR_FILENO);
  close(lowest);
  return lowest;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static tests::Victim victim;
  (void)File::of(File::Kind::whole);
  const int lowest = lowest_free_descriptor();
  Run(victim, Reader(Bytes(reinterpret_cast<const std::byte*>(data), size))).steps();
  victim.forget();
  require(victim.until([&] { return victim.shm.connection_count() == 0; }));
  require(victim.engine->pool().alive_count() == 0);
  require(lowest_free_descriptor() == lowest);
  return 0;
}
