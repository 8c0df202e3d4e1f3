// SPDX-License-Identifier: Apache-2.0
// The receiving half of a connection: records off the ring, each checked, copied out, handed up.
#include <harness/transports/shm/connection.hpp>

#include <algorithm>
#include <cstring>

#include <harness/transports/shm.hpp>

namespace harness::transports::shm {

namespace {
constexpr std::uint32_t part_header_bytes = wire::bytes_of<wire::ShmPart>;
constexpr std::uint64_t turn_bytes_max = 1 << 20;  // of one connection, then the next one's turn
constexpr std::uint64_t starve_ns = 1'000'000;     // until an empty pool is asked again
}  // namespace

// To look behind a record costs a line from the other core, and mostly there is nothing when messages come
// one by one: a hot link is looked at again anyway. So one is taken a turn until two turns in a row find some
// at their first look; then everything, the lines ahead on their way.
unsigned Connection::receive(unsigned budget) {
  unsigned done = 0;
  const std::uint64_t begin = reader_.position();
  const bool streams = !hot || (shm_.looks_first() && shm_.polls() == took_in_poll_ + 1);
  took_in_poll_ = shm_.polls();
  while (reading() && done < budget && reader_.position() - begin < turn_bytes_max) {
    Found found;
    if (!reader_.look(found)) {
      wrong("a record that cannot be one");
      break;
    }
    if (found.kind == wire::ShmKind::none) break;
    if (streams) reader_.fetch_ahead();
    if (!take(found)) break;
    ++done;
    if (reader_.unpublished() >= reader_.publish_from()) publish();
    if (!streams) break;
  }
  if (done == 0 || state_ != State::open) return done;
  if (load_shared(their_line_->wants_room) != 0 && reader_.unpublished() != 0) publish();
  shm_.warm(*this);
  if (!hot && reading() && reader_.stirs()) wake();
  return done;
}

// The short way: what `receive` and `take` do for whole data frames, in a third of the instructions. What the
// quota or the pool refuses is left to them.
unsigned Connection::take_plain(unsigned budget) {
  unsigned done = 0;
  const std::uint64_t begin = reader_.position();
  const bool streams = shm_.looks_first() && shm_.polls() == took_in_poll_ + 1;
  took_in_poll_ = shm_.polls();
  Receiver& receiver = handle_->receiver();
  if (lender_ != nullptr) take_loans_back();
  do {
    const std::uint64_t found = reader_.plain_bytes();
    if (found >= plain_end_) break;
    if (streams) reader_.fetch_ahead();
    const auto bytes = static_cast<std::uint32_t>(found);
    Quota* const quota = receiver.quota;
    Slab* const slab = quota == nullptr || !quota->exhausted() ? pool_.allocate(bytes, quota) : nullptr;
    if (slab == nullptr) [[unlikely]]
      return done + work(budget - done);
    copy_payload(slab->bytes(), reader_.payload(), bytes);
    reader_.pop(bytes);
    ++counts_.frames_in;
    counts_.bytes_in += bytes;
    Message message = Message::received(slab, 0, bytes);
    receiver.up.fn(receiver.up.self, receiver.up.next, message.c());
    ++done;
  } while (streams && done < budget && reader_.position() - begin < turn_bytes_max);
  if (state_ == State::open &&
      (reader_.unpublished() >= reader_.publish_from() || load_shared(their_line_->wants_room) != 0))
    publish();
  return done;
}

// False when the record stays where it is, or ended the link.
inline bool Connection::take(const Found& found) {
  switch (found.kind) {
    case wire::ShmKind::data:
    case wire::ShmKind::setup: return take_whole(found);
    case wire::ShmKind::part: return take_part(found);
    case wire::ShmKind::loan: return take_loan(found);
    case wire::ShmKind::bye:
      if (found.bytes != 0 || partial_ != nullptr) return wrong("an end in the middle of a frame");
      reader_.pop(found.bytes);
      end(EventKind::peer_lost, Errc::closed, "the peer closed");
      return true;
    case wire::ShmKind::none: break;
  }
  return false;
}

inline bool Connection::take_whole(const Found& found) {
  const std::uint32_t most = found.kind == wire::ShmKind::data ? frame_bytes_max_ : setup_bytes_max;
  if (partial_ != nullptr || found.bytes > most) [[unlikely]]
    return wrong("a frame longer than the largest that was agreed, or inside another one");
  if (!may_hand_up(found.kind, true)) return false;
  Slab* slab = slab_for(found.bytes, found.kind);
  if (slab == nullptr) [[unlikely]] {
    starve();
    return false;
  }
  std::memcpy(slab->bytes(), found.payload, found.bytes);
  reader_.pop(found.bytes);
  deliver(Message::received(slab, 0, found.bytes), found.kind);
  return true;
}

// The header of a part is copied before it is checked: the peer could still change the original.
bool Connection::take_part(const Found& found) {
  if (found.bytes <= part_header_bytes) return wrong("a part without bytes");
  std::array<std::byte, part_header_bytes> raw;  // NOLINT: written below
  std::memcpy(raw.data(), found.payload, raw.size());
  const auto part = wire::decode<wire::ShmPart>(raw.data());
  const std::uint32_t bytes = found.bytes - part_header_bytes;
  const bool data = part.kind == wire::ShmKind::data;
  if (!may_hand_up(part.kind, partial_ == nullptr)) return false;
  if (partial_ == nullptr) {
    if ((!data && part.kind != wire::ShmKind::setup) || part.offset != 0 ||
        part.total > (data ? frame_bytes_max_ : setup_bytes_max))
      return wrong("a frame longer than the largest that was agreed, or without its beginning");
    partial_ = slab_for(part.total, part.kind);
    if (partial_ == nullptr) {
      starve();
      return false;
    }
    partial_have_ = 0;
    partial_bytes_ = part.total;
    partial_kind_ = part.kind;
  }
  if (part.kind != partial_kind_ || part.total != partial_bytes_ || part.offset != partial_have_ ||
      bytes > partial_bytes_ - partial_have_)
    return wrong("a part that does not fit to those before it");
  std::memcpy(partial_->bytes() + partial_have_, found.payload + part_header_bytes, bytes);
  partial_have_ += bytes;
  reader_.pop(found.bytes);
  if (partial_have_ == partial_bytes_)
    deliver(Message::received(std::exchange(partial_, nullptr), 0, partial_bytes_), partial_kind_);
  return true;
}

// The arena was on the socket before the first loan was in the ring, with other packets before it: a link
// that has none yet hears the socket to its end, some packets a turn, and then looks again.
bool Connection::take_loan(const Found& found) {
  std::array<std::byte, wire::bytes_of<wire::ShmLoan>> raw;  // NOLINT: written below
  if (found.bytes != raw.size() || partial_ != nullptr) return wrong("a loan of another form");
  std::memcpy(raw.data(), found.payload, raw.size());
  const auto loan = wire::decode<wire::ShmLoan>(raw.data());
  if (borrower_ == nullptr && !std::exchange(awaits_arena_, true)) {
    rung_ = true;
    wake();
    return false;
  }
  if (borrower_ == nullptr || !borrower_->fits(loan) || loan.bytes > frame_bytes_max_)
    return wrong("a loan of memory that is not there, or in a slot that is out");
  if (!may_hand_up(wire::ShmKind::data, true)) return false;
  ++counts_.loans_in;
  reader_.pop(found.bytes);
  deliver(borrower_->borrow(pool_, loan, handle_ != nullptr ? handle_->receiver().quota : nullptr),
          wire::ShmKind::data);
  return true;
}

bool Connection::wrong(const char* why) noexcept {
  end(EventKind::corrupt, Errc::corrupt, why);
  return false;
}

inline void Connection::deliver(Message&& message, wire::ShmKind kind) {
  counts_.bytes_in += message.size();
  if (handle_ == nullptr) return;
  Receiver& receiver = handle_->receiver();
  if (kind == wire::ShmKind::data) [[likely]] {
    ++counts_.frames_in;
    receiver.up.fn(receiver.up.self, receiver.up.next, message.c());
  } else {
    receiver.setup(receiver.self, message);
  }
}

// `fresh`: nothing of the frame is charged yet; the frame at the front always passes.
inline bool Connection::may_hand_up(wire::ShmKind kind, bool fresh) noexcept {
  if (kind != wire::ShmKind::data || handle_ == nullptr) return true;
  Quota* quota = handle_->receiver().quota;
  const bool full = fresh && quota != nullptr && quota->exhausted();
  if (!paused_ && !full) [[likely]]
    return true;
  block();
  if (!paused_) {
    waiting_quota_ = quota;
    quota->when_below([](void* self) noexcept { static_cast<Connection*>(self)->unblock(); }, this);
  }
  return false;
}

inline Slab* Connection::slab_for(std::uint32_t bytes, wire::ShmKind kind) noexcept {
  const bool charged = kind == wire::ShmKind::data && handle_ != nullptr;
  return pool_.allocate(bytes, charged ? handle_->receiver().quota : nullptr);
}

// Gives the peer the room of what was taken.
void Connection::publish() noexcept {
  reader_.publish(*my_line_);
  fence();  // between telling and looking whether somebody waits for it
  if (load_shared(their_line_->wants_room) != 0) ring();
}

// ---- blocking ----

void Connection::block() noexcept {
  blocked_ = true;
  settle();
  ++counts_.blocks;
  if (reader_.unpublished() != 0) publish();
}

void Connection::unblock() noexcept {
  waiting_quota_ = nullptr;
  if (!blocked_) return;
  blocked_ = false;
  settle();
  wake();
}

// The pool is empty: what is alive in it may be freed by anyone, so ask again after a while.
void Connection::starve() noexcept {
  block();
  arm(starve_ns);
}

void Connection::pause(bool paused) noexcept {
  paused_ = paused;
  settle();
  if (!paused && waiting_quota_ == nullptr) unblock();
}

void Connection::free_received() noexcept {
  if (partial_ != nullptr) Pool::release(partial_);
  partial_ = nullptr;
  if (waiting_quota_ != nullptr) waiting_quota_->when_below(nullptr, nullptr);
  waiting_quota_ = nullptr;
  blocked_ = false;
}

}  // namespace harness::transports::shm
