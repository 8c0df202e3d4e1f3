// SPDX-License-Identifier: Apache-2.0
// The sending half of a connection: staging, referring, one call a turn, hold and room.
#include <harness/transports/tcp/connection.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include <sys/socket.h>
#include <sys/uio.h>

#include <harness/transports/tcp.hpp>

namespace harness::transports::tcp {

namespace {
constexpr std::uint32_t header_bytes = SendQueue::header_bytes;
constexpr unsigned vectors_max = 64;
constexpr std::uint64_t ms = 1'000'000;
constexpr unsigned looks = 4;  // in a user timeout
}  // namespace

void Connection::down_thunk(void* self, const Entry*, harness_message* message) noexcept {
  static_cast<Connection*>(self)->send(Message::from_c(message), wire::StreamKind::data);
}

bool Connection::need_queue() noexcept {
  if (queue_ != nullptr) return true;
  queue_ = tcp_.take_queue();
  return queue_ != nullptr;
}

wire::StreamFrame Connection::next_header(std::size_t bytes, wire::StreamKind kind) noexcept {
  counts_.frames_out += kind == wire::StreamKind::data ? 1 : 0;
  return {static_cast<std::uint32_t>(bytes), kind, 0, send_sequence_++ & wire::StreamFrame::sequence_mask};
}

void Connection::send(Message& message, wire::StreamKind kind) noexcept {
  if (!may_send()) [[unlikely]] {
    ++counts_.dropped;
    return;
  }
  const std::uint32_t bytes = message.size();
  if (need_queue() && bytes <= copy_bytes_max) [[likely]] {
    if (std::byte* at = queue_->room(pool_, header_bytes + bytes, busy_); at != nullptr) [[likely]] {
      wire::encode(next_header(bytes, kind), at);
      message.copy_to(at + header_bytes);
      queue_->stage(header_bytes + bytes);
      ++counts_.staged;
      return account();
    }
  }
  std::array<std::byte, header_bytes> header;  // NOLINT: written below
  wire::encode(next_header(bytes, kind), header.data());
  if (queue_ == nullptr || !queue_->refer(header, std::move(message)))
    return end(EventKind::peer_lost, Errc::exhausted, "more was sent than the hold and the reserves allow");
  ++counts_.referred;
  account();
}

// A frame more waits: send at once when it is much, hold when the kernel does not take it.
inline void Connection::account() noexcept {
  tcp_.soil(*this);
  if (queue_->bytes() < flush_bytes && queue_->runs() < hold_runs) [[likely]]
    return;
  write_out();
  if (queue_ != nullptr && (queue_->bytes() >= hold_bytes || queue_->runs() >= hold_runs)) hold();
}

void Connection::hold() noexcept {
  if (!held_) ++counts_.holds;
  held_ = true;
  if (handle_ != nullptr && handle_->receiver().gate != nullptr)
    handle_->receiver().gate->hold(Gate::transport_bit);
}

void Connection::write_out() noexcept {
  Hook<DirtyTag>::unlink();
  if (state_ != State::open && state_ != State::lingering) return;
  while (queue_ != nullptr && writable_) {
    std::array<iovec, vectors_max> vectors;  // NOLINT: gather writes what is used
    std::size_t total = 0;
    const unsigned used = queue_->gather(vectors.data(), vectors_max, total);
    busy_ = total > SendQueue::first_slab_bytes;
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = used;
    const int flags = MSG_NOSIGNAL | MSG_DONTWAIT | (total < queue_->bytes() ? MSG_MORE : 0);
    ++counts_.send_calls;
    const ssize_t sent = used == 1 ? ::send(descriptor_, vectors[0].iov_base, vectors[0].iov_len, flags)
                                   : ::sendmsg(descriptor_, &message, flags);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return write_failed(errno);
      writable_ = false;
      break;
    }
    counts_.bytes_out += static_cast<std::uint64_t>(sent);
    if (user_timeout_ms_ != 0 && !Hook<SentTag>::is_linked()) expect_delivery();
    queue_->consume(static_cast<std::size_t>(sent));
    if (static_cast<std::size_t>(sent) < total) writable_ = false;  // full: epoll tells when it is not
    if (queue_->empty()) drop_queue();
  }
  look_for_room();
  if (queue_ == nullptr && state_ == State::lingering) flushed();
}

