// SPDX-License-Identifier: Apache-2.0
// What a connection has accepted and the kernel has not: small frames copied one behind the other into
// staging slabs, large ones referred to where they lie. A connection has one only while something waits.
//
// A queue is a ring of runs. A staged run is a slab being filled; a referred run is a header and a message
// whose pieces go to the kernel by iovec. Any frame costs at most one run, so the connection's hold keeps
// enough of them for every reserve. Bounds: `runs_max` runs; the connection bounds the bytes.
#pragma once

#include <array>
#include <cstdint>

#include <harness/stack/message.hpp>

struct iovec;

namespace harness::transports::tcp {

class SendQueue {
 public:
  static constexpr unsigned runs_max = 64;
  static constexpr unsigned header_bytes = 8;
  static constexpr std::uint32_t first_slab_bytes = 4096;  // enough for most turns
  static constexpr std::uint32_t slab_bytes = 65536;

  SendQueue() = default;
  ~SendQueue() { clear(); }
  SendQueue(const SendQueue&) = delete;
  SendQueue& operator=(const SendQueue&) = delete;

  [[nodiscard]] bool empty() const noexcept { return bytes_ == 0; }
  [[nodiscard]] unsigned runs() const noexcept { return count_; }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }

  /// Room for `bytes` at the end of the last staged run, or of a new one; null when the pool or the ring is
  /// full. `busy`: start with a large slab. What `stage` then takes must be written before the next call.
  std::byte* room(Pool& pool, std::uint32_t bytes, bool busy) noexcept {
    if (count_ != 0) {
      Run& last = at(count_ - 1);
      if (last.slab != nullptr && last.slab->capacity - last.end >= bytes) [[likely]]
        return last.slab->bytes() + last.end;
    }
    return new_room(pool, bytes, busy);
  }
  /// Takes the first `bytes` of the room given last.
  void stage(std::uint32_t bytes) noexcept {
    at(count_ - 1).end += bytes;
    bytes_ += bytes;
  }
  /// Appends a header and, by reference, a message. False, with the message untouched, when the ring is full.
  bool refer(const std::array<std::byte, header_bytes>& header, Message&& message) noexcept;

  /// Fills at most `most` vectors with what goes next; returns how many, and their bytes in `total`.
  unsigned gather(iovec* vectors, unsigned most, std::size_t& total) const noexcept;
  /// Forgets the first `bytes`, which the kernel has taken; frees what they were in.
  void consume(std::size_t bytes) noexcept;
  void clear() noexcept;

 private:
  struct Run {
    Message message;       // referred
    Slab* slab = nullptr;  // staged
    std::uint32_t end = 0;
    std::array<std::byte, header_bytes> header{};
    [[nodiscard]] std::uint64_t size() const noexcept {
      return slab != nullptr ? end : header_bytes + message.size();
    }
  };

  std::byte* new_room(Pool& pool, std::uint32_t bytes, bool busy) noexcept;
  Run& at(unsigned index) noexcept { return runs_[(head_ + index) % runs_max]; }
  [[nodiscard]] const Run& at(unsigned index) const noexcept { return runs_[(head_ + index) % runs_max]; }
  void drop_front() noexcept;

  std::array<Run, runs_max> runs_;
  unsigned head_ = 0;
  unsigned count_ = 0;
  std::uint64_t sent_ = 0;  // of the first run
  std::uint64_t bytes_ = 0;
};

}  // namespace harness::transports::tcp
