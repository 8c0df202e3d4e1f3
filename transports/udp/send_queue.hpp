// SPDX-License-Identifier: Apache-2.0
// What a channel has accepted and the kernel has not, and the trains it leaves in.
//
// Small frames are copied one behind the other into a staging slab, longer ones stay where they lie. A train
// is a run of frames of one length, the last one may be shorter: the kernel takes it as one datagram and cuts
// it as late as it can (UDP_SEGMENT), so that a train costs about as much as one datagram. Frames of other
// lengths make further trains; all of them go by one call. A channel has a queue only while something waits.
// Bounds: `slots` frames, `frames_max` before the sender is held; a train has train_frames_max frames and
// train_bytes_max bytes, the kernel's own limits.
#pragma once

#include <array>
#include <cstdint>

#include <harness/stack/message.hpp>

namespace harness::transports::udp {

class SendQueue {
 public:
  static constexpr unsigned frames_max = 64;
  static constexpr unsigned slots = 80;  // one largest frame, the control reserve, and slack
  static constexpr unsigned train_frames_max = 64;
  static constexpr std::uint32_t train_bytes_max = 65507 - 40;  // of either family
  static constexpr std::uint32_t slab_bytes = 65536;
  static constexpr std::uint32_t first_slab_bytes = 2048;
  static constexpr unsigned runs_max = 8;  // of a frame; more are gathered first

  struct Frame {
    Message message;              // referred, its outer header pushed
    std::byte* staged = nullptr;  // … or in the staging slab
    std::uint32_t bytes = 0;      // with the outer header
    bool whole = false;           // never cut into fragments
  };
  struct Train {
    unsigned frames = 0;
    std::uint32_t segment = 0;
    std::uint32_t bytes = 0;
  };

  SendQueue() = default;
  ~SendQueue() { clear(); }
  SendQueue(const SendQueue&) = delete;
  SendQueue& operator=(const SendQueue&) = delete;

  [[nodiscard]] unsigned size() const noexcept { return count_; }
  [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
  [[nodiscard]] bool full() const noexcept { return count_ == slots; }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] const Frame& frame(unsigned index) const noexcept { return frames_[(head_ + index) % slots]; }

  /// Room for a frame of `bytes` in the staging slab; null when it has none. `busy`: start with a large slab.
  std::byte* room(Pool& pool, std::uint32_t bytes, bool busy) noexcept {
    if (staging_ != nullptr && staging_->capacity - staged_ >= bytes) [[likely]]
      return staging_->bytes() + staged_;
    return staging_ == nullptr ? new_room(pool, bytes, busy) : nullptr;
  }
  /// Appends what was written to the room given last. Requires: not full.
  void stage(std::uint32_t bytes, bool whole) noexcept {
    Frame& frame = next();
    frame.staged = staging_->bytes() + staged_;
    staged_ += bytes;
    add(frame, bytes, whole);
  }
  /// Appends a message as it lies. Requires: not full, at most runs_max runs.
  void refer(Message&& message, bool whole) noexcept {
    Frame& frame = next();
    frame.message = std::move(message);
    frame.staged = nullptr;
    add(frame, frame.message.size(), whole);
  }

  /// The train that begins at frame `first`. Frames of more than `segment_max` bytes go one by one; 0: all
  /// do.
  [[nodiscard]] Train train(unsigned first, std::uint32_t segment_max) const noexcept;
  /// Forgets the first `frames`.
  void consume(unsigned frames) noexcept;
  void clear() noexcept { consume(count_); }

 private:
  std::byte* new_room(Pool& pool, std::uint32_t bytes, bool busy) noexcept;
  Frame& next() noexcept { return frames_[(head_ + count_) % slots]; }
  void add(Frame& frame, std::uint32_t bytes, bool whole) noexcept {
    frame.bytes = bytes;
    frame.whole = whole;
    bytes_ += bytes;
    ++count_;
  }

  std::array<Frame, slots> frames_;
  unsigned head_ = 0;
  unsigned count_ = 0;
  std::uint64_t bytes_ = 0;
  Slab* staging_ = nullptr;
  std::uint32_t staged_ = 0;
};

/// What one call sent.
struct Sent {
  unsigned frames = 0;
  unsigned trains = 0;         // of two frames and more
  unsigned train_frames = 0;   // frames in them
  int error = 0;               // 0, or why the next train was refused
  bool refused_train = false;  // … and it was one of two frames and more
};
/// Sends up to 16 trains from the front of the queue by one call; they stay in the queue. All frames have the
/// same `whole` as the first. Requires: not empty. [stack-thread]
Sent send_trains(int descriptor, const SendQueue& queue, std::uint32_t segment_max) noexcept;

}  // namespace harness::transports::udp
