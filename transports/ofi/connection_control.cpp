// SPDX-License-Identifier: Apache-2.0
// What goes over the control link: hellos, bells, the end.
#include <harness/transports/ofi/connection.hpp>

#include <cstring>

#include <harness/transports/ofi/transport.hpp>

namespace harness::transports::ofi {

using wire::OfiFabric;
using wire::OfiNote;
using wire::OfiTerms;

namespace {
constexpr std::size_t note_bytes = wire::bytes_of<OfiNote>;
constexpr std::size_t terms_bytes = wire::bytes_of<OfiTerms>;
constexpr std::size_t fabric_bytes = wire::bytes_of<OfiFabric>;
constexpr std::size_t sentence_bytes_max = 300;
constexpr std::uint32_t frame_bytes_min = 1024;
constexpr std::uint32_t window_units_min = 2048;
// Credit goes by itself after half a window: a frame that costs one unit more than that still finds room.
static_assert(eager_bytes_max / wire::OfiFrame::unit_bytes + 1 <= window_units_min / 2 + 1);

std::string version_text(std::uint64_t version) {
  const auto word = static_cast<std::uint32_t>(version);
  return std::to_string(FI_MAJOR(word)) + "." + std::to_string(FI_MINOR(word));
}
}  // namespace

void Connection::attach_control() {
  Receiver receiver;
  receiver.up = {[](void* self, const Entry*, harness_message* raw) {
                   static_cast<Connection*>(self)->on_note(Message::from_c(raw));
                 },
                 this, nullptr};
  receiver.self = this;
  receiver.event = [](void* self, const Event& event) {
    if (event.kind == EventKind::peer_lost || event.kind == EventKind::corrupt)
      static_cast<Connection*>(self)->control_ended(event.code, event.detail);
  };
  control_->attach(receiver);
}

bool Connection::note(OfiNote::Kind kind, std::uint64_t value, Bytes tail) noexcept {
  if (control_lost_) return false;
  const MutableBytes room = control_->reserve(static_cast<std::uint32_t>(note_bytes + tail.size()));
  if (room.empty()) return false;
  wire::encode(OfiNote{OfiNote::magic_word, kind, value}, room.data());
  if (!tail.empty()) std::memcpy(room.data() + note_bytes, tail.data(), tail.size());
  control_->commit();
  return true;
}

void Connection::greet() noexcept {
  if (!note(OfiNote::Kind::hello, fabric_.library().version(), hello()))
    return end(EventKind::peer_lost, Errc::exhausted, "no memory to say hello");
  ofi_.engine().timers().arm(timer_, ofi_.engine().now_ns() + 4 * ofi_.connect_timeout_ns());
}

std::vector<std::byte> Connection::hello() const {
  const auto& name = fabric_.name();
  const std::string_view provider = fabric_.provider();
  std::vector<std::byte> tail(terms_bytes + fabric_bytes + name.size() + provider.size());
  std::byte* at = tail.data();
  wire::encode(OfiTerms{cookie_, ofi_.window_units(), ofi_.receive_bytes_max(), fabric_.protocol()}, at);
  at += terms_bytes;
  wire::encode(OfiFabric{fabric_.info().addr_format, static_cast<std::uint16_t>(name.size()),
                         static_cast<std::uint8_t>(provider.size())},
               at);
  at += fabric_bytes;
  std::memcpy(at, name.data(), name.size());
  std::memcpy(at + name.size(), provider.data(), provider.size());
  return tail;
}

void Connection::on_note(Message& message) {
  const Bytes bytes = message.gathered(pool_);
  const OfiNote head = bytes.size() >= note_bytes ? wire::decode<OfiNote>(bytes.data()) : OfiNote{0};
  if (head.magic != OfiNote::magic_word)
    return end(EventKind::corrupt, Errc::corrupt,
               "the control link carries something else than version 2 of ofi");
  const Bytes tail = bytes.subspan(note_bytes);
  const bool greeting = state_ == State::greeting;
  const bool after = state_ == State::open || state_ == State::lingering;
  if (head.kind == OfiNote::Kind::hello && greeting && !dialled_) return on_hello(bytes, true);
  if (head.kind == OfiNote::Kind::answer && greeting && dialled_) return on_hello(bytes, false);
  if (head.kind == OfiNote::Kind::refuse && greeting && dialled_)
    return end(EventKind::peer_lost, Errc::conflict,
               std::string(as_text(tail.first(std::min(tail.size(), sentence_bytes_max)))));
  if (!after) return;
  switch (head.kind) {
    case OfiNote::Kind::sleep: return on_sleep(head.value);
    case OfiNote::Kind::bell: return ofi_.unrung(*this);
    case OfiNote::Kind::bye:
      bye_received_ = true;
      bye_frames_ = head.value;
      expect(head.value);
      return wake();
    case OfiNote::Kind::share:
    case OfiNote::Kind::withdraw:
    case OfiNote::Kind::withdrawn:
      if (on_region(head, tail)) return;
      return end(EventKind::corrupt, Errc::corrupt, "a note of a region that cannot be");
    case OfiNote::Kind::count: return expect(head.value);
    case OfiNote::Kind::ask:
      answer_due_ = true;
      ofi_.sent_some();  // what the peer waits for may be in our provider
      return wake();
    case OfiNote::Kind::polled: return overdue_.answered();
    case OfiNote::Kind::done: return state_ == State::lingering ? bury() : void();
    default: return end(EventKind::corrupt, Errc::corrupt, "a note out of its place on the control link");
  }
}

// Who closes before it had a use for regions may still be told of some.
bool Connection::on_region(const OfiNote& head, Bytes tail) {
  if (direct() == nullptr) return state_ == State::lingering;
  if (head.kind == OfiNote::Kind::share) return direct_->on_share(head.value, tail);
  return head.kind == OfiNote::Kind::withdraw ? direct_->on_withdraw(head.value)
                                              : direct_->on_withdrawn(head.value);
}

void Connection::on_hello(Bytes note_, bool answers) {
  const auto version = wire::decode<OfiNote>(note_.data()).value;
  Bytes rest = note_.subspan(note_bytes);
  const bool whole = rest.size() >= terms_bytes + fabric_bytes;
  const OfiTerms terms = whole ? wire::decode<OfiTerms>(rest.data()) : OfiTerms{};
  const OfiFabric fabric = whole ? wire::decode<OfiFabric>(rest.data() + terms_bytes) : OfiFabric{};
  if (whole) rest = rest.subspan(terms_bytes + fabric_bytes);
  if (!whole || rest.size() != std::size_t{fabric.name_bytes} + fabric.provider_bytes ||
      fabric.name_bytes > OfiFabric::name_bytes_max ||
      fabric.provider_bytes > OfiFabric::provider_bytes_max || terms.frame_bytes < frame_bytes_min ||
      terms.window < window_units_min)
    return end(EventKind::corrupt, Errc::corrupt, "a hello that cannot be read");
  const std::string why = differs(version, terms, fabric, as_text(rest.subspan(fabric.name_bytes)));
  if (!why.empty()) {
    if (answers) note(OfiNote::Kind::refuse, 0, as_bytes(why));
    return end(EventKind::peer_lost, Errc::conflict, why);
  }
  if (answers) note(OfiNote::Kind::answer, fabric_.library().version(), hello());
  open(terms, rest.first(fabric.name_bytes));
}

// Providers of two versions may differ on the wire without a word (libfabric 1.17 and 1.18 do), so both ends
// must have the same.
std::string Connection::differs(std::uint64_t version, const OfiTerms& terms, const OfiFabric& fabric,
                                std::string_view provider) const {
  if (provider != fabric_.provider())
    return "one end uses the provider " + std::string(fabric_.provider()) + " and the other " +
           std::string(provider) + ": name one, ofi(provider=tcp)";
  if (version != fabric_.library().version())
    return "one end has libfabric " + version_text(fabric_.library().version()) + " and the other " +
           version_text(version) + ", which may differ on the wire";
  if (terms.protocol != fabric_.protocol() || fabric.address_format != fabric_.info().addr_format)
    return "both ends use the provider " + std::string(provider) + ", with different protocols or addresses";
  return {};
}

void Connection::open(const OfiTerms& terms, Bytes name) {
  peer_ = fabric_.insert(name);
  if (peer_ == FI_ADDR_NOTAVAIL)
    return end(EventKind::peer_lost, Errc::unreachable, "the provider does not take the peer's address");
  peer_cookie_ = terms.cookie;
  peer_window_ = terms.window;
  eager_bytes_ = std::min(ofi_.message_bytes(), terms.frame_bytes);
  state_ = closing_ ? State::lingering : State::open;
  if (!closing_) timer_.cancel();
  ofi_.unrung(*this);
  wake();
}

// The peer rings once for each time it is asked; asking while frames are on their way gets a ring at once.
// Who asks a second time and has received nothing more is told how many frames there are: they are late, or
// one is lost, and until they come its provider is polled.
void Connection::on_sleep(std::uint64_t received) noexcept {
  wants_bell_ = true;
  const bool lacks = received != sent_frames_;
  if (lacks && received == asleep_at_) doubt();
  asleep_at_ = lacks ? received : none_asleep;
  if (lacks || reading_ != 0 || (direct_ != nullptr && direct_->under_way() != 0)) ring();
}

// One that the control link does not take now is rung in the next poll.
void Connection::ring() noexcept {
  const bool rung = note(OfiNote::Kind::bell, 0);
  wants_bell_ = bell_due_ = !rung && !control_lost_;
  if (bell_due_) ofi_.blocked(*this);
  counts_.bells += rung ? 1u : 0u;
}

void Connection::doubt() noexcept {
  ofi_.sent_some();
  if (is_judged()) note(OfiNote::Kind::count, sent_frames_);
}

void Connection::expect(std::uint64_t frames) noexcept {
  expected_frames_ = std::max(expected_frames_, frames);
  if (lacks_frames()) ofi_.lacks_frames();
}

void Connection::control_ended(Errc code, std::string_view why) {
  control_lost_ = true;
  if (state_ == State::lingering) return bury();
  if (state_ == State::greeting)
    return end(EventKind::peer_lost, code == Errc::closed ? Errc::peer_lost : code, std::string(why));
  if (state_ != State::open) return;
  if (bye_received_) {  // what it named may still be on its way
    lacking_since_ = 0;
    return wake();
  }
  const bool gone = code == Errc::closed || code == Errc::peer_lost;
  end(EventKind::peer_lost, gone ? Errc::peer_lost : code,
      gone ? "the peer's process ended without closing the link" : std::string(why));
}

}  // namespace harness::transports::ofi
