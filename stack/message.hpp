// SPDX-License-Identifier: Apache-2.0
// Message: move-only bytes with an annotation. Headers grow downwards before the body; the body is a chain of
// slabs.
//
//   sending    [room | headers] [body piece] -> [body piece] …     layers `push`, the transport gathers all
//   receiving             [header bytes … body] -> [body piece] …  layers `pull` off the front
//
// A body is immutable once two messages refer to it (`share`, `slice`); every transmission has its own header
// block with at least `headroom_bytes` free; a message that comes back with less room gets a larger block
// before it is sent. A message made with `make` keeps its headers in front of its body in one slab, so that a
// small message is one contiguous run of bytes from the application to the wire.
// The first 64 bytes are frozen (stack/abi.h). Thread: a message belongs to its pool's engine thread, except
// a detached one (heap slabs, no pool, unshared), which whoever holds it may move to another thread.
// Next in reading order: stack/stack.hpp (send).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <span>
#include <string_view>
#include <utility>

#include <harness/stack/abi.h>
#include <harness/stack/bytes.hpp>
#include <harness/stack/pool.hpp>

namespace harness {

using Annotation = harness_annotation;
static_assert(sizeof(Annotation) == 16);

inline constexpr std::uint8_t flag_control = HARNESS_FLAG_CONTROL;
inline constexpr std::uint8_t flag_congested = HARNESS_FLAG_CONGESTED;
inline constexpr std::uint8_t flag_whole = HARNESS_FLAG_WHOLE;

class Message {
 public:
  /// Free bytes before the headers of a new transmission; a swap to a taller stack fits in it.
  static constexpr std::uint32_t headroom_bytes = 128;

  Message() noexcept = default;
  Message(Message&& other) noexcept : c_(other.c_), head_slab_(other.head_slab_), last_(other.last_) {
    other.forget();
  }
  Message& operator=(Message&& other) noexcept {
    if (this != &other) {
      reset();
      c_ = other.c_;
      head_slab_ = other.head_slab_;
      last_ = other.last_;
      other.forget();
    }
    return *this;
  }
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;
  ~Message() { reset(); }

  // ---- making; each returns an empty message when the pool's limit is reached ----

  /// A message of `bytes` writable body bytes, not initialised, with headroom before them. [stack-thread]
  static Message make(Pool& pool, std::uint32_t bytes, Quota* quota = nullptr) noexcept {
    Slab* slab = bytes <= message_limit ? pool.allocate(headroom_bytes + bytes, quota) : nullptr;
    return slab != nullptr ? Message(slab, headroom_bytes, bytes) : Message();
  }
  /// The same from the heap: may be made on any thread and handed to an engine by post. [any-thread]
  static Message make_detached(std::uint32_t bytes) noexcept;
  /// A message whose body is a copy of `bytes`. [stack-thread]
  static Message copy_of(Pool& pool, Bytes bytes) noexcept;
  static Message copy_of(Pool& pool, std::string_view text) noexcept { return copy_of(pool, as_bytes(text)); }
  /// A received frame: `bytes` of `slab` from `offset`; takes over the caller's reference to the slab.
  /// [stack-thread]
  static Message received(Slab* slab, std::uint32_t offset, std::uint32_t bytes) noexcept {
    Message message(slab, offset, bytes);
    message.c_.head_at = message.c_.head_end =
        0;  // nothing may be pushed before received bytes that others share
    return message;
  }

  /// A received frame whose last bytes, `placed`, stand in memory that no slab holds, and stay where they are
  /// until the message is gone: they may be read and copied, not kept; share, slice and reference then give
  /// an empty message. Takes over the caller's reference to the slab on success only. [stack-thread]
  static Message received_placed(Pool& pool, Slab* slab, std::uint32_t header_bytes,
                                 MutableBytes placed) noexcept;

  /// A writable message of `bytes` in a slab of somebody's own, headroom before them; takes over the caller's
  /// reference. Requires: capacity ≥ headroom_bytes + bytes. [stack-thread]
  static Message over(Slab* slab, std::uint32_t bytes) noexcept {
    return Message(slab, headroom_bytes, bytes);
  }

  /// False for an empty (default, moved-from, failed) message.
  explicit operator bool() const noexcept { return c_.slab != nullptr; }
  void reset() noexcept {
    if (c_.slab != nullptr) release();
  }

