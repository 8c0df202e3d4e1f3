// SPDX-License-Identifier: Apache-2.0
// The sending half of a connection: inject, copy or offer; credit; what waits, hold and room.
#include <harness/transports/ofi/connection.hpp>

#include <bit>
#include <cstring>

#include <harness/transports/ofi/transport.hpp>

namespace harness::transports::ofi {

using wire::OfiFrame;
using wire::OfiKind;
using wire::OfiOffer;

namespace {
constexpr std::uint32_t offer_bytes = wire::bytes_of<OfiOffer>;
}  // namespace

void Connection::down_thunk(void* self, const Entry*, harness_message* message) noexcept {
  static_cast<Connection*>(self)->send(Message::from_c(message), OfiKind::data);
}

void Connection::send(Message& message, OfiKind kind) noexcept {
  if (!may_send()) [[unlikely]] {
    ++counts_.dropped;
    return;
  }
  if (kind == OfiKind::data) ++counts_.frames_out;
  if (queue_ == nullptr) {
    const Sent sent = try_send(message, kind);
    if (sent == Sent::yes || sent == Sent::failed) return;
    if (sent == Sent::blocked) ofi_.blocked(*this);
  }
  enqueue(message, kind);
}

void Connection::enqueue(Message& message, OfiKind kind) noexcept {
  if (queue_ == nullptr) queue_ = ofi_.take_queue();
  if (queue_ == nullptr || !queue_->push(std::move(message), kind))
    return end(EventKind::peer_lost, Errc::exhausted, "more was sent than the hold and the reserves allow");
  if (queue_->bytes() >= hold_bytes || queue_->frames() >= hold_frames) hold();
}

Connection::Sent Connection::try_send(const Message& message, OfiKind kind) noexcept {
  if (state_ != State::open && state_ != State::lingering) return Sent::waits;
  const std::uint32_t bytes = message.size();
  if (is_offered(bytes)) return try_offer(message, kind);
  const std::uint32_t units = units_of(header_bytes + bytes);
  if (!has_credit(units)) return Sent::waits;
  return post(kind, bytes, units, [&](std::byte* to) { message.copy_to(to); });
}

Connection::Sent Connection::try_offer(const Message& message, OfiKind kind) noexcept {
  if (!has_arena()) {
    end(EventKind::peer_lost, Errc::exhausted, "no memory could be registered for large frames: ulimit -l");
    return Sent::failed;
  }
  if (placed_ == Offers::none) placed_ = offers_->place(message);
  if (placed_ == Offers::none) return Sent::waits;
  const OfiOffer offer = offers_->offer(placed_);
  const std::uint32_t bytes = offer_bytes + offer.key_bytes;
  const std::uint32_t units = units_of(header_bytes + bytes);
  if (!has_credit(units)) return Sent::waits;
  const Sent sent =
      post(kind == OfiKind::setup ? OfiKind::setup_offer : OfiKind::offer, bytes, units, [&](std::byte* to) {
        wire::encode(offer, to);
        std::memcpy(to + offer_bytes, offers_->key().data(), offer.key_bytes);
      });
  if (sent != Sent::yes) return sent;
  counts_.in_place += offers_->is_made_here(placed_) ? 1u : 0u;
  placed_ = Offers::none;
  ++counts_.offered;
  if (offers_->is_full()) hold();
  return sent;
}

// With the first frame that is offered.
bool Connection::has_arena() noexcept {
  if (offers_ == nullptr) offers_ = Offers::make(fabric_, ofi_.arena_bytes());
  return offers_ != nullptr;
}

template <class Fill>
Connection::Sent Connection::post(OfiKind kind, std::uint32_t bytes, std::uint32_t units,
                                  Fill&& fill) noexcept {
  const OfiFrame header{
      peer_cookie_, bytes, kind, 0, static_cast<std::uint32_t>(sent_frames_) & OfiFrame::sequence_mask,
      taken_units_};
  const std::uint32_t size = header_bytes + bytes;
  if (size <= ofi_.inject_bytes()) {
    std::byte* at = ofi_.inject_buffer();
    wire::encode(header, at);
    fill(at + header_bytes);
    const long code = fi_inject(fabric_.endpoint(), at, size, peer_);
    counts_.injected += code == 0 ? 1 : 0;
    return posted(code, size, units);
  }
  Operation* slot = ofi_.slots().take();
  if (slot == nullptr) return Sent::blocked;
  wire::encode(header, slot->memory);
  fill(slot->memory + header_bytes);
  const long code =
      fi_send(fabric_.endpoint(), slot->memory, size, ofi_.slots().descriptor(), peer_, &slot->context);
  if (code != 0) {
    ofi_.slots().give(*slot);
  } else {
    slot->link = this;
    slot->bytes = size;
    ++under_way_;
    ++counts_.copied;
  }
  return posted(code, size, units);
}

Connection::Sent Connection::posted(long code, std::uint32_t bytes, std::uint32_t units) noexcept {
  if (wants_bell_) ring();  // also when it is full: the peer may have to turn before it takes anything
  if (code == -FI_EAGAIN) {
    ++counts_.again;
    return Sent::blocked;
  }
  if (code != 0) {
    end(EventKind::peer_lost, Errc::peer_lost, provider_says(static_cast<int>(-code)));
    return Sent::failed;
  }
  ofi_.sent_some();
  ++sent_frames_;
  sent_units_ += units;
  told_units_ = taken_units_;
  counts_.bytes_out += bytes;
  return Sent::yes;
}

// What has no place in the queue: offers that were read, and credit that nothing else carried.
bool Connection::send_controls() noexcept {
  if (taken_due_ != 0) {
    const auto count = static_cast<std::uint32_t>(std::popcount(taken_due_));
    const Sent sent = post(OfiKind::taken, count * wire::bytes_of<wire::OfiTaken>, 0, [&](std::byte* to) {
      for (std::uint64_t due = taken_due_; due != 0; due &= due - 1, to += wire::bytes_of<wire::OfiTaken>)
        wire::encode(wire::OfiTaken{static_cast<std::uint8_t>(std::countr_zero(due))}, to);
    });
    if (sent != Sent::yes) return sent == Sent::failed;
    taken_due_ = 0;
  }
  if (taken_units_ - told_units_ < ofi_.window_units() / 2) return true;
  const Sent sent = post(OfiKind::credit, 0, 0, [](std::byte*) {});
  counts_.credits += sent == Sent::yes ? 1 : 0;
  return sent != Sent::blocked;
}

bool Connection::push_out() noexcept {
  if (state_ != State::open && state_ != State::lingering) return true;
  if (bell_due_) ring();
  if (!send_controls()) return false;
  bool blocked = false;
  while (queue_ != nullptr && !queue_->empty()) {
    const Sent sent = try_send(queue_->front(), queue_->kind());
    blocked = sent == Sent::blocked;
    if (sent != Sent::yes) break;
    queue_->pop();
  }
  if (queue_ != nullptr && queue_->empty()) drop_queue();
  look_for_room();
  return !blocked && !bell_due_;
}

void Connection::drop_queue() noexcept {
  if (queue_ == nullptr) return;
  queue_->clear();
  ofi_.give_queue(std::move(queue_));
}

void Connection::hold() noexcept {
  if (!held_) ++counts_.holds;
  held_ = true;
  if (handle_ != nullptr && handle_->receiver().gate != nullptr)
    handle_->receiver().gate->hold(Gate::transport_bit);
}

void Connection::look_for_room() noexcept {
  if (!held_ || room_due_) return;
  if (queue_ != nullptr && (queue_->bytes() > hold_bytes / 2 || queue_->frames() > hold_frames / 2)) return;
  if (offers_ != nullptr && offers_->is_full()) return;
  room_due_ = true;
  wake();
}

// Reported from poll, never from inside a send.
void Connection::room() {
  room_due_ = false;
  if (!held_ || state_ != State::open || handle_ == nullptr) return;
  held_ = false;
  Receiver& receiver = handle_->receiver();
  if (receiver.gate != nullptr) receiver.gate->release(Gate::transport_bit);
  receiver.event(receiver.self, Event{EventKind::writable});
}

// ---- for the handle ----

Message Connection::make(Pool& pool, std::uint32_t bytes) noexcept {
  if (state_ == State::open && is_offered(bytes) && bytes <= frame_bytes_max_ && has_arena())
    if (Message message = offers_->message(pool, bytes)) return message;
  return Message::make(pool, bytes);
}

MutableBytes Connection::reserve(std::uint32_t bytes) noexcept {
  reserved_.reset();
  if (held_ || !may_send() || bytes > frame_bytes_max_) return {};
  reserved_ = make(pool_, bytes);
  return reserved_ ? reserved_.writable() : MutableBytes{};
}

void Connection::commit() noexcept {
  if (!reserved_) return;
  send(reserved_, OfiKind::data);
  reserved_.reset();
}

Errc Connection::send_setup(Message&& frame) noexcept {
  if (!may_send()) return Errc::closed;
  if (frame.size() > setup_bytes_max) return Errc::too_large;
  if (queue_ != nullptr && queue_->setups() >= setup_reserve) return Errc::exhausted;
  send(frame, OfiKind::setup);
  frame.reset();
  return Errc::ok;
}

bool Connection::drained() const noexcept {
  return queue_ == nullptr && under_way_ == 0 && (offers_ == nullptr || offers_->empty());
}

}  // namespace harness::transports::ofi