void Connection::expect_delivery() noexcept {
  acked_ns_ = tcp_.engine().now_ns();
  tcp_.look_after(*this, std::uint64_t{user_timeout_ms_} * (ms / looks));
}

// The peer answered since a byte of ours was last acknowledged: it lives, and its receiver takes nothing. The
// kernel asks it once in what is left of the timeout, so an answer may be that old.
bool Connection::look_at_delivery() noexcept {
  if (descriptor_ < 0 || user_timeout_ms_ == 0) return false;
  const std::uint64_t now_ns = tcp_.engine().now_ns();
  const std::uint32_t left = unacked_bytes(descriptor_);
  if (left == 0 || counts_.bytes_out - left != acked_bytes_) {
    acked_bytes_ = counts_.bytes_out - left;
    acked_ns_ = now_ns;
    wait_for_peer(user_timeout_ms_);
    return left != 0;
  }
  const std::uint64_t stuck_ms = (now_ns - acked_ns_) / ms;
  const std::uint64_t silent_ms = silence_ms(descriptor_);
  if (silent_ms < stuck_ms && silent_ms < std::uint64_t{3} * user_timeout_ms_)
    wait_for_peer(stuck_ms + std::uint64_t{2} * user_timeout_ms_);
  return true;
}

void Connection::wait_for_peer(std::uint64_t for_ms) noexcept {
  const auto wanted = static_cast<std::uint32_t>(std::min<std::uint64_t>(for_ms, INT32_MAX));
  if (wanted != patience_ms_ && set_user_timeout(descriptor_, wanted)) patience_ms_ = wanted;
}

void Connection::drop_queue() noexcept {
  if (queue_ == nullptr) return;
  queue_->clear();
  tcp_.give_queue(std::move(queue_));
}

void Connection::look_for_room() noexcept {
  if (!held_ || room_due_) return;
  if (queue_ != nullptr && (queue_->bytes() > hold_bytes / 2 || queue_->runs() > hold_runs / 2)) return;
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

MutableBytes Connection::reserve(std::uint32_t bytes) noexcept {
  reserved_at_ = nullptr;
  reserved_.reset();
  if (held_ || !may_send() || bytes > frame_bytes_max_ || !need_queue()) return {};
  reserved_bytes_ = bytes;
  if (bytes <= copy_bytes_max) {
    std::byte* at = queue_->room(pool_, header_bytes + bytes, busy_);
    if (at == nullptr) return {};
    reserved_at_ = at;
    return {at + header_bytes, bytes};
  }
  reserved_ = Message::make(pool_, bytes);
  return reserved_ ? reserved_.writable() : MutableBytes{};
}

void Connection::commit() noexcept {
  if (reserved_) {
    send(reserved_, wire::StreamKind::data);
    reserved_.reset();
  } else if (std::byte* at = std::exchange(reserved_at_, nullptr); at != nullptr && may_send()) {
    wire::encode(next_header(reserved_bytes_, wire::StreamKind::data), at);
    queue_->stage(header_bytes + reserved_bytes_);
    ++counts_.staged;
    account();
  }
}

Errc Connection::send_setup(Message&& frame) noexcept {
  if (!may_send()) return Errc::closed;
  if (frame.size() > setup_bytes_max) return Errc::too_large;
  for (std::uint64_t& ends : setup_ends_) {
    if (ends > counts_.bytes_out) continue;  // still waits
    send(frame, wire::StreamKind::setup);
    frame.reset();
    ends = counts_.bytes_out + (queue_ != nullptr ? queue_->bytes() : 0);
    return Errc::ok;
  }
  return Errc::exhausted;
}

}  // namespace harness::transports::tcp
