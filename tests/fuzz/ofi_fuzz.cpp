// SPDX-License-Identifier: Apache-2.0
// A peer of ofi that says anything on the control link and over the fabric, shows any memory under any key,
// and is put to and read from; over the mock providers, through real sockets. A small model says which notes
// and frames cannot be: they end the link, and nothing else does. What is delivered is what was sent or
// offered, an operation writes only inside the region that was shared, every one of them ends once, a link
// that is up carries a frame, and the link to an honest peer on the same endpoint is not touched.
//
// Input: a byte that chooses the provider and whether the peer greets, then steps: a byte that says which,
// and its numbers (support/numbers.hpp).
#include <algorithm>
#include <deque>
#include <map>
#include <optional>

#include <harness/tests/fuzz/support/ofi_model.hpp>
#include <harness/tests/support/ofi_world.hpp>
#include <harness/transports/region_memory.hpp>

namespace {

using namespace harness;
using fuzz::OfiModel;
using fuzz::require;
using tests::OfiLiar;
using tests::OfiPeer;
using tests::OfiWorld;
using wire::OfiFrame;
using wire::OfiKind;
using wire::OfiNote;
using Body = std::vector<std::byte>;

constexpr std::size_t words_bytes = 256 * 8;   // of the peer's memory: one for each region
constexpr std::size_t still_from = 32 * 1024;  // … behind it nothing is ever written
constexpr unsigned runs_max = 1000;
constexpr std::uint64_t operation_bytes_max = 20'000;

class Run {
 public:
  Run(OfiWorld& world, Reader input, bool greets)
      : world_(world), peer_(*world.peer), input_(input), liar_(world) {
    liar_.on_note = [this](const OfiNote& note) { model_.hear(note); };
    liar_.victim.up = [this](Bytes frame) { arrived(frame); };
    peer_.received = [this](Bytes frame) { hear_frame(frame); };
    std::memcpy(peer_.memory->data, pattern().data(), pattern().size());
    if (greets) hello(true);
  }
  ~Run() {
    peer_.received = {};
    liar_.victim.endpoint.reset();
    liar_.control.endpoint.reset();
    world_.turns(8);
    require(tickets_.empty());
    require(world_.engine->pool().alive_count() == 0);
  }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  void steps() {
    for (unsigned step = 0; step < 100 && input_.remaining() != 0; ++step) one();
    liar_.victim.endpoint->pause_receive(false);
    carries_a_frame();
    nothing_else_was_written();
    require(world_.engine->pool().held_bytes() <= 64u << 20);
  }

 private:
  std::uint64_t number(std::uint64_t right) { return fuzz::number(input_, right); }
  std::uint8_t byte() { return input_.take<std::uint8_t>(); }
  // What is in the peer's memory.
  static const Body& pattern() {
    static const Body made = [] {
      Body bytes(OfiPeer::memory_bytes);
      for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 7 % 251 + 1);
      return bytes;
    }();
    return made;
  }

  void one() {
    switch (byte() % 16) {
      case 0: return hello(false);
      case 1: return note();
      case 2: return share();
      case 3: return withdraw();
      case 4: return withdrawn();
      case 5: return frame(OfiKind::data, body(byte()));
      case 6: return offer();
      case 7: return taken();
      case 8: return frame(OfiKind::credit, {});
      case 9: {
        const auto kind = static_cast<OfiKind>(byte() % 16);
        return frame(kind, body(byte()));
      }
      case 10: return send();
      case 11: return operate();
      case 12: return expose();
      case 13: return scribble();
      case 14: return liar_.victim.endpoint->pause_receive(paused_ = !paused_);
      default: return settle();
    }
  }
  Body body(std::size_t bytes) {
    const Bytes raw = input_.take_bytes(std::min(bytes, input_.remaining()));
    return {raw.begin(), raw.end()};
  }

  // ---- what the victim says ----

  void hear_frame(Bytes bytes) {
    if (bytes.size() < wire::bytes_of<OfiFrame>) return;
    const auto header = wire::decode<OfiFrame>(bytes.data());
    if (header.kind != OfiKind::credit && header.kind != OfiKind::taken)
      taken_units_ +=
          (static_cast<std::uint32_t>(bytes.size()) + OfiFrame::unit_bytes - 1) / OfiFrame::unit_bytes;
    const Bytes rest = bytes.subspan(wire::bytes_of<OfiFrame>);
    if (header.kind == OfiKind::offer)
      model_.offered_by_victim(wire::decode<wire::OfiOffer>(rest.data()).slot);
    if (header.kind == OfiKind::taken)
      for (const std::byte slot : rest) model_.taken_by_victim(std::to_integer<unsigned>(slot));
  }
  void arrived(Bytes frame) {
    ++arrived_;
    if (gaps_) return;
    require(!expected_.empty());
    require(!expected_.front() ||
            std::equal(frame.begin(), frame.end(), expected_.front()->begin(), expected_.front()->end()));
    expected_.pop_front();
  }

