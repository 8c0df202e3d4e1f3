// SPDX-License-Identifier: Apache-2.0
// The two ends of a ring between processes: one writes records, the other reads them (wire/shm.hpp).
//
// The writer owns the memory; the reader has it read-only and owns nothing but its own line, in which it says
// how far it has come. Each keeps its positions to itself and believes of the other's words only what can be
// true: a credit that runs backwards or beyond what was written, a record out of sequence, of an unknown kind
// or too long ends the link. Nothing is loaded twice.
//
// The first record of a turn is released at once, those behind it together: `commit` writes a record, and as
// long as one before it is not released the header of the first is kept back, so that the reader sees all or
// none of them and takes the lines from the writer once. Rejected: records that skip to the end of the ring
// when they do not fit (mapping it twice costs two calls and no branch), packing several records into a line
// (the reader polls the line that the writer writes).
// Memory behind the ring is made real in steps as the writer first comes to it. Bound: the ring's bytes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <harness/transports/wire/shm.hpp>

namespace harness::transports::shm {

// ---- words that two processes share ----

inline std::uint64_t load_shared(const std::uint64_t& word) noexcept {
  return __atomic_load_n(&word, __ATOMIC_ACQUIRE);
}
inline std::uint32_t load_shared(const std::uint32_t& word) noexcept {
  return __atomic_load_n(&word, __ATOMIC_ACQUIRE);
}
template <class T>
inline void store_shared(T& word, T value) noexcept {
  __atomic_store_n(&word, value, __ATOMIC_RELEASE);
}
/// Orders a store before a later load: of two sides that each tell and then look, one sees the other. Written
/// out, because the thread sanitizer knows no fences and the compiler then warns of each.
inline void fence() noexcept {
#if defined(__x86_64__)
  asm("lock orq $0, (%%rsp)" : : : "memory", "cc");
#else
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}
/// Asks for the line for writing, long before it is written.
inline void want_line(void* line) noexcept {
#if defined(__x86_64__)
  asm("prefetchw %0" : : "m"(*static_cast<char*>(line)));
#else
  __builtin_prefetch(line, 1);
#endif
}

/// Copies a payload; small ones in four words that overlap, without a call or a branch on their length.
inline void copy_payload(std::byte* to, const std::byte* from, std::uint32_t bytes) noexcept {
  if (bytes - 8 > 24) [[unlikely]] {
    std::memcpy(to, from, bytes);
    return;
  }
  const std::uint32_t second = std::min(bytes - 8, 8u), third = std::max(bytes, 16u) - 16, last = bytes - 8;
  const auto word = [from](std::uint32_t at) { return load<std::uint64_t>(from + at); };
  const std::uint64_t words[] = {word(0), word(second), word(third), word(last)};
  store(to, words[0]);
  store(to + second, words[1]);
  store(to + third, words[2]);
  store(to + last, words[3]);
}

inline constexpr std::uint64_t bytes_of_header = wire::bytes_of<wire::ShmRecord>;
/// The longest payload of a record: an eighth of the ring with its header.
inline constexpr std::uint64_t payload_bytes_max(std::uint64_t ring_bytes) noexcept {
  return ring_bytes / 8 - bytes_of_header;
}
/// Bytes that a record takes in the ring.
inline constexpr std::uint64_t record_bytes(std::uint64_t payload_bytes) noexcept {
  constexpr std::uint64_t line = wire::ShmRecord::line_bytes;
  return (bytes_of_header + payload_bytes + line - 1) / line * line;
}

/// Parts of a header word (wire::ShmRecord): the sequence stands on top and wraps by itself.
inline constexpr std::uint64_t one_record = std::uint64_t{1} << 34;
inline constexpr std::uint64_t kind_bits(wire::ShmKind kind) noexcept {
  return std::uint64_t{static_cast<std::uint8_t>(kind)} << 28;
}

class RingWriter {
 public:
  using Back = bool (*)(void* self, std::uint64_t offset, std::uint64_t bytes) noexcept;

  /// `ring` lies twice and is zero; `back` gives memory to a part of it.
  void open(std::byte* ring, std::uint64_t ring_bytes, Back back, void* self) noexcept {
    ring_ = ring;
    bytes_ = ring_bytes;
    back_ = back;
    self_ = self;
  }

  /// Where the payload of the next record goes; null when there is no room for `bytes` now.
  std::byte* room(std::uint64_t bytes) noexcept {
    // The word behind the record is written, too.
    if (tail_ + record_bytes(bytes) + line <= limit_ || more_room(record_bytes(bytes) + line)) [[likely]]
      return at(tail_) + bytes_of_header;
    return nullptr;
  }
  /// The record in the room given last is written.
  void commit(wire::ShmKind kind, std::uint32_t bytes) noexcept {
    const std::uint64_t word = bytes | kind_bits(kind) | sequence_bits_;
    sequence_bits_ += one_record;
    if (tail_ == released_) {
      kept_back_ = word;
    } else {
      store(at(tail_), word);
      want_line(at(tail_ + lines_ahead * line));  // the reader still has it from the lap before
    }
    tail_ += record_bytes(bytes);
  }
  /// Shows the reader everything committed.
  void release() noexcept {
    if (tail_ == released_) return;
    std::byte* const next = at(tail_);
    store<std::uint64_t>(next, 0);
    store_shared(*reinterpret_cast<std::uint64_t*>(at(released_)), kept_back_);
    released_ = tail_;
    want_line(at(tail_ + line));
  }
  [[nodiscard]] std::uint64_t unreleased() const noexcept { return tail_ - released_; }
  [[nodiscard]] bool dry() const noexcept { return dry_; }  // memory could not be had

