// SPDX-License-Identifier: Apache-2.0
// The sending half of a connection: one record or parts, the queue, hold and room, ringing.
#include <harness/transports/shm/connection.hpp>

#include <algorithm>
#include <bit>

#include <harness/transports/shm.hpp>

namespace harness::transports::shm {

namespace {

constexpr std::uint32_t part_header_bytes = wire::bytes_of<wire::ShmPart>;
constexpr std::uint32_t loan_bytes = wire::bytes_of<wire::ShmLoan>;

// Copies bytes [offset, offset + to.size()) of a message as it goes out, headers first.
void copy_range(const Message& message, std::uint32_t offset, MutableBytes to) noexcept {
  message.each_run([&](Bytes run) {
    if (offset >= run.size()) {
      offset -= static_cast<std::uint32_t>(run.size());
      return true;
    }
    const std::size_t part = std::min(run.size() - offset, to.size());
    std::memcpy(to.data(), run.data() + offset, part);
    to = to.subspan(part);
    offset = 0;
    return !to.empty();
  });
}

}  // namespace

void Connection::down_thunk(void* self, const Entry*, harness_message* message) noexcept {
  static_cast<Connection*>(self)->send(Message::from_c(message), wire::ShmKind::data);
}

// What the peer says it has taken is asked for when the ring looks full; true when there is more room.
bool Connection::refresh_credit() noexcept {
  if (their_line_ == nullptr) return false;
  const std::uint64_t consumed = load_shared(their_line_->consumed);
  if (consumed == writer_.consumed()) return false;
  return writer_.credit(consumed) || wrong("a credit that runs backwards or beyond what was sent");
}

inline std::byte* Connection::room(std::uint64_t bytes) noexcept {
  std::byte* at = writer_.room(bytes);
  if (at == nullptr && refresh_credit()) [[unlikely]]
    at = writer_.room(bytes);
  return at;
}

inline void Connection::send(Message& message, wire::ShmKind kind) noexcept {
  if (!may_send()) [[unlikely]] {
    ++counts_.dropped;
    return;
  }
  const std::uint32_t bytes = message.size();
  if (bytes < Endpoint::make_bytes_min && queue_.empty()) [[likely]] {
    if (std::byte* at = room(bytes); at != nullptr) [[likely]] {
      message.contiguous() ? copy_payload(at, message.run().data(), bytes) : message.copy_to(at);
      writer_.commit(kind, bytes);
      wrote();
      return count_out(kind, bytes);
    }
  }
  count_out(kind, bytes);
  send_large(message, kind);
}

// What is lent where it may be, does not fit into one record, or has to wait.
void Connection::send_large(Message& message, wire::ShmKind kind) noexcept {
  const std::uint32_t bytes = message.size();
  if (bytes >= Endpoint::make_bytes_min && kind == wire::ShmKind::data && lend(message)) return wrote();
  std::byte* const at = queue_.empty() && bytes <= shm_.whole_bytes_max() ? room(bytes) : nullptr;
  if (at == nullptr) return send_later(message, kind);
  message.copy_to(at);
  writer_.commit(kind, bytes);
  wrote();
}

inline void Connection::count_out(wire::ShmKind kind, std::uint32_t bytes) noexcept {
  counts_.frames_out += kind == wire::ShmKind::data ? 1 : 0;
  counts_.bytes_out += bytes;
}

// The first record of a turn is shown at once, what follows in batches.
inline void Connection::wrote() noexcept {
  reserved_at_ = nullptr;
  if (turn_ != shm_.turn()) {
    turn_ = shm_.turn();
    writer_.release();
    shm_.soil(*this);
  } else if (writer_.unreleased() >= batch_bytes) {
    writer_.release();
  }
}

void Connection::send_later(Message& message, wire::ShmKind kind) noexcept {
  if (!queue_.push(std::move(message), kind))
    return end(EventKind::peer_lost, Errc::exhausted, "more was sent than the hold and the reserves allow");
  shm_.soil(*this);
  pump();
}

// Writes what waits, as far as there is room; each part is shown at once, so that the peer copies it out
// while we copy the next one in.
void Connection::pump() noexcept {
  reserved_at_ = nullptr;
  while (!queue_.empty() && push(queue_.front())) queue_.pop();
  writer_.release();
  if (writer_.dry()) return end(EventKind::peer_lost, Errc::exhausted, "no memory for the ring");
  if (!queue_.empty()) {
    hold();
    want_room();
  } else if (held_ && state_ != State::lingering) {
    if (writer_.free_bytes() < shm_.ring_bytes() / 2) return want_room();
    waits_ = false;
    room_due_ = true;
    wake();
  }
}

// True when the whole frame is in the ring.
bool Connection::push(SendQueue::Frame& frame) noexcept {
  const std::uint32_t bytes = frame.message.size();
  const std::uint32_t whole_max = shm_.whole_bytes_max();
  if (bytes <= whole_max) {
    std::byte* at = room(bytes);
    if (at == nullptr) return false;
    if (bytes != 0) frame.message.copy_to(at);
    writer_.commit(frame.kind, bytes);
    return true;
  }
  while (frame.sent_bytes < bytes) {
    const std::uint32_t part = std::min(bytes - frame.sent_bytes, whole_max - part_header_bytes);
    std::byte* at = room(part_header_bytes + part);
    if (at == nullptr) return false;
    wire::encode(wire::ShmPart{bytes, frame.kind, frame.sent_bytes}, at);
    copy_range(frame.message, frame.sent_bytes, {at + part_header_bytes, part});
    writer_.commit(wire::ShmKind::part, part_header_bytes + part);
    writer_.release();
    frame.sent_bytes += part;
    ++counts_.parts_out;
  }
  return true;
}

// Tells the peer that we wait, then looks once more: it may have taken something before it saw that.
void Connection::want_room() noexcept {
  waits_ = their_line_ != nullptr;
  settle();
  store_shared(my_line_->wants_room, std::uint32_t{1});
  shm_.soil(*this);
  if (!waits_) return;
  fence();
  if (load_shared(their_line_->consumed) != writer_.consumed()) wake();
}

// Called when the peer may have taken something that we wait for.
void Connection::take_credit() noexcept {
  if (!refresh_credit()) return;
  pump();
  if (!waits_) store_shared(my_line_->wants_room, std::uint32_t{0});
  if (state_ == State::lingering && queue_.empty()) finish_lingering();
}

void Connection::write_out() noexcept {
  Hook<DirtyTag>::unlink();
  writer_.release();
  if (their_line_ == nullptr) return;
  fence();
  ring();
}

// Rings a peer that sleeps, once for each of its sleeps. Requires: a fence since what it shall find was
// stored.
void Connection::ring() noexcept {
  const std::uint32_t bell = load_shared(their_line_->bell);
  if ((bell & 1) == 0 || bell == rung_for_ || !socket_) return;
  rung_for_ = bell;
  ++counts_.bells_out;
  send_bell(socket_);
}

void Connection::hold() noexcept {
  if (!held_) ++counts_.holds;
  held_ = true;
  if (handle_ != nullptr && handle_->receiver().gate != nullptr)
    handle_->receiver().gate->hold(Gate::transport_bit);
}

// Reported from poll, never from inside a send.
void Connection::tell_room() {
  room_due_ = false;
  if (!held_ || !may_send() || handle_ == nullptr || !queue_.empty()) return;
  held_ = false;
  Receiver& receiver = handle_->receiver();
  if (receiver.gate != nullptr) receiver.gate->release(Gate::transport_bit);
  receiver.event(receiver.self, Event{EventKind::writable});
}

// ---- loans ----

// Lends a message that lies in our arena, or is worth a copy into it: one copy, and none at the peer.
bool Connection::lend(Message& message) noexcept {
  if (!may_lend_ || state_ != State::open || !queue_.empty()) return false;
  const bool at_home = lender_ != nullptr && lender_->arena().holds(message.home());
  if (!at_home && message.size() <= shm_.whole_bytes_max()) return false;
  Message lent;
  if (at_home) {
    take_loans_back();
  } else {
    Slab* slab = arena_slab(Message::headroom_bytes + message.size());
    if (slab == nullptr) return false;
    lent = Message::over(slab, message.size());
  }
  std::byte* at = lender_ != nullptr && lender_->may_lend() ? room(loan_bytes) : nullptr;
  if (at == nullptr) return false;
  if (!at_home) {
    message.copy_to(lent.writable().data());
    ++counts_.staged;
  }
  ++counts_.loans_out;
  wire::encode(lender_->lend(std::move(at_home ? message : lent)), at);
  writer_.commit(wire::ShmKind::loan, loan_bytes);
  return true;
}

bool Connection::open_arena() noexcept {
  const wire::ShmPacket packet{.kind = wire::ShmPacket::Kind::arena,
                               .log2_bytes = static_cast<std::uint8_t>(std::countr_zero(shm_.arena_bytes()))};
  Descriptor file;
  Arena::Owner arena = Arena::make(shm_.arena_bytes(), file);
  may_lend_ = arena != nullptr && send_packet(socket_, packet, file.get());
  if (may_lend_) lender_ = std::make_unique<Lender>(std::move(arena));
  return may_lend_;
}

Slab* Connection::arena_slab(std::uint64_t capacity) noexcept {
  if (!may_lend_ || state_ != State::open || (lender_ == nullptr && !open_arena())) return nullptr;
  take_loans_back();
  return lender_ != nullptr ? lender_->arena().allocate(pool_, capacity) : nullptr;
}

void Connection::take_loans_back() noexcept {
  if (lender_ == nullptr) return;
  const std::uint64_t returned = load_shared(their_line_->returned);
  if (lender_->has_returned(returned) && !lender_->take_back(returned))
    static_cast<void>(wrong("a loan given back that was not out"));
}

Message Connection::make(Pool& pool, std::uint32_t bytes) noexcept {
  Slab* slab = arena_slab(std::uint64_t{Message::headroom_bytes} + bytes);
  return slab != nullptr ? Message::over(slab, bytes) : Message::make(pool, bytes);
}

// ---- for the handle ----

MutableBytes Connection::reserve(std::uint32_t bytes) noexcept {
  reserved_at_ = nullptr;
  reserved_.reset();
  if (held_ || !may_send() || bytes > frame_bytes_max_) return {};
  reserved_bytes_ = bytes;
  if (queue_.empty() && bytes <= shm_.whole_bytes_max()) reserved_at_ = room(bytes);
  if (reserved_at_ != nullptr) return {reserved_at_, bytes};
  reserved_ = Message::make(pool_, bytes);
  return reserved_ ? reserved_.writable() : MutableBytes{};
}

void Connection::commit() noexcept {
  if (reserved_) {
    send(reserved_, wire::ShmKind::data);
    reserved_.reset();
  } else if (reserved_at_ != nullptr && may_send()) {
    ++counts_.frames_out;
    counts_.bytes_out += reserved_bytes_;
    writer_.commit(wire::ShmKind::data, reserved_bytes_);
    wrote();
  }
  reserved_at_ = nullptr;
}

Errc Connection::send_setup(Message&& frame) noexcept {
  if (!may_send()) return Errc::closed;
  if (frame.size() > setup_bytes_max) return Errc::too_large;
  if (queue_.setup_count() >= setup_reserve) return Errc::exhausted;
  send(frame, wire::ShmKind::setup);
  frame.reset();
  return Errc::ok;
}

}  // namespace harness::transports::shm
