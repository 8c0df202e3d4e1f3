// SPDX-License-Identifier: Apache-2.0
// One direction of a link as the application sees it: what was sent, what arrived, and whether that is what
// the stack promised. A message is known by its bytes: they are made from its number, most carry it.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include <harness/stack/compose.hpp>
#include <harness/stack/message.hpp>

namespace harness::tests {

/// What went wrong in a run, in the order it was seen; at most `lines_max` lines.
class Verdict {
 public:
  static constexpr std::size_t lines_max = 20;
  void fail(std::string line) {
    ++count_;
    if (lines_.size() < lines_max) lines_.push_back(std::move(line));
  }
  [[nodiscard]] bool ok() const noexcept { return count_ == 0; }
  [[nodiscard]] const std::vector<std::string>& lines() const noexcept { return lines_; }

 private:
  std::vector<std::string> lines_;
  std::uint64_t count_ = 0;
};

/// A hash of a message's body and channel, the same however the bytes are scattered.
std::uint64_t hash_of(const Message& message, unsigned channel);

class Flow {
 public:
  Flow(std::string name, std::uint64_t salt, Verdict& verdict)
      : name_(std::move(name)), salt_(salt), verdict_(verdict) {}

  /// What the stack gives on top; known once it is up.
  void promise(Properties word) noexcept { word_ = word; }
  /// Least bytes of a message that can be known again. Where messages may come twice each has its number: a
  /// copy of one must not be taken for an equal one sent later.
  [[nodiscard]] std::uint64_t bytes_min() const noexcept {
    return promised(property::no_duplicates) ? 0 : 12;
  }
  /// Writes the body of message number `number`: a number, then noise or, for `plain` ones, a repeated byte.
  void fill(MutableBytes body, std::uint32_t number, bool plain) const;
  void sent(std::uint64_t hash, std::uint32_t bytes, unsigned channel);
  /// Judges one delivery: known, whole, at most once, in order, without a gap, as far as promised.
  std::uint64_t delivered(const Message& message);
  /// The link closed in order at both ends: what is promised to arrive has arrived.
  void finish();

  [[nodiscard]] std::size_t sent_count() const noexcept { return sent_.size(); }
  [[nodiscard]] std::size_t delivered_count() const noexcept { return delivered_count_; }

 private:
  struct Sent {
    std::uint32_t ordinal;  // in its channel, from 1
    std::uint16_t channel;
    std::uint32_t bytes;
    std::uint32_t deliveries = 0;
  };
  [[nodiscard]] bool promised(Properties what) const noexcept { return word_.covers(what); }
  Sent* choose(std::vector<std::uint32_t>& candidates, std::uint32_t last);
  void fail(const char* what, const Sent* which);

  std::string name_;
  std::uint64_t salt_;
  Verdict& verdict_;
  Properties word_{};
  std::vector<Sent> sent_;
  std::unordered_map<std::uint64_t, std::vector<std::uint32_t>> by_hash_;
  std::uint32_t sent_in_channel_[32] = {};
  std::uint32_t last_in_channel_[32] = {};
  std::size_t delivered_count_ = 0;
};

}  // namespace harness::tests