  // ---- shape ----

  [[nodiscard]] std::uint32_t size() const noexcept { return header_size() + body_size(); }  // on the wire
  [[nodiscard]] std::uint32_t body_size() const noexcept { return c_.data_end - c_.data_at + c_.more_bytes; }
  [[nodiscard]] std::uint32_t header_size() const noexcept { return c_.head_end - c_.head_at; }
  [[nodiscard]] std::uint32_t head_room() const noexcept { return c_.head_at; }
  [[nodiscard]] Annotation& note() noexcept { return c_.note; }
  [[nodiscard]] const Annotation& note() const noexcept { return c_.note; }
  [[nodiscard]] bool is_control() const noexcept { return (c_.note.flags & flag_control) != 0; }
  /// True when headers and body are one run of bytes.
  [[nodiscard]] bool contiguous() const noexcept {
    return c_.more == nullptr && (header_size() == 0 || headers_touch_body());
  }

  /// Headers and body as one run of bytes. Requires: contiguous().
  [[nodiscard]] Bytes run() const noexcept { return {header_size() != 0 ? head() : data(), size()}; }
  /// The slab in which that run lies; null when it lies in several.
  [[nodiscard]] Slab* home() const noexcept {
    return contiguous() && head_slab_ == nullptr ? slab() : nullptr;
  }

  // ---- headers, sending ----

  /// Room for `bytes` more header bytes before all others. Requires: head_room() >= bytes; the stack sees to
  /// it before the first hook (make_head_room), and every new message has headroom_bytes. A layer that pushes
  /// more than its descriptor says traps here rather than write outside the block; a call in this place would
  /// cost every hook a stack frame.
  std::byte* push(std::uint32_t bytes) noexcept {
    if (bytes > c_.head_at) [[unlikely]]
      __builtin_trap();
    c_.head_at -= bytes;
    return head();
  }
  /// Makes room for `bytes` more header bytes, so that pushes of as many cannot fail; false at the pool's
  /// limit.
  bool make_head_room(std::uint32_t bytes) noexcept { return bytes <= c_.head_at || grow_head(bytes); }

  // ---- headers, receiving ----

  /// The first `bytes` body bytes, taken off the front; nullptr when there are fewer. Copies only when they
  /// are scattered.
  const std::byte* pull(std::uint32_t bytes) noexcept {
    const std::byte* front = peek(bytes);
    if (front != nullptr) c_.data_at += bytes;
    return front;
  }
  /// The first `bytes` of the first piece; nullptr when they are not there in one run. Unlike peek it calls
  /// nothing: a hook tries this first and leaves the rest (peek, pull) to its slow path, so that the usual
  /// one needs no stack frame. Requires: bytes ≤ message_limit, as the size of a header is; so the sum that
  /// drop_front will store cannot overflow here, and is computed once.
  [[nodiscard]] const std::byte* front_run(std::uint32_t bytes) const noexcept {
    return c_.data_at + bytes <= c_.data_end ? data() : nullptr;
  }
  /// Takes `bytes` off the front. Requires: front_run(bytes) is not nullptr.
  void drop_front(std::uint32_t bytes) noexcept { c_.data_at += bytes; }
  /// The bytes that pull would take off, still there.
  const std::byte* peek(std::uint32_t bytes) noexcept {
    if (bytes > c_.data_end - c_.data_at) [[unlikely]]
      if (!pull_up(bytes)) return nullptr;
    return data();
  }

  // ---- body ----

  /// The first piece of the body; the whole body of a small message. Valid while the message lives.
  [[nodiscard]] Bytes front() const noexcept { return {data(), data_size()}; }
  /// The first piece for writing. Requires: made by make, copy_of or make_detached, and never shared.
  [[nodiscard]] MutableBytes writable() noexcept { return {data(), data_size()}; }
  /// Headers and body as one run that may be written, because no other message refers to its slab and the
  /// slab is nobody else's memory; no data when it is scattered, shared or foreign.
  [[nodiscard]] MutableBytes exclusive_run() noexcept {
    const Slab* slab = home();
    if (slab == nullptr || slab->references != 1 || slab->size_class == Pool::foreign) return {};
    return {header_size() != 0 ? head() : data(), size()};
  }
  /// The whole body as one run: gathers a scattered body into one slab first (a counted copy). Empty when
  /// that fails.
  Bytes gathered(Pool& pool) noexcept;
  /// The body as text, for examples and tests. Requires: a body of one piece, as small messages have.
  [[nodiscard]] std::string_view text() const noexcept { return as_text(front()); }

