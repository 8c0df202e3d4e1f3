// SPDX-License-Identifier: Apache-2.0
// See support.hpp.
#include <harness/layers/check/support.hpp>

#include <algorithm>
#include <bit>

namespace harness::layers::check {

void Breaches::report(LayerContext& context, std::string_view detail, std::uint64_t how_many) {
  const std::uint64_t before = count_;
  count_ += how_many;
  if (std::bit_width(count_) == std::bit_width(before)) return;
  context.events({EventKind::violated, Errc::ok, detail, count_});
}

Arrivals::~Arrivals() {
  for (Channel* channel : channels_) free_pooled(channel);
}

void Arrivals::Channel::set(std::uint64_t sequence, bool arrived) noexcept {
  std::uint64_t& word = bits[sequence % window / 64];
  const std::uint64_t bit = std::uint64_t{1} << sequence % 64;
  word = arrived ? word | bit : word & ~bit;
}

std::uint64_t Arrivals::Channel::absent() const noexcept {
  std::uint64_t arrived = 0;
  for (const std::uint64_t word : bits) arrived += static_cast<unsigned>(std::popcount(word));
  return std::min(top, window) - arrived;
}

// Moves the window up to end at `to`; returns how many left it unseen. At most `window` steps, whatever the
// leap.
std::uint64_t Arrivals::Channel::advance(std::uint64_t to) noexcept {
  std::uint64_t missing = 0;
  if (to - top > window) {  // all that is in it leaves, and the first of the leap were never in it
    missing = absent() + (to - top - window);
    bits.fill(0);
    top = to;
  }
  while (top < to) {
    const std::uint64_t entering = ++top;  // its slot held the number one window before
    missing += entering > window && !has(entering) ? 1u : 0u;
    set(entering, false);
  }
  return missing;
}

Arrivals::Sight Arrivals::note(wire::Numbered number, std::uint64_t& missing) noexcept {
  Channel*& channel = channels_[number.channel];
  if (channel == nullptr) channel = new_pooled<Channel>(pool_, nullptr);
  if (channel == nullptr) return Sight::unknown;
  if (number.sequence > channel->top) {
    missing += channel->advance(number.sequence);
  } else if (number.sequence + window <= channel->top) {
    return Sight::unknown;
  } else if (channel->has(number.sequence)) {
    return Sight::repeated;
  }
  channel->set(number.sequence, true);
  return Sight::fresh;
}

std::uint64_t Arrivals::absent() const noexcept {
  std::uint64_t missing = 0;
  for (const Channel* channel : channels_) missing += channel != nullptr ? channel->absent() : 0;
  return missing;
}

}  // namespace harness::layers::check
