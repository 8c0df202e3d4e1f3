// SPDX-License-Identifier: Apache-2.0
// See send_queue.hpp.
#include <harness/transports/udp/send_queue.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

namespace harness::transports::udp {

std::byte* SendQueue::new_room(Pool& pool, std::uint32_t bytes, bool busy) noexcept {
  staging_ = pool.allocate(std::max(bytes, busy ? slab_bytes : first_slab_bytes));
  staged_ = 0;
  return staging_ != nullptr ? staging_->bytes() : nullptr;
}

SendQueue::Train SendQueue::train(unsigned first, std::uint32_t segment_max) const noexcept {
  const Frame& front = frame(first);
  Train train{1, front.bytes, front.bytes};
  if (front.bytes > segment_max) return train;
  while (first + train.frames < count_ && train.frames < train_frames_max) {
    const Frame& next = frame(first + train.frames);
    if (next.bytes > train.segment || next.whole != front.whole || train.bytes + next.bytes > train_bytes_max)
      break;
    train.bytes += next.bytes;
    ++train.frames;
    if (next.bytes < train.segment) break;
  }
  return train;
}

void SendQueue::consume(unsigned frames) noexcept {
  for (unsigned i = 0; i < frames; ++i) {
    Frame& front = frames_[head_];
    bytes_ -= front.bytes;
    front.message.reset();
    head_ = (head_ + 1) % slots;
  }
  count_ -= frames;
  if (count_ != 0) return;
  head_ = 0;
  if (staging_ != nullptr) Pool::release(std::exchange(staging_, nullptr));
}

namespace {

constexpr unsigned trains_max = 16;
constexpr std::size_t vectors_max = SendQueue::slots * SendQueue::runs_max;

// The vectors and headers of one call.
struct Call {
  std::array<mmsghdr, trains_max> messages;  // NOLINT: written as far as used
  std::array<iovec, vectors_max> vectors;
  struct alignas(cmsghdr) Control {
    std::array<char, CMSG_SPACE(sizeof(std::uint16_t))> bytes;
  };
  std::array<Control, trains_max> controls;
  std::array<SendQueue::Train, trains_max> trains;
  std::size_t used = 0;

  // Neighbours in the staging slab are one run.
  std::size_t gather(const SendQueue& queue, unsigned first, unsigned frames) noexcept {
    const std::size_t begin = used;
    const auto add = [&](const std::byte* data, std::size_t bytes) {
      if (used != begin) {
        iovec& last = vectors[used - 1];
        if (static_cast<std::byte*>(last.iov_base) + last.iov_len == data) {
          last.iov_len += bytes;
          return;
        }
      }
      vectors[used++] = {const_cast<std::byte*>(data), bytes};
    };
    for (unsigned i = 0; i < frames; ++i) {
      const SendQueue::Frame& frame = queue.frame(first + i);
      if (frame.staged != nullptr) {
        add(frame.staged, frame.bytes);
      } else {
        frame.message.each_run([&](Bytes run) {
          add(run.data(), run.size());
          return true;
        });
      }
    }
    return begin;
  }
  void fill(unsigned index, const SendQueue& queue, unsigned first) noexcept {
    const SendQueue::Train& train = trains[index];
    const std::size_t begin = gather(queue, first, train.frames);
    msghdr& message = messages[index].msg_hdr;
    message = {};
    message.msg_iov = &vectors[begin];
    message.msg_iovlen = used - begin;
    if (train.frames == 1) return;
    message.msg_control = controls[index].bytes.data();
    message.msg_controllen = controls[index].bytes.size();
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = IPPROTO_UDP;
    header->cmsg_type = UDP_SEGMENT;
    header->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
    const auto segment = static_cast<std::uint16_t>(train.segment);
    std::memcpy(CMSG_DATA(header), &segment, sizeof segment);
  }
};

int send_call(int descriptor, Call& call, unsigned count) noexcept {
  constexpr int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
  msghdr& first = call.messages[0].msg_hdr;
  if (count > 1) return sendmmsg(descriptor, call.messages.data(), count, flags);
  const ssize_t sent = first.msg_iovlen == 1 && first.msg_control == nullptr
                           ? send(descriptor, first.msg_iov->iov_base, first.msg_iov->iov_len, flags)
                           : sendmsg(descriptor, &first, flags);
  return sent < 0 ? -1 : 1;
}

}  // namespace

Sent send_trains(int descriptor, const SendQueue& queue, std::uint32_t segment_max) noexcept {
  Call call;  // NOLINT: written as far as used
  unsigned count = 0;
  const bool whole = queue.frame(0).whole;
  for (unsigned at = 0; at < queue.size() && count < trains_max && queue.frame(at).whole == whole; ++count) {
    call.trains[count] = queue.train(at, segment_max);
    call.fill(count, queue, at);
    at += call.trains[count].frames;
  }
  const int taken = send_call(descriptor, call, count);
  Sent sent;
  if (taken < 0) {
    sent.error = errno;
    sent.refused_train = call.trains[0].frames > 1;
    return sent;
  }
  for (int i = 0; i < taken; ++i) {
    const unsigned frames = call.trains[static_cast<unsigned>(i)].frames;
    sent.frames += frames;
    if (frames == 1) continue;
    ++sent.trains;
    sent.train_frames += frames;
  }
  return sent;
}

}  // namespace harness::transports::udp
