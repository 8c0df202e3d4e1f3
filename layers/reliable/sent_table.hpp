// SPDX-License-Identifier: Apache-2.0
// Every packet under way, by its number: when it left, and the bytes to send again if it is lost.
//
// A ring in one pool slab, doubled when it is full, given back when nothing is under way. The bytes of a
// message are owned by exactly one packet, the one that carries them last: a retransmission moves them to its
// own number and leaves `successor` behind, so that a late acknowledgement of the first still finds them.
// Packets in flight form one list in the order sent, those to be sent again another, both through the ring,
// so that neither loss detection nor an acknowledgement ever walks over what is done.
// Rejected: a node a packet (an allocation and a cache miss each); keeping a copy of the bytes.
// Bounds: packets_max numbers between the oldest of interest and the newest.
#pragma once

#include <cstdint>
#include <utility>

#include <harness/layers/reliable/retained.hpp>

namespace harness::layers {

/// What a message that travels in several packets has not been acknowledged of yet.
struct Split {
  std::uint32_t left_bytes;
};

struct alignas(64) Sent {
  enum class State : std::uint8_t {
    skipped,  // a number that was never used on the wire (RFC 9000 §21.4)
    flying,   // counted in flight
    lost,     // thought lost; its data, if it has any, wait to be sent again
    done,     // acknowledged
  };
  Retained data;  // as the layers above handed it down; empty: none, or moved on to the successor
  std::uint64_t sent_ns = 0;
  Split* split = nullptr;       // set: data is a part of a message
  std::uint32_t message = 0;    // low bits of the message number
  std::uint32_t offset = 0;     // of data in its message
  std::uint32_t cut = 0;        // bytes of data that have been sent again in smaller packets
  std::uint32_t bytes = 0;      // of the packet
  std::uint32_t successor = 0;  // low bits of the number that carries the data now
  std::uint32_t before = 0;     // in the list of its state, low bits of numbers, 0: end
  std::uint32_t after = 0;
  State state = State::skipped;
  std::uint8_t channel = 0;  // of the message, and how urgent it is: for the layers below
  std::uint8_t priority = 0;
  bool more : 1 = false;       // a part that is not its message's last
  bool mtu_probe : 1 = false;  // its loss says nothing about congestion
};
static_assert(sizeof(Sent) == 64);

class SentTable {
 public:
  static constexpr std::uint32_t packets_min = 16;
  static constexpr std::uint32_t packets_max = 1u << 16;
  static constexpr std::uint32_t ghosts_max = 64;

  /// Numbers of packets in the order they entered the list.
  struct List {
    std::uint32_t front = 0;
    std::uint32_t back = 0;
    [[nodiscard]] bool empty() const noexcept { return front == 0; }
  };

  SentTable() = default;
  SentTable(const SentTable&) = delete;
  SentTable& operator=(const SentTable&) = delete;
  ~SentTable() { clear(); }

  [[nodiscard]] std::uint64_t next() const noexcept { return next_; }    // number of the next packet
  [[nodiscard]] std::uint64_t first() const noexcept { return first_; }  // oldest number of interest
  [[nodiscard]] std::uint32_t room() const noexcept {
    return capacity_ - static_cast<std::uint32_t>(next_ - first_);
  }
  /// Makes room for at least one more packet; false at the bound or the pool's limit. [stack-thread]
  bool make_room(Pool& pool) noexcept;
  /// The record of the next number, in flight from now on. Requires: room() > 0.
  Sent& append(std::uint64_t now_ns) noexcept {
    const auto number = static_cast<std::uint32_t>(next_++);
    Sent& sent = at(number);
    sent.sent_ns = now_ns;
    sent.split = nullptr;
    sent.offset = sent.cut = sent.successor = 0;
    sent.more = sent.mtu_probe = false;
    sent.state = Sent::State::flying;
    push(flying_, number);
    return sent;
  }
  /// Leaves a number out. Requires: room() > 0.
  void skip() noexcept { at(static_cast<std::uint32_t>(next_++)).state = Sent::State::skipped; }
  /// The record of a number by its low bits. Requires: first() ≤ number < next().
  [[nodiscard]] Sent& at(std::uint32_t number) const noexcept { return ring_[number & (capacity_ - 1)]; }
  [[nodiscard]] bool holds(std::uint64_t number) const noexcept { return number >= first_ && number < next_; }
  /// The full number of low bits that are in the table.
  [[nodiscard]] std::uint64_t full(std::uint32_t low) const noexcept {
    return first_ + static_cast<std::uint32_t>(low - static_cast<std::uint32_t>(first_));
  }

  [[nodiscard]] const List& flying() const noexcept { return flying_; }
  [[nodiscard]] const List& lost() const noexcept { return lost_; }
  /// Lost ones whose data travel on under other numbers; at most ghosts_max.
  [[nodiscard]] const List& ghosts() const noexcept { return ghosts_; }
  /// The packet is in no list any more.
  void take_out(std::uint32_t number) noexcept;
  /// From flying to lost; into the list of those to be sent again when it has data.
  void mark_lost(std::uint32_t number) noexcept;
  /// From either to done.
  void mark_done(std::uint32_t number) noexcept;
  /// The data of `from` belong to the later `to` from now on.
  void hand_over(std::uint32_t from, std::uint32_t to) noexcept {
    at(to).data = take_data(from);
    at(from).successor = to;
  }
  /// All data of a lost packet have been sent again in smaller ones.
  void forget_data(std::uint32_t number) noexcept { take_data(number).reset(); }
  /// The oldest packet in flight, which was acknowledged; what is behind it follows.
  void take_front() noexcept {
    Sent& sent = at(flying_.front);
    if (first_ == full(flying_.front)) ++first_;
    flying_.front = sent.after;
    (sent.after != 0 ? at(sent.after).before : flying_.back) = 0;
    sent.state = Sent::State::done;
  }
  /// The lost packet's data were acknowledged, or travel elsewhere: it is remembered, not sent again.
  Retained take_data(std::uint32_t number) noexcept;
  /// Forgets the oldest numbers that are done, and ghosts sent before `forget_ns`.
  void retire(std::uint64_t forget_ns) noexcept;
  /// Gives everything back; numbers go on.
  void clear() noexcept;
  void take(SentTable& other) noexcept;

 private:
  void push(List& list, std::uint32_t number) noexcept {
    Sent& sent = at(number);
    sent.before = list.back;
    sent.after = 0;
    (list.back != 0 ? at(list.back).after : list.front) = number;
    list.back = number;
  }
  void unlink(List& list, Sent& sent) noexcept {
    (sent.before != 0 ? at(sent.before).after : list.front) = sent.after;
    (sent.after != 0 ? at(sent.after).before : list.back) = sent.before;
  }
  void give_back() noexcept;

  Sent* ring_ = nullptr;  // in a slab of its own
  std::uint32_t capacity_ = 0;
  void haunt(std::uint32_t number) noexcept;

  List flying_;
  List lost_;
  List ghosts_;
  std::uint32_t ghost_count_ = 0;
  std::uint64_t first_ = 1;
  std::uint64_t next_ = 1;
};

}  // namespace harness::layers
