// SPDX-License-Identifier: Apache-2.0
// See flow.hpp.
#include <harness/tests/sim/flow.hpp>

#include <cstring>

#include <fmt/format.h>

#include <harness/stack/random.hpp>

namespace harness::tests {

std::uint64_t hash_of(const Message& message, unsigned channel) {
  std::uint64_t hash = (0xcbf29ce484222325u ^ channel) * 0x100000001b3u;  // not to be undone by a byte
  std::uint64_t word = 0;
  unsigned filled = 0;
  const auto mix = [&] {
    hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
    hash ^= hash >> 32;
    word = filled = 0;
  };
  message.each_run([&](Bytes run) {
    std::size_t at = 0;
    while (at < run.size()) {
      if (filled == 0 && run.size() - at >= 8) {
        word = load<std::uint64_t>(run.data() + at);
        at += 8;
        mix();
        continue;
      }
      word |= static_cast<std::uint64_t>(run[at++]) << 8 * filled;
      if (++filled == 8) mix();
    }
    return true;
  });
  word ^= std::uint64_t{message.size()} << 32;
  mix();
  return hash;
}

void Flow::fill(MutableBytes body, std::uint32_t number, bool plain) const {
  if (plain) {
    std::memset(body.data(), static_cast<int>(number & 0xff), body.size());
  } else {
    Random noise(salt_ ^ number);
    std::size_t at = 0;
    for (; at + 8 <= body.size(); at += 8) store<std::uint64_t>(body.data() + at, noise.next());
    for (; at < body.size(); ++at) body[at] = static_cast<std::byte>(noise.next());
  }
  if (body.size() >= 12) store<std::uint32_t>(body.data(), number);
}

void Flow::sent(std::uint64_t hash, std::uint32_t bytes, unsigned channel) {
  const auto index = static_cast<std::uint32_t>(sent_.size());
  sent_.push_back({++sent_in_channel_[channel], static_cast<std::uint16_t>(channel), bytes});
  by_hash_[hash].push_back(index);
}

// Equal messages cannot be told apart: the reading that keeps the promises is taken.
Flow::Sent* Flow::choose(std::vector<std::uint32_t>& candidates, std::uint32_t last) {
  for (const std::uint32_t index : candidates)
    if (sent_[index].deliveries == 0 && (!promised(property::fifo) || sent_[index].ordinal > last))
      return &sent_[index];
  return &sent_[candidates.back()];
}

std::uint64_t Flow::delivered(const Message& message) {
  ++delivered_count_;
  const unsigned channel = message.note().channel;
  const std::uint64_t hash = hash_of(message, channel);
  const auto found = by_hash_.find(hash);
  if (found == by_hash_.end()) {
    if (promised(property::checked16))
      verdict_.fail(fmt::format("{}: delivered {} bytes on channel {} that nobody sent", name_,
                                message.body_size(), channel));
    return hash;
  }
  std::uint32_t& last = last_in_channel_[channel];
  Sent& which = *choose(found->second, last);
  const bool again = which.deliveries++ != 0;
  if (again && promised(property::no_duplicates)) fail("delivered twice", &which);
  if (promised(property::fifo)) {
    if (which.ordinal < last || (which.ordinal == last && !again)) fail("delivered out of order", &which);
    if (promised(property::reliable) && which.ordinal > last + 1)
      fail("delivered before the one before it", &which);
    last = std::max(last, which.ordinal);
  }
  return hash;
}

void Flow::finish() {
  if (!promised(property::reliable)) return;
  for (const Sent& each : sent_)
    if (each.deliveries == 0) return fail("never delivered although the link closed in order", &each);
}

void Flow::fail(const char* what, const Sent* which) {
  verdict_.fail(fmt::format("{}: message {} of channel {} ({} bytes) {}; {} sent, {} delivered", name_,
                            which->ordinal, which->channel, which->bytes, what, sent_.size(),
                            delivered_count_));
}

}  // namespace harness::tests
