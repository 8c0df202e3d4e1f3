// SPDX-License-Identifier: Apache-2.0
// The receiving half of a connection: one scratch buffer for all, partial frames in their final slab,
// blocking.
#include <harness/transports/tcp/connection.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <sys/socket.h>
#include <sys/uio.h>

#include <harness/transports/tcp.hpp>

namespace harness::transports::tcp {

namespace {
constexpr std::uint32_t header_bytes = SendQueue::header_bytes;
constexpr std::size_t turn_bytes_max = 512 * 1024;  // of one connection, then the next one's turn
constexpr std::size_t behind_bytes = 4096;          // scratch behind a frame that is received directly
constexpr std::size_t quota_read_min = 2048;
constexpr std::uint64_t starve_ns = 1'000'000;  // until an empty pool is asked again
}  // namespace

unsigned Connection::receive(unsigned budget) {
  unsigned done = replay();
  std::size_t bytes = 0;
  while (readable_ && reading() && done < budget && bytes < turn_bytes_max) {
    std::size_t asked = 0;
    const long got = read_some(asked);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) {
      readable_ = false;
      ++misses;
    } else if (got <= 0) {
      read_ended(got < 0 ? errno : 0);
      return done + 1;
    } else {
      bytes += static_cast<std::size_t>(got);
      if (static_cast<std::size_t>(got) < asked && !peer_ended_)
        readable_ = false;  // a short read emptied it
      done += took(static_cast<std::size_t>(got));
    }
  }
  if (readable_ && reading()) wake();
  if (bytes == 0) return done;
  if (state_ < State::ended) tcp_.hot().warm(*this);
  return done != 0 ? done : 1;  // a part of a frame is progress, too
}

// While much of the quota is used a read takes no more than what is left of it, so that little comes to be
// stashed.
std::size_t Connection::scratch_room() const noexcept {
  const Quota* quota = handle_ != nullptr ? handle_->receiver().quota : nullptr;
  if (quota == nullptr) return Tcp::scratch_bytes;
  const std::uint64_t used = quota->used_bytes();
  const std::uint64_t left = quota->limit_bytes() > used ? quota->limit_bytes() - used : 0;
  return std::clamp<std::uint64_t>(left, quota_read_min, Tcp::scratch_bytes);
}

long Connection::read_some(std::size_t& asked) noexcept {
  ++counts_.receive_calls;
  if (partial_ == nullptr) {
    asked = scratch_room();
    return ::recv(descriptor_, tcp_.scratch(), asked, MSG_DONTWAIT);
  }
  const MutableBytes to = rest();
  if (to.data() == nullptr) {  // its region is gone: read to be forgotten
    asked = std::min(to.size(), Tcp::scratch_bytes);
    return ::recv(descriptor_, tcp_.scratch(), asked, MSG_DONTWAIT);
  }
  std::array<iovec, 2> vectors{{{to.data(), to.size()}, {tcp_.scratch(), behind_bytes}}};
  msghdr message{};
  message.msg_iov = vectors.data();
  message.msg_iovlen = vectors.size();
  asked = to.size() + behind_bytes;
  return ::recvmsg(descriptor_, &message, MSG_DONTWAIT);
}

unsigned Connection::took(std::size_t bytes) {
  counts_.bytes_in += bytes;
  misses = 0;
  if (state_ == State::lingering) return 0;  // nobody is there to take it
  std::size_t direct = 0;
  if (partial_ != nullptr) {
    direct = std::min<std::size_t>(bytes, frame_.length - partial_have_);
    partial_have_ += static_cast<std::uint32_t>(direct);
    counts_.direct_bytes += direct;
    if (partial_have_ < frame_.length) return 0;
  }
  return parse(tcp_.scratch(), bytes - direct);
}

// Consumes all of [at, at + size), or leaves the rest in the backlog when a frame may not be handed up.
unsigned Connection::parse(const std::byte* at, std::size_t size) {
  unsigned done = 0;
  while (state_ == State::open) {
    if (!in_frame_ && !take_header(at, size)) break;
    if (frame_.length >= place_bytes_min) [[unlikely]] {
      if (!take_large(at, size)) break;
      ++done;
      continue;
    }
    if (!may_hand_up(frame_.kind) || !fill(at, size)) {
      if (blocked_) stash(at, size);
      break;
    }
    in_frame_ = false;
    ++done;
    Message message = Message::received(std::exchange(partial_, nullptr), 0, frame_.length);
    deliver(message, frame_.kind);
  }
  return done;
}

// A large frame; false when it is not complete, or may not be handed up.
bool Connection::take_large(const std::byte*& at, std::size_t& size) {
  Message message;
  if (may_hand_up(frame_.kind) && fill_large(at, size)) message = large_message();
  if (!message) {
    if (blocked_) stash(at, size);
    return false;
  }
  in_frame_ = false;
  deliver(message, frame_.kind);
  return true;
}

// Reads the next header into frame_; false when it is not complete, or wrong.
inline bool Connection::take_header(const std::byte*& at, std::size_t& size) noexcept {
  if (header_have_ == 0 && size >= header_bytes) [[likely]] {
    frame_ = wire::decode<wire::StreamFrame>(at);
    at += header_bytes;
    size -= header_bytes;
  } else {
    const std::size_t part = std::min<std::size_t>(size, header_bytes - header_have_);
    if (part != 0) std::memcpy(header_.data() + header_have_, at, part);
    header_have_ = static_cast<std::uint8_t>(header_have_ + part);
    at += part;
    size -= part;
    if (header_have_ < header_bytes) return false;
    header_have_ = 0;
    frame_ = wire::decode<wire::StreamFrame>(header_.data());
  }
  partial_have_ = 0;
  in_frame_ = check(frame_);
  return in_frame_;
}