  /// Takes in how far the reader says it has come; false when that cannot be.
  [[nodiscard]] bool credit(std::uint64_t consumed) noexcept {
    if (consumed < consumed_ || consumed > released_) return false;
    consumed_ = consumed;
    set_limit();
    return true;
  }
  [[nodiscard]] std::uint64_t consumed() const noexcept { return consumed_; }
  [[nodiscard]] std::uint64_t written() const noexcept { return tail_; }
  [[nodiscard]] std::uint64_t free_bytes() const noexcept { return consumed_ + bytes_ - tail_; }

 private:
  static constexpr std::uint64_t line = wire::ShmRecord::line_bytes;
  static constexpr std::uint64_t lines_ahead = 8;         // in a batch
  static constexpr std::uint64_t first_bytes = 8 * 1024;  // an idle link holds no more
  static constexpr std::uint64_t step_bytes = 32 * 1024;

  [[nodiscard]] std::byte* at(std::uint64_t position) const noexcept {
    return ring_ + (position & (bytes_ - 1));
  }
  void set_limit() noexcept {
    const std::uint64_t end = consumed_ + bytes_;
    limit_ = backed_ < bytes_ && backed_ < end ? backed_ : end;
  }
  // The first lap: gives memory to what is needed next.
  bool more_room(std::uint64_t bytes) noexcept {
    while (backed_ < bytes_ && backed_ < tail_ + bytes && !dry_) {
      const std::uint64_t step = std::min(backed_ == 0 ? first_bytes : step_bytes, bytes_ - backed_);
      dry_ = !back_(self_, backed_, step);
      if (!dry_) backed_ += step;
    }
    set_limit();
    return tail_ + bytes <= limit_;
  }

  std::byte* ring_ = nullptr;
  std::uint64_t bytes_ = 0;
  std::uint64_t tail_ = 0;           // behind the last record committed
  std::uint64_t released_ = 0;       // … and shown
  std::uint64_t limit_ = 0;          // nothing may be written from here on
  std::uint64_t kept_back_ = 0;      // the header at released_
  std::uint64_t sequence_bits_ = 0;  // of the next header
  bool dry_ = false;
  std::uint64_t consumed_ = 0;
  std::uint64_t backed_ = 0;
  Back back_ = nullptr;
  void* self_ = nullptr;
};

/// What stands at the front of a ring.
struct Found {
  wire::ShmKind kind = wire::ShmKind::none;  // none: nothing yet
  std::uint32_t bytes = 0;
  const std::byte* payload = nullptr;
};

class RingReader {
 public:
  /// `ring` lies twice; no record is longer than an eighth of it.
  void open(const std::byte* ring, std::uint64_t ring_bytes) noexcept {
    ring_ = front_ = ring;
    bytes_ = ring_bytes;
  }

  /// True when something is there. One load of a line that nobody writes meanwhile.
  [[nodiscard]] bool stirs() const noexcept { return header() != 0; }
  /// The bytes of the record at the front when it is a data frame in its place; else more than any has.
  [[nodiscard]] std::uint64_t plain_bytes() const noexcept { return header() ^ plain_; }
  [[nodiscard]] const std::byte* payload() const noexcept { return front_ + bytes_of_header; }
  /// The record at the front, its header checked; false when it cannot be one.
  [[nodiscard]] bool look(Found& found) const noexcept {
    const std::uint64_t word = header();
    found.kind = static_cast<wire::ShmKind>(word >> 28 & 0xf);
    found.bytes = static_cast<std::uint32_t>(word & 0xfffffff);
    found.payload = payload();
    if (word == 0) return true;
    return (word ^ plain_) >> 32 == 0 && found.bytes <= payload_bytes_max(bytes_) &&
           found.kind != wire::ShmKind::none && found.kind <= wire::ShmKind::loan;
  }
  /// Asks for a line that will be read soon. Requires: records come one behind the other.
  void fetch_ahead() const noexcept {
    constexpr std::uint64_t lines = 3;  // more would take those back that the writer is writing
    __builtin_prefetch(ring_ + ((head_ + lines * wire::ShmRecord::line_bytes) & (bytes_ - 1)));
  }
  /// The record looked at is used and may be written over once it is published.
  void pop(std::uint32_t bytes) noexcept {
    head_ += record_bytes(bytes);
    front_ = ring_ + (head_ & (bytes_ - 1));
    plain_ += one_record;
  }
  /// How far the writer may be told that we have come.
  [[nodiscard]] std::uint64_t position() const noexcept { return head_; }
  [[nodiscard]] std::uint64_t payload_bytes_most() const noexcept { return payload_bytes_max(bytes_); }
  [[nodiscard]] std::uint64_t unpublished() const noexcept { return head_ - published_; }
  [[nodiscard]] std::uint64_t publish_from() const noexcept { return bytes_ / 8; }
  void publish(wire::ShmLine& line) noexcept {
    published_ = head_;
    store_shared(line.consumed, head_);
  }

 private:
  [[nodiscard]] std::uint64_t header() const noexcept {
    return load_shared(*reinterpret_cast<const std::uint64_t*>(front_));
  }

  const std::byte* front_ = nullptr;
  std::uint64_t plain_ =
      kind_bits(wire::ShmKind::data);  // the next header, if it is a data frame of no bytes
  const std::byte* ring_ = nullptr;
  std::uint64_t bytes_ = 0;
  std::uint64_t head_ = 0;
  std::uint64_t published_ = 0;
};

}  // namespace harness::transports::shm