  // ---- what it must think of it ----

  // When it has heard what was said, and nothing is under way.
  void settle() {
    require(liar_.settle());
    require(world_.until([&] { return tickets_.empty() || ended(); }));
    if (wrong_) require(world_.until([&] { return ended(); }));
    if (!may_end_ && !wrong_) require(!ended());
  }
  [[nodiscard]] bool ended() const { return liar_.victim.is_over(); }
  void cannot_be(bool wrong = true) { wrong_ = wrong_ || wrong; }
  [[nodiscard]] bool is_up() const { return liar_.open && !ended() && !wrong_; }

  void carries_a_frame() {
    settle();
    if (!is_up() || gaps_) return;
    const unsigned before = arrived_;
    const std::size_t ahead = expected_.size();
    require(liar_.send({liar_.cookie, 4, OfiKind::data, 0, sequence(), taken_units_}, as_bytes("last")));
    expected_.emplace_back(Body(4));
    std::memcpy(expected_.back()->data(), "last", 4);
    ++frames_;
    require(world_.until([&] { return arrived_ == before + ahead + 1 || ended(); }));
    if (!may_end_) require(!ended());
  }
  void nothing_else_was_written() {
    std::byte* const all = peer_.memory->data;
    for (const auto& [at, bytes] : written_) std::memcpy(all + at, pattern().data() + at, bytes);
    require(std::memcmp(all + words_bytes, pattern().data() + words_bytes,
                        OfiPeer::memory_bytes - words_bytes) == 0);
  }

  // ---- notes ----

  // A hello as it should be, or with one thing changed.
  void hello(bool right) {
    settle();
    const unsigned lie = right ? 0u : byte() % 12;
    const OfiLiar::Hello honest = liar_.right_hello();
    OfiLiar::Hello hello = honest;
    std::uint32_t* const words[] = {&hello.terms.window, &hello.terms.frame_bytes, &hello.terms.protocol,
                                    &hello.address_format};
    if (lie == 1) hello.version = number(hello.version) & OfiModel::number_mask;
    if (lie >= 2 && lie <= 5) *words[lie - 2] = static_cast<std::uint32_t>(number(*words[lie - 2]));
    if (lie == 6) hello.name.resize(number(hello.name.size()) % 300);
    if (lie == 7) hello.name = body(hello.name.size());
    if (lie == 8) hello.name.back() ^= std::byte{byte()};
    if (lie == 9) hello.provider += static_cast<char>(byte());
    if (lie == 10) hello.name_bytes = static_cast<std::uint16_t>(number(hello.name.size()));
    if (lie == 11) hello.provider_bytes = static_cast<std::uint8_t>(number(hello.provider.size()));
    const bool same = hello.version == honest.version && hello.terms.window >= 2048 &&
                      hello.terms.frame_bytes >= 1024 && hello.terms.protocol == honest.terms.protocol &&
                      hello.address_format == honest.address_format && hello.provider == honest.provider &&
                      (hello.name_bytes == 0 || hello.name_bytes == hello.name.size()) &&
                      (hello.provider_bytes == 0 || hello.provider_bytes == hello.provider.size());
    if (!liar_.say(hello)) return;
    cannot_be(liar_.open || !same);
    require(world_.until([&] { return ended() || (liar_.open && !wrong_); }));
    if (hello.name != honest.name && ended())
      cannot_be();  // whether it is an address only the provider knows
    require(ended() == wrong_);
  }

  // Any of them, at any time.
  void note() {
    settle();
    const auto kind = static_cast<OfiNote::Kind>(byte());
    const std::uint64_t value = number(frames_) & OfiModel::number_mask;
    const bool magic = byte() % 8 != 7;
    const Body tail = body(byte());
    if (!liar_.say({OfiNote::magic_word ^ (magic ? 0u : 1u), kind, value}, tail)) return;
    cannot_be(!magic || (liar_.open ? !model_.say(kind, value, tail) : kind == OfiNote::Kind::hello));
    may_end_ = may_end_ || kind == OfiNote::Kind::bye || kind == OfiNote::Kind::count;
    settle();
  }
  // ---- regions ----

