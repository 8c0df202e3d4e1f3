// SPDX-License-Identifier: Apache-2.0
// What compose, check and explain share, below their public face: the search without a transport's name, why
// it found nothing, and what would repair a refused stack.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <harness/stack/compose.hpp>

namespace harness {

struct Composed {
  std::vector<const LayerType*> layers;  // top first
  Cost cost;                             // the transport's included
};

/// The cheapest layers over `facts` for `needs`, or nothing when no stack of this catalogue meets them.
/// [any-thread]
std::optional<Composed> cheapest(const Needs& needs, const Facts& facts, const Catalogue& catalogue);

/// Why `cheapest` finds nothing: the smallest set of needs that no stack meets together, and what would help.
Error why_none(const Needs& needs, const TransportType& transport, const Facts& facts,
               const Catalogue& catalogue);

/// A change of a refused stack after which it is accepted, in words and with the resulting text; empty when
/// none is near: one layer moved, added or left out, the canonical order, or what compose derives.
/// [any-thread]
std::string repair(const StackSpec& stack, const Facts& facts, const Needs& needs,
                   const Catalogue& catalogue);

}  // namespace harness
