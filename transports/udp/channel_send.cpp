// SPDX-License-Identifier: Apache-2.0
// The sending half of a channel: frames into trains, one call a turn, what the kernel may answer.
//
// Fallback ladder of a train that the kernel refuses (EIO, EINVAL, EMSGSIZE): the path's MTU is asked for
// again, and when the segments are longer than it now is they go one by one; else this route has no
// segmentation offload: remembered for the channel, and the same frames go one by one. So nothing is lost by
// trying. An error that was pending on the socket (a refused port, no route) is counted and the call tried
// again.
#include <harness/transports/udp/channel.hpp>

#include <cerrno>

#include <harness/transports/udp.hpp>

namespace harness::transports::udp {

void Channel::down_thunk(void* self, const Entry*, harness_message* message) noexcept {
  static_cast<Channel*>(self)->send(Message::from_c(message));
}

void Channel::next_header(wire::DatagramKind kind, std::byte* to) noexcept {
  wire::encode(wire::Datagram{kind == wire::DatagramKind::open ? 0 : peer_cookie_, kind, counter_out_++}, to);
}

bool Channel::takes(std::uint32_t bytes) noexcept {
  if (state_ == State::open && bytes <= frame_bytes_max_) [[likely]] {
    if (queue_ == nullptr) {
      queue_ = udp_.take_queue();
      if (queue_ == nullptr) return ++counts_.dropped_no_memory, false;
      udp_.soil(*this);  // also when nothing comes into it
    }
    if (!queue_->full()) [[likely]]
      return true;
    return ++counts_.dropped_beyond_reserve, false;
  }
  if (state_ == State::open) return ++counts_.dropped_too_long, false;
  ++(state_ < State::open ? counts_.dropped_before_open : counts_.dropped_after_end);
  return false;
}

void Channel::send(Message& message) noexcept {
  const std::uint32_t bytes = message.size();
  if (!takes(bytes)) [[unlikely]]
    return;
  const bool whole = (message.note().flags & flag_whole) != 0;
  if (bytes <= copy_bytes_max) {
    if (std::byte* at = queue_->room(pool_, outer_bytes + bytes, busy_); at != nullptr) [[likely]] {
      next_header(wire::DatagramKind::data, at);
      message.copy_to(at + outer_bytes);
      queue_->stage(outer_bytes + bytes, whole);
      return account();
    }
  }
  if (!few_runs(message) || !message.make_head_room(outer_bytes)) {
    ++counts_.dropped_no_memory;
    return;
  }
  next_header(wire::DatagramKind::data, message.push(outer_bytes));
  queue_->refer(std::move(message), whole);
  account();
}

// Gathers a body of many pieces, so that a call of a stated number of vectors takes every train.
bool Channel::few_runs(Message& message) noexcept {
  if (message.c()->more == nullptr) return true;
  unsigned runs = 1;  // the outer header may lie apart
  message.each_run([&](Bytes) { return ++runs <= SendQueue::runs_max; });
  if (runs <= SendQueue::runs_max) return true;
  Message flat = Message::make(pool_, message.size());
  if (!flat) return false;
  message.copy_to(flat.writable().data());
  message = std::move(flat);
  return true;
}

// A frame more waits: send at once when no more fit one train, hold when the kernel does not take it.
inline void Channel::account() noexcept {
  ++counts_.frames_out;
  const std::uint32_t last = queue_->frame(queue_->size() - 1).bytes;
  counts_.bytes_out += last;
  if (queue_->size() < SendQueue::frames_max && queue_->bytes() + last <= SendQueue::train_bytes_max)
      [[likely]]
    return;
  write_out();
  if (queue_ != nullptr) hold();
}

void Channel::hold() noexcept {
  if (!held_) ++counts_.holds;
  held_ = true;
  if (handle_ != nullptr && handle_->receiver().gate != nullptr)
    handle_->receiver().gate->hold(Gate::transport_bit);
}

void Channel::drop_queue() noexcept {
  if (queue_ == nullptr) return;
  reserved_at_ = nullptr;
  queue_->clear();
  udp_.give_queue(std::move(queue_));
}

void Channel::look_for_room() noexcept {
  if (!held_ || room_due_ || queue_ != nullptr) return;
  room_due_ = true;
  wake();
}

// Reported from poll, never from inside a send.
void Channel::room() {
  room_due_ = false;
  if (!held_ || state_ != State::open || handle_ == nullptr) return;
  held_ = false;
  Receiver& receiver = handle_->receiver();
  if (receiver.gate != nullptr) receiver.gate->release(Gate::transport_bit);
  receiver.event(receiver.self, Event{EventKind::writable});
}

// ---- to the kernel ----

void Channel::write_out() noexcept {
  Hook<DirtyTag>::unlink();
  if (descriptor_ < 0) return;
  if (ask_due_) ask_for_token();
  if (setup_count_ != 0 && writable_) write_setups();
  if (queue_ != nullptr && queue_->empty()) drop_queue();
  if (queue_ != nullptr) write_queue();
  if (queue_ != nullptr && state_ == State::open) hold();
  look_for_room();
  if (state_ == State::lingering && drained()) bury();
}

void Channel::write_queue() noexcept {
  if (udp_.engine().now_ns() - mtu_looked_ns_ >= mtu_look_ns) look_at_mtu();
  busy_ = queue_->bytes() > SendQueue::first_slab_bytes;
  for (unsigned attempts = 0; writable_;) {
    if (const bool whole = queue_->frame(0).whole; whole != whole_)
      keep_whole(descriptor_, is_six(peer_), whole_ = whole);
    ++counts_.send_calls;
    const Sent sent = send_trains(descriptor_, *queue_, segment_max());
    counts_.trains_out += sent.trains;
    counts_.train_frames_out += sent.train_frames;
    queue_->consume(sent.frames);
    if (sent.error != 0) {
      if (!recover(sent, attempts)) return;
    } else {
      attempts = 0;
    }
    if (queue_->empty()) return drop_queue();
  }
}

// What to do about an error: true, go on; false, the kernel takes no more now.
bool Channel::recover(const Sent& sent, unsigned& attempts) noexcept {
  switch (sent.error) {
    case EINTR: return true;
    case EAGAIN: writable_ = false; return false;
    case ENOBUFS:
    case ENOMEM:
      writable_ = false;
      arm(retry_ns);
      return false;
    case EIO:
    case EINVAL:
    case EMSGSIZE:
      look_at_mtu();
      if (sent.refused_train) {
        if (queue_->frame(0).bytes > path_payload_) return true;
        ++counts_.gso_refused;
        gso_ = false;
        return true;
      }
      if (queue_->frame(0).bytes <= path_payload_ && ++attempts < attempts_max) return true;
      ++counts_.dropped_too_long;
      break;
    default:
      ++counts_.errors;
      if (++attempts < attempts_max) return true;
      ++counts_.dropped_unsent;
  }
  attempts = 0;
  queue_->consume(1);
  return true;
}

// ---- the path ----

std::uint32_t Channel::mtu() const noexcept {
  if (path_payload_ <= outer_bytes) return frame_bytes_max_;  // not known
  return std::min(frame_bytes_max_, path_payload_ - outer_bytes);
}

void Channel::look_at_mtu() noexcept {
  mtu_looked_ns_ = udp_.engine().now_ns();
  const std::uint32_t before = mtu();
  if (const std::uint32_t now = path_payload(descriptor_, is_six(peer_)); now != 0) path_payload_ = now;
  if (mtu() == before) return;
  mtu_due_ = true;
  wake();
}

// ---- for the handle ----

MutableBytes Channel::reserve(std::uint32_t bytes) noexcept {
  reserved_at_ = nullptr;
  reserved_.reset();
  if (held_ || state_ != State::open || bytes > frame_bytes_max_ || !takes(bytes)) return {};
  reserved_bytes_ = bytes;
  if (bytes <= copy_bytes_max) {
    std::byte* at = queue_->room(pool_, outer_bytes + bytes, busy_);
    if (at != nullptr) {
      reserved_at_ = at;
      return {at + outer_bytes, bytes};
    }
  }
  reserved_ = Message::make(pool_, bytes);
  return reserved_ ? reserved_.writable() : MutableBytes{};
}

void Channel::commit() noexcept {
  if (reserved_) {
    send(reserved_);
    reserved_.reset();
  } else if (std::byte* at = std::exchange(reserved_at_, nullptr); at != nullptr && state_ == State::open) {
    next_header(wire::DatagramKind::data, at);
    queue_->stage(outer_bytes + reserved_bytes_, false);
    account();
  }
}

}  // namespace harness::transports::udp
