// SPDX-License-Identifier: Apache-2.0
// The walk up a written stack, on descriptors alone: what each layer stands on, and the first thing that is
// wrong.
//
// check turns it into sentences, repair tries changed stacks with it, explain asks it what would be wrong
// without a layer. One walk allocates nothing when no standings are asked for.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include <harness/stack/compose.hpp>
#include <harness/stack/contract.hpp>

namespace harness {

using Layers = std::span<const Descriptor* const>;  // top first

enum class Flaw : std::uint8_t {
  objection,  // a layer may not stand where it stands
  twice,      // a layer stands twice and the upper one gives nothing new
  word,       // the link needs what the top does not give
  size,       // the link needs larger messages than the top takes
  too_many,   // layers
};

struct Refusal {
  Flaw flaw = Flaw::objection;
  std::size_t layer = 0;  // top first; the number of layers where no layer is at fault
  Objection objection = Objection::none;
  Properties missing{};  // at the level needed; for forbids_below: what stands in the way
};

/// The first refusal met from the bottom up, or nothing. `below`, when given, receives what layer i stands on
/// and, as its last element, what the application stands on. [any-thread]
std::optional<Refusal> refusal_of(Layers layers, const Facts& facts, const Needs& needs,
                                  std::vector<Standing>* below = nullptr);

/// What the layers above `index` forbid. [any-thread]
Properties forbidden_above(Layers layers, std::size_t index) noexcept;

/// The descriptors of a stack, top first.
std::vector<const Descriptor*> descriptors_of(const StackSpec& stack);

/// "frag needs reliable below it": what is wrong, without the why. [any-thread]
std::string sentence(const Refusal& refusal, Layers layers, std::string_view transport, const Facts& facts,
                     const Needs& needs);

}  // namespace harness