  void share() {
    settle();
    const std::uint64_t place = number(3) & OfiModel::number_mask;
    const tests::Shown& memory = *peer_.memory;
    OfiLiar::Share share{};
    share.what.key = number(7);
    share.what.bytes = number(4096);
    share.place.address = number(memory.base + 8192);
    share.place.page = memory.base + number(0);
    share.access = static_cast<std::uint8_t>(number(3));
    share.key = byte() < 200 ? memory.key : body(byte() % 64);
    share.page_key = byte() < 200 ? memory.key : body(byte() % 64);
    share.key_bytes = static_cast<std::uint8_t>(number(share.key.size()));
    share.page_key_bytes = static_cast<std::uint8_t>(number(share.page_key.size()));
    const Body tail = OfiLiar::tail_of(share);
    if (!liar_.open || !liar_.say({.kind = OfiNote::Kind::share, .value = place}, tail)) return;
    const bool right = model_.share(place, tail);
    cannot_be(!right);
    if (right && byte() % 4 != 3) store(memory.data + 8 * place, share.what.key);
  }
  void withdraw() {
    settle();
    const std::uint64_t place = number(3) & OfiModel::number_mask;
    if (!liar_.open || !liar_.say({.kind = OfiNote::Kind::withdraw, .value = place})) return;
    cannot_be(!model_.withdraw(place));
  }
  void withdrawn() {
    settle();
    const std::uint64_t place = number(model_.due()) & OfiModel::number_mask;
    if (!liar_.open || !liar_.say({.kind = OfiNote::Kind::withdrawn, .value = place})) return;
    cannot_be(!model_.withdrawn(place));
  }
  // Of the victim's: shared, or taken back.
  void expose() {
    settle();
    Direct* const direct = is_up() ? liar_.victim.endpoint->direct() : nullptr;
    if (direct == nullptr) return;
    liar_.said = true;
    if (memory_ != nullptr) {
      direct->withdraw(ours);
      return memory_.reset();
    }
    memory_ = RegionMemory::make(4096).value();
    direct->share(
        {.key = ours, .bytes = memory_->bytes(), .access = Access::read | Access::write, .in = memory_});
  }
  void scribble() {
    settle();
    const std::uint64_t which = number(3) % 256;
    store(peer_.memory->data + 8 * which, number(7));
  }
  void operate() {
    settle();
    Direct* const direct = is_up() ? liar_.victim.endpoint->direct() : nullptr;
    if (direct == nullptr) return;
    direct->attach({.self = this,
                    .ended =
                        [](void* self, std::uint64_t ticket, Errc code, Bytes result) {
                          auto& run = *static_cast<Run*>(self);
                          const auto found = run.tickets_.find(ticket);
                          require(found != run.tickets_.end());
                          require(code != Errc::ok || found->second.is_done(result));
                          run.tickets_.erase(found);
                        },
                    .room = [](void*) {},
                    .gone = [](void*, Direct&) {}});
    const std::uint64_t key = number(7), offset = number(0);
    const OfiModel::Window* const window = model_.find(key);
    const std::uint64_t bytes =
        std::min(number(window != nullptr ? window->bytes - offset : 8), operation_bytes_max);
    const bool writes = byte() % 2 == 0;
    const bool allowed =
        window != nullptr && window->takes(offset, bytes, writes ? Access::write : Access::read);
    Body buffer(bytes, std::byte{0xee});
    const RegionHandle handle{key, 0, Access::all};
    tickets_[++ticket_] = model_.begin(key, writes ? 0 : bytes);
    const auto outcome = writes ? direct->put(ticket_, handle, offset, buffer, {})
                                : direct->get(ticket_, handle, offset, buffer);
    if (outcome != Direct::Outcome::begun) tickets_.erase(ticket_);
    require(allowed || outcome == Direct::Outcome::no);
    may_end_ = may_end_ || outcome == Direct::Outcome::begun;  // the keys may open nothing
    if (!writes || outcome != Direct::Outcome::begun || window == nullptr) return;
    const std::uint64_t at = window->address + offset - peer_.memory->base;
    if (at < OfiPeer::memory_bytes && bytes <= OfiPeer::memory_bytes - at) written_.emplace_back(at, bytes);
  }

  // ---- frames ----