  /// Calls `visit(Bytes)` for the header bytes (if any) and then each body piece, adjacent ones merged; visit
  /// returns false to stop.
  template <class Visit>
  void each_run(Visit&& visit) const {
    Bytes run{head(), header_size()};
    if (!run.empty() && headers_touch_body()) {
      run = {run.data(), run.size() + data_size()};
    } else {
      if (!run.empty() && !visit(run)) return;
      run = front();
    }
    if (!run.empty() && !visit(run)) return;
    for (const Piece* piece = more(); piece != nullptr; piece = piece->next)
      if (piece->bytes != 0 && !visit(Bytes{piece->data, piece->bytes})) return;
  }
  /// True when the body is one run of bytes, and they stand at `to` already. Requires: no headers.
  [[nodiscard]] bool stands_at(const std::byte* to) const noexcept {
    const Piece* const only = data_size() == 0 ? more() : nullptr;
    return only != nullptr && only->data == to && only->bytes == body_size();
  }
  /// Copies headers and body to `to`, which has room for size() bytes.
  void copy_to(std::byte* to) const noexcept {
    if (contiguous()) [[likely]] {
      std::memcpy(to, run().data(), size());
      return;
    }
    copy_runs(to);
  }

  /// Another message with the same body and a copy of the headers in its own block; empty when the pool's
  /// limit is reached.
  [[nodiscard]] Message share(Pool& pool) const noexcept { return view(pool, 0, body_size(), true); }
  /// A new transmission of body bytes [offset, offset + bytes): own empty header block, shared bytes, same
  /// annotation.
  [[nodiscard]] Message slice(Pool& pool, std::uint32_t offset, std::uint32_t bytes) const noexcept {
    return view(pool, offset, bytes, false);
  }
  /// The same with a copy of the bytes, in one run behind the headers: for parts so short that a header block
  /// and a reference cost more.
  [[nodiscard]] Message copied_slice(Pool& pool, std::uint32_t offset, std::uint32_t bytes) const noexcept;
  /// Another reference to the bytes [offset, offset + bytes) of headers and body, as a body without a header
  /// block: what is kept to send again by `slice`. No byte is copied; whoever pushes further headers before
  /// the original does not touch it. Empty when they are scattered and the pool's limit is reached.
  [[nodiscard]] Message reference(Pool& pool, std::uint32_t offset, std::uint32_t bytes) const noexcept {
    if (!contiguous()) return reference_runs(pool, offset, bytes);
    Message other;
    other.c_.note = c_.note;
    other.c_.slab = c_.slab;
    other.c_.data_at = c_.data_at - header_size() + offset;
    other.c_.data_end = other.c_.data_at + bytes;
    Pool::retain(slab());
    return other;
  }
  /// Appends the body of `tail` (its headers are dropped); false, with both unchanged, when the pool's limit
  /// is reached.
  bool append(Pool& pool, Message&& tail) noexcept;
  /// Cuts the body to its first `bytes`. Requires: bytes ≤ body_size().
  void truncate(std::uint32_t bytes) noexcept;
  /// Turns pushed headers into the front of the body, as the receiving side sees it (loop, simulations).
  /// Never copies.
  bool as_received(Pool& pool) noexcept {
    if (scattered_head()) [[unlikely]]
      return join_headers(pool);
    c_.data_at -= header_size();
    c_.head_at = c_.head_end = 0;
    c_.note = {};
    return true;
  }
  /// True when as_received would have to chain what it now finds side by side.
  [[nodiscard]] bool scattered_head() const noexcept {
    return head_slab_ != nullptr || !headers_touch_body();
  }
  /// Moves the message as as_received would leave it to the raw memory at `to`, its note's tag set. Field by
  /// field: a move reads fields that were just written by halves as a whole, for which the processor waits.
  /// Requires: not scattered_head().
  void receive_at(Message* to, std::uint32_t tag) noexcept {
    auto* const message = new (to) Message(slab(), c_.data_at - header_size(), header_size() + data_size());
    message->c_.head_at = message->c_.head_end = 0;
    message->c_.more_bytes = c_.more_bytes;
    message->c_.more = c_.more;
    message->c_.note.tag = tag;
    message->last_ = last_;
    forget();
  }
  /// Counts the slabs that no quota counts yet to `quota` until they are released: what a receiver keeps
  /// alive. [stack-thread]
  void charge(Quota& quota) noexcept {
    if (c_.slab != nullptr) slab()->charge(quota);
    for (const Piece* piece = more(); piece != nullptr; piece = piece->next) piece->slab->charge(quota);
  }
  /// A deep copy that may cross threads; empty when memory is short. [stack-thread]
  [[nodiscard]] Message detached() const noexcept;