// Everything that is checked before a byte is allocated for a frame.
inline bool Connection::check(const wire::StreamFrame& header) noexcept {
  const bool data = header.kind == wire::StreamKind::data;
  const bool setup = header.kind == wire::StreamKind::setup;
  const bool bye = header.kind == wire::StreamKind::bye && header.length == 0;
  const char* wrong = nullptr;
  if (!data && !setup && !bye) {
    wrong = "a frame of a kind that does not exist";
  } else if (header.length > (data ? frame_bytes_max_ : setup_bytes_max)) {
    wrong = "a frame longer than the largest that was agreed";
  } else if (header.epoch != 0) {
    wrong = "a frame of an epoch that was never opened";
  } else if (header.sequence != (receive_sequence_ & wire::StreamFrame::sequence_mask)) {
    wrong = "a frame out of sequence";
  }
  ++receive_sequence_;
  if (wrong == nullptr) [[likely]]
    return true;
  end(EventKind::corrupt, Errc::corrupt, wrong);
  return false;
}

bool Connection::may_hand_up(wire::StreamKind kind) noexcept {
  if (kind != wire::StreamKind::data || handle_ == nullptr) return true;
  if (paused_) {
    block();
    return false;
  }
  if (partial_ != nullptr) return true;  // its slab is charged already: the frame at the front always passes
  Quota* quota = handle_->receiver().quota;
  if (quota == nullptr || !quota->exhausted()) return true;
  block();
  waiting_quota_ = quota;
  quota->when_below([](void* self) noexcept { static_cast<Connection*>(self)->unblock(); }, this);
  return false;
}

// Copies what is here into the frame's slab; true when the frame is complete.
inline bool Connection::fill(const std::byte*& at, std::size_t& size) noexcept {
  if (partial_ == nullptr) {
    partial_ = slab_for(frame_.length);
    if (partial_ == nullptr) [[unlikely]] {
      starve();
      return false;
    }
  }
  const std::size_t part = std::min<std::size_t>(size, frame_.length - partial_have_);
  if (part != 0) std::memcpy(partial_->bytes() + partial_have_, at, part);
  partial_have_ += static_cast<std::uint32_t>(part);
  at += part;
  size -= part;
  return partial_have_ == frame_.length;
}

inline void Connection::deliver(Message& message, wire::StreamKind kind) {
  if (handle_ == nullptr) return;
  Receiver& receiver = handle_->receiver();
  if (kind == wire::StreamKind::data) [[likely]] {
    ++counts_.frames_in;
    receiver.up.fn(receiver.up.self, receiver.up.next, message.c());
  } else if (kind == wire::StreamKind::setup) {
    receiver.setup(receiver.self, message);
  } else {
    bye_received_ = true;
    end(EventKind::peer_lost, Errc::closed, "the peer closed");
  }
}

// ---- blocking ----

void Connection::block() noexcept {
  blocked_ = true;
  ++counts_.blocks;
}

void Connection::unblock() noexcept {
  waiting_quota_ = nullptr;
  if (!blocked_) return;
  blocked_ = false;
  wake();
}

// The pool is empty: what is alive in it may be freed by anyone, so ask again after a while.
void Connection::starve() noexcept {
  block();
  arm(starve_ns);
}

// Keeps bytes of the scratch buffer, or of the backlog that is being replayed, until receiving goes on.
void Connection::stash(const std::byte* at, std::size_t size) noexcept {
  if (size == 0) return;
  if (replaying_ != nullptr) {
    backlog_ = replaying_;
    backlog_at_ = static_cast<std::uint32_t>(at - replaying_->bytes());
    return;
  }
  backlog_ = pool_.allocate(static_cast<std::uint32_t>(size));
  if (backlog_ == nullptr) backlog_ = Pool::allocate_detached(static_cast<std::uint32_t>(size));
  if (backlog_ == nullptr) return end(EventKind::peer_lost, Errc::exhausted, "no memory for received bytes");
  std::memcpy(backlog_->bytes(), at, size);
  backlog_at_ = 0;
  backlog_end_ = static_cast<std::uint32_t>(size);
}

// Goes on where receiving was blocked.
unsigned Connection::replay() {
  if (blocked_ || state_ != State::open || (backlog_ == nullptr && !in_frame_)) return 0;
  if (backlog_ == nullptr)
    return partial_ != nullptr && partial_have_ < frame_.length ? 0 : parse(nullptr, 0);
  replaying_ = std::exchange(backlog_, nullptr);
  const unsigned done = parse(replaying_->bytes() + backlog_at_, backlog_end_ - backlog_at_);
  if (backlog_ != replaying_) Pool::release(replaying_);
  replaying_ = nullptr;
  return done;
}

void Connection::free_received() noexcept {
  if (backlog_ != nullptr && backlog_ != replaying_) Pool::release(backlog_);
  if (partial_ != nullptr) Pool::release(partial_);
  placement_.reset();
  front_have_ = 0;
  backlog_ = nullptr;
  partial_ = nullptr;
  in_frame_ = false;
  if (waiting_quota_ != nullptr) waiting_quota_->when_below(nullptr, nullptr);
  waiting_quota_ = nullptr;
  blocked_ = false;
}

}  // namespace harness::transports::tcp
