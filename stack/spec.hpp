// SPDX-License-Identifier: Apache-2.0
// A stack as text and as a value:  order / frag(size=16KiB) @ tcp | order / frag @ loop
//
//   spec  := stack { '|' stack }                       ordered preference
//   stack := [ layer { '/' layer } ] '@' transport     top first
//   word  := name [ '(' key '=' value { ',' key '=' value } ')' ]
//   name, key := letter { letter | digit | '_' }   value := { letter | digit | one of _ . % + - : } not empty
//
// Blanks, tabs and line ends may stand between any two of these. parse ∘ print = identity on what parse
// gives. `resolve` binds names and options to a catalogue; the text of what it gives is canonical: single
// blanks as above, options in the order of the layer's table, only those that differ from the default, values
// in canonical units.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <harness/stack/catalogue.hpp>
#include <harness/stack/result.hpp>

namespace harness {

/// `name(key=value, …)` as written: not yet known to exist.
struct Word {
  std::string name;
  std::vector<std::pair<std::string, std::string>> options;
  friend bool operator==(const Word&, const Word&) = default;
};

struct StackText {
  std::vector<Word> layers;  // top first
  Word transport;
  friend bool operator==(const StackText&, const StackText&) = default;
};

struct SpecText {
  std::vector<StackText> stacks;  // most preferred first
  friend bool operator==(const SpecText&, const SpecText&) = default;
};

inline constexpr std::size_t spec_text_bytes_max = 4096;
inline constexpr std::size_t spec_layers_max = 24;
inline constexpr std::size_t spec_stacks_max = 16;
inline constexpr std::size_t spec_options_max = 32;  // of one word

/// Reads a spec; errors (invalid) name line column, what was expected and what was found. Bounded by the
/// limits above.
Result<SpecText> parse_spec(std::string_view text);
std::string print(const Word& word);
std::string print(const StackText& stack);
std::string print(const SpecText& spec);

/// A layer of a stack, bound: its type and its option values.
struct BoundLayer {
  const LayerType* type = nullptr;
  OptionValues options;
};

/// A stack bound to a catalogue: known names, typed options. A value; the catalogue outlives it.
struct StackSpec {
  std::vector<BoundLayer> layers;  // top first
  const TransportType* transport = nullptr;
  OptionValues transport_options;

  /// Canonical text; equal stacks have equal texts on every host.
  [[nodiscard]] std::string text() const;
  /// The name of a layer by its index, top first; any index from layers.size() on names the transport.
  [[nodiscard]] std::string_view name_of(std::size_t layer) const noexcept;
  /// FNV-1a 64 of the canonical text.
  [[nodiscard]] std::uint64_t hash() const;
};

/// The type of the layer that encrypts, null when none does. [any-thread]
const LayerType* encrypting_layer(const StackSpec& stack) noexcept;

/// Binds names and options. Errors: not_found (unknown layer, transport or option, with a did-you-mean),
/// invalid (bad or out-of-range value, with the bounds). [any-thread]
Result<StackSpec> resolve(const StackText& stack, const Catalogue& catalogue);
Result<std::vector<StackSpec>> resolve(const SpecText& spec, const Catalogue& catalogue);
/// parse + resolve of a text with exactly one stack.
Result<StackSpec> stack_from(std::string_view text, const Catalogue& catalogue);

}  // namespace harness
