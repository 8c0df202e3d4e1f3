// SPDX-License-Identifier: Apache-2.0
// check: does this stack give what is needed?  compose: the cheapest stack that does.  explain: why each
// layer is there.
//
// State of a partial stack = (property word, largest message). A layer may stand on a state that covers what
// it requires and shares nothing with what it forbids; it clears, then adds (contract.hpp has the step and
// the rules R1 to R5). compose is Dijkstra over these states from the transport's facts; cost is
// lexicographic over the constants of descriptors, so both ends and every host derive the same stack. Greedy
// is wrong because of `clears`. A layer that gives nothing new is legal once, with a note, refused the second
// time, and never derived; layers that promise nothing (checkers, faults) may stand anywhere. Sources: design
// §3; research on Horus' property tables.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <harness/stack/spec.hpp>

namespace harness {

/// What a link must guarantee: the application's wishes and the floor for this pair of domains.
struct Needs {
  Properties word{};
  std::uint32_t max_message = 0;  // 0: whatever the stack gives
};

/// What is needed at least of a link to a peer as near as `trust` says: between domains, encryption without a
/// gap. [any-thread]
Needs with_domain_floor(Needs needs, Properties trust) noexcept;

/// What a stack gives to the application on top, and what it costs.
struct Given {
  Properties word{};
  std::uint32_t max_message = 0;
  Cost cost{};
};

/// A finding about one layer of a written stack that is legal but superfluous.
struct Note {
  std::size_t layer;  // index, top first
  std::string text;
};

struct Checked {
  Given given;
  std::vector<Given> below;                  // below[i]: what layer i (top first) stands on
  std::vector<Note> notes;                   // "order is redundant here: tcp already keeps fifo order"
  std::vector<std::string_view> disturbing;  // fault layers, top first: they only take away
};

/// Whether check would prove the stack, without words and at the cost of one walk. [any-thread]
bool accepts(const StackSpec& stack, const Facts& facts, const Needs& needs);

/// Proves a stack over `facts` against `needs`. Refusals (denied) name the two layers, the missing property
/// and a fix that was tried: a text that check accepts, or what must be given up. Requires: a resolved stack.
/// [any-thread]
Result<Checked> check(const StackSpec& stack, const Facts& facts, const Needs& needs,
                      const Catalogue& catalogue);

/// Whether a floor stands in the way: the stack gives what is wished, and not what `floor` adds to it.
/// [any-thread]
bool floor_bars(const StackSpec& stack, const Facts& facts, const Needs& wished, Properties floor);
/// The same refusal, told as that of a floor between two domains: "the floor is not met". [any-thread]
Error floor_not_met(Error refused, std::string_view domain, std::string_view other, Properties floor);

/// The cheapest stack over one transport; layers with default options. Among equally cheap ones the fewest
/// layers, then the canonical order. Error unsupported: names the minimal set of needs that no stack meets
/// and what would. [any-thread]
Result<StackSpec> compose(const Needs& needs, const TransportType& transport,
                          const OptionValues& transport_options, const Facts& facts,
                          const Catalogue& catalogue);

/// Why one layer is there.
struct Reason {
  std::string layer;
  std::string why;  // the need, or the layer above, that forced it
  std::uint32_t header_bytes;
  std::uint32_t nominal_ns;
};
struct Explanation {
  std::string stack;                  // canonical text
  std::vector<Reason> reasons;        // top first, the transport last
  std::vector<std::string> rejected;  // "over tcp without frag: largest message 262144 < 1048576 needed"
  std::vector<std::string> notes;
  Given given;
};
/// Explains a stack that check accepts. Errors: those of check. [any-thread]
Result<Explanation> explain(const StackSpec& stack, const Facts& facts, const Needs& needs,
                            const Catalogue& catalogue);

}  // namespace harness