  [[nodiscard]] std::uint32_t sequence() const { return frames_ & OfiFrame::sequence_mask; }
  // The next one of the link, or with one thing changed.
  void frame(OfiKind kind, const Body& bytes) {
    if (!is_up()) return;
    const auto length = static_cast<std::uint32_t>(bytes.size());
    OfiFrame header{liar_.cookie, length, kind, 0, sequence(), taken_units_};
    const unsigned lie = byte() < 200 ? 0u : byte() % 6;
    if (lie == 1) header.cookie = static_cast<std::uint32_t>(number(liar_.cookie));
    if (lie == 2) header.length = static_cast<std::uint32_t>(number(length)) & 0xfffffff;
    if (lie == 3) header.epoch = byte() & 3;
    if (lie == 4) header.sequence = static_cast<std::uint32_t>(number(sequence())) & OfiFrame::sequence_mask;
    if (lie == 5) header.credit = static_cast<std::uint32_t>(number(taken_units_));
    require(liar_.send(header, bytes));
    if (header.cookie != liar_.cookie) return;
    may_end_ = may_end_ || header.credit != taken_units_;
    if (header.sequence != sequence() && !world_.in_order) {
      gaps_ = may_end_ = true;
      return;
    }
    const bool right = kind >= OfiKind::data && kind <= OfiKind::taken && header.length == length &&
                       header.epoch == 0 && header.sequence == sequence();
    cannot_be(!right);
    frames_ += right ? 1u : 0u;
    if (!right) return;
    if (kind == OfiKind::data) expected_.emplace_back(bytes);
    if (kind == OfiKind::taken) cannot_be(!model_.taken(bytes));
    if (kind != OfiKind::offer && kind != OfiKind::setup_offer) return;
    const bool setup = kind == OfiKind::setup_offer;
    const auto offered = model_.offer(bytes, setup ? 128u << 10 : 256u << 10);
    cannot_be(!offered.can_be);
    may_end_ = may_end_ || !offered.is_there;
    if (!setup && offered.can_be) expected_.push_back(offered.bytes);
  }
  void offer() {
    const tests::Shown& memory = *peer_.memory;
    wire::OfiOffer offer{};
    offer.address = number(memory.base + still_from);
    offer.bytes = static_cast<std::uint32_t>(number(OfiPeer::memory_bytes - still_from));
    offer.slot = static_cast<std::uint8_t>(number(model_.offers()));
    const Body key = byte() < 200 ? memory.key : body(byte() % 64);
    offer.key_bytes = static_cast<std::uint8_t>(number(key.size()));
    Body bytes(wire::bytes_of<wire::OfiOffer>);
    wire::encode(offer, bytes.data());
    bytes.insert(bytes.end(), key.begin(), key.end());
    settle();
    frame(byte() < 200 ? OfiKind::offer : OfiKind::setup_offer, bytes);
  }
  void taken() {
    settle();
    Body slots(1 + byte() % 3);
    for (std::byte& slot : slots) slot = static_cast<std::byte>(number(model_.victims_offer()));
    frame(OfiKind::taken, slots);
  }
  void send() {
    static constexpr std::uint32_t sizes[] = {1, 40, 1000, 16'000, 16'400, 40'000, 200'000, 262'144};
    const std::uint32_t bytes = sizes[byte() % 8];
    settle();
    if (ended() || wrong_ || liar_.victim.gate.held(Gate::transport_bit)) return;
    Message message = byte() % 2 == 0 ? liar_.victim.endpoint->make(world_.engine->pool(), bytes)
                                      : Message::make(world_.engine->pool(), bytes);
    std::memset(message.writable().data(), 'v', bytes);
    liar_.victim.send(std::move(message));
    liar_.said = true;
    settle();
  }

  static constexpr std::uint64_t ours = 5;
  OfiWorld& world_;
  OfiPeer& peer_;
  Reader input_;
  OfiLiar liar_;
  OfiModel model_{*peer_.memory, still_from};
  bool paused_ = false;
  bool wrong_ = false;    // it was told what cannot be
  bool may_end_ = false;  // the model does not know
  bool gaps_ = false;     // … nor what is delivered
  unsigned arrived_ = 0;
  std::uint32_t frames_ = 0, taken_units_ = 0;
  std::deque<std::optional<Body>> expected_;
  std::map<std::uint64_t, OfiModel::Ticket> tickets_;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> written_;
  std::uint64_t ticket_ = 0;
  std::shared_ptr<RegionMemory> memory_;
};

}  // namespace

// Providers keep every address they were told, so each world has its time.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  struct Used {
    std::unique_ptr<OfiWorld> world;
    unsigned runs = 0;
  };
  static const bool is_here = transports::ofi::load().has_value();
  static std::array<Used, OfiWorld::kinds> all;
  if (!is_here || size == 0) return 0;
  const unsigned kind = data[0] / 2 % OfiWorld::kinds;
  auto& [world, runs] = all[kind];
  if (runs++ % runs_max == 0) {
    world.reset();
    world = std::make_unique<OfiWorld>(kind);
  }
  Run(*world, Reader({reinterpret_cast<const std::byte*>(data) + 1, size - 1}), (data[0] & 1) == 0).steps();
  require(world->carries(world->near, world->far) && world->carries(world->far, world->near));
  return 0;
}