  /// The frozen C view (stack/abi.h).
  [[nodiscard]] harness_message* c() noexcept { return &c_; }
  static Message& from_c(harness_message* message) noexcept { return *reinterpret_cast<Message*>(message); }

  static constexpr std::uint32_t message_limit = (1u << 28) - 1;

 private:
  Message(Slab* slab, std::uint32_t offset, std::uint32_t bytes) noexcept
      : c_{reinterpret_cast<unsigned char*>(slab->bytes()),
           offset,
           offset,
           slab,
           offset,
           offset + bytes,
           0,
           0,
           nullptr,
           {}} {}

  [[nodiscard]] std::byte* head() const noexcept {
    return reinterpret_cast<std::byte*>(c_.head_base) + c_.head_at;
  }
  [[nodiscard]] std::byte* data() const noexcept { return slab()->bytes() + c_.data_at; }
  [[nodiscard]] std::uint32_t data_size() const noexcept { return c_.data_end - c_.data_at; }
  [[nodiscard]] bool headers_touch_body() const noexcept {
    return reinterpret_cast<std::byte*>(c_.head_base) + c_.head_end == data();
  }
  [[nodiscard]] Slab* slab() const noexcept { return static_cast<Slab*>(c_.slab); }
  [[nodiscard]] Piece* more() const noexcept { return static_cast<Piece*>(c_.more); }
  void forget() noexcept {
    c_.slab = nullptr;
    c_.more = nullptr;
    c_.head_at = c_.head_end = c_.data_at = c_.data_end = c_.more_bytes = c_.reserved = 0;  // one run
    head_slab_ = nullptr;
  }
  void release() noexcept;
  void release_scattered() noexcept;
  void release_more() noexcept;
  bool grow_head(std::uint32_t bytes) noexcept;
  bool join_headers(Pool& pool) noexcept;
  bool pull_up(std::uint32_t bytes) noexcept;
  void copy_runs(std::byte* to) const noexcept;
  Message view(Pool& pool, std::uint32_t offset, std::uint32_t bytes, bool with_headers) const noexcept;
  Message reference_runs(Pool& pool, std::uint32_t offset, std::uint32_t bytes) const noexcept;
  bool refer_to_body(Pool& pool, const Message& of, std::uint32_t offset, std::uint32_t bytes) noexcept;
  void prepend(Piece* piece) noexcept {
    if (c_.more == nullptr) last_ = piece;
    c_.more = piece;
  }
  void drop_front_piece() noexcept;
  void let_go(Slab* first) noexcept;
  void set_first(Slab* owner, std::byte* from, std::uint32_t bytes) noexcept;
  void copy_body(std::byte* to) const noexcept;
  bool append_piece(Pool& pool, Slab* slab, std::byte* data, std::uint32_t bytes) noexcept;

  harness_message c_{};
  Slab* head_slab_ =
      nullptr;             // owner of a header block of its own; null: headers lie in the first piece's slab
  Piece* last_ = nullptr;  // last further piece; meaningful only while there is one
};
static_assert(HARNESS_SLAB_HEADER == sizeof(Slab) && offsetof(harness_message, slab) == 16 &&
              offsetof(harness_message, more) == 40 && offsetof(harness_message, note) == 48 &&
              sizeof(harness_message) == 64);
static_assert(sizeof(Message) == 80 && std::is_standard_layout_v<Message>);

}  // namespace harness
