// SPDX-License-Identifier: Apache-2.0
// One step of a stack: may this layer stand on what is below it, and what does it give on top?
//
// check walks a written stack with this step, compose searches with it, Stack::build gives each layer what it
// says: one meaning in one place. The step knows contracts only; no layer and no transport is named here. The
// rules:
//   R1  on a link to a foreign domain, what sends control or keeps state because of received bytes needs
//       authenticated input
//   R2  there too, what makes much out of little needs authenticated input; and encryption hides only what is
//       above it, so nothing that promises anything stands below an encrypting layer
//   R3  what confidentiality takes away (native put, loan, place) is in `clears`
//   R4  follows from R2's second half: of two encrypting layers one would stand above the other
//   R5  fragmentation above reliability is in the `requires_below` of what fragments
// Coverage ("no control byte ever left unauthenticated") is computed here: it starts true and can only be
// lost.
#pragma once

#include <cstdint>

#include <harness/stack/descriptor.hpp>

namespace harness {

/// What the lower part of a stack gives.
struct Standing {
  Properties word{};
  std::uint32_t max_message = 0;
  bool bare = true;  // nothing that promises anything stands on the transport yet
};

enum class Objection : std::uint8_t {
  none,
  requires_below,  // the word below lacks something
  forbids_below,   // the word below has something
  frame,           // the messages taken below are too small for this layer and its header
  buried,          // an encrypting layer would leave what is below it in clear (R2, R4)
  forgeable,       // control or state on a foreign link without authenticated input (R1)
  expands,         // much out of little on a foreign link without authenticated input (R2)
};

/// True for what observes or disturbs but promises nothing (checkers, faults): it may stand anywhere, and
/// repeatedly.
constexpr bool promises_nothing(const Contract& contract) noexcept {
  return contract.adds.empty() && !contract.unlimited_message && !contract.emits_control &&
         !contract.state_on_rx && !contract.expands_input && !contract.encrypts;
}

/// True for what only takes away: a fault layer.
constexpr bool disturbs(const Contract& contract) noexcept {
  return promises_nothing(contract) && !contract.clears.empty();
}

constexpr bool touched_by_peer(const Contract& contract) noexcept {
  return (contract.emits_control || contract.state_on_rx) && !contract.encrypts;
}

/// What a transport gives before the first layer.
constexpr Standing standing_on(const Facts& facts) noexcept {
  const std::uint32_t largest = facts.max_message < message_bytes_max ? facts.max_message : message_bytes_max;
  return {facts.word | property::covered, largest, true};
}

/// True when R1 and R2 bind: the peer is foreign.
constexpr bool guarded(const Facts& facts) noexcept { return property::level(facts.word, Axis::trust) == 0; }

/// Why `layer` may not stand on `below`; none when it may.
constexpr Objection objection(const Descriptor& layer, const Standing& below, bool is_guarded) noexcept {
  const Contract& contract = layer.contract;
  if (contract.encrypts && !below.bare) return Objection::buried;
  if (!below.word.covers(contract.requires_below)) return Objection::requires_below;
  if (below.word.intersects(contract.forbids_below)) return Objection::forbids_below;
  if (below.max_message <= layer.header_bytes_max || below.max_message < contract.frame_bytes_min)
    return Objection::frame;
  if (!is_guarded || below.word.covers(property::authenticated)) return Objection::none;
  if (touched_by_peer(contract)) return Objection::forgeable;
  return contract.expands_input && !contract.encrypts ? Objection::expands : Objection::none;
}

/// What stands above `layer`. Requires: no objection, or the caller goes on in spite of it.
constexpr Standing above(const Descriptor& layer, const Standing& below) noexcept {
  const Contract& contract = layer.contract;
  Standing next{below.word.without(contract.clears) | contract.adds, message_bytes_max,
                below.bare && promises_nothing(contract)};
  if (touched_by_peer(contract) && !below.word.covers(property::authenticated))
    next.word = next.word.without(property::covered);
  if (!contract.unlimited_message)
    next.max_message =
        below.max_message > layer.header_bytes_max ? below.max_message - layer.header_bytes_max : 0;
  return next;
}

/// True when the layer between `before` and `after` gives nothing new, nor takes away what stands in the way
/// of others: `forbidden` is what layers above it forbid.
constexpr bool superfluous(const Standing& before, const Standing& after, Properties forbidden) noexcept {
  const bool nothing_new = before.word.covers(after.word) && before.max_message >= after.max_message;
  return nothing_new && !before.word.without(after.word).intersects(forbidden);
}

constexpr Cost operator+(const Cost& a, const Cost& b) noexcept {
  return {a.round_trips + b.round_trips, a.nominal_ns + b.nominal_ns, a.header_bytes + b.header_bytes};
}

}  // namespace harness
