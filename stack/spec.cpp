// SPDX-License-Identifier: Apache-2.0
// Binds a stack's words to a catalogue, and prints what is bound in canonical form. The grammar is in
// spec_parse.cpp.
#include <harness/stack/spec.hpp>

#include <algorithm>

#include <harness/stack/text.hpp>

namespace harness {

namespace {

std::string did_you_mean(std::string_view word, std::span<const std::string_view> known) {
  const std::string_view near = text::closest(word, known);
  if (!near.empty()) return text::join({"did you mean ", near, "?"});
  return known.empty() ? std::string() : text::join({"one of ", text::list(known)});
}

/// "the layers of this program are …" for an unknown name.
tl::unexpected<Error> unknown(std::string_view kind, std::string_view name,
                              std::span<const std::string_view> known) {
  return fail(Errc::not_found, text::join({"there is no ", kind, " ", text::quoted(name)}),
              text::join({"known here: ", known.empty() ? std::string("none") : text::list(known)}),
              did_you_mean(name, known));
}

std::vector<std::string_view> names_of(std::span<const OptionSpec> table) {
  std::vector<std::string_view> names;
  for (const OptionSpec& option : table) names.push_back(option.name);
  return names;
}

Result<OptionValues> bind_options(const Word& word, std::span<const OptionSpec> table) {
  OptionValues values(table);
  std::vector<bool> given(table.size(), false);
  for (const auto& [key, value] : word.options) {
    const auto found =
        std::find_if(table.begin(), table.end(), [&key = key](const OptionSpec& o) { return o.name == key; });
    if (found == table.end())
      return unknown(text::join({"option of ", word.name, ":"}), key, names_of(table));
    const auto index = static_cast<std::size_t>(found - table.begin());
    if (given[index]) {
      return fail(Errc::invalid, text::join({"option ", found->name, " of ", word.name, " is given twice"}),
                  "each option has one value", text::join({word.name, "(", found->name, "=", value, ")"}));
    }
    given[index] = true;
    auto number = parse_value(*found, value);
    if (!number) {
      number.error().what = text::join({word.name, ": ", number.error().what});
      return tl::unexpected(std::move(number.error()));
    }
    values.set(index, *number);
  }
  return values;
}

Result<BoundLayer> bind_layer(const Word& word, const Catalogue& catalogue) {
  const LayerType* type = catalogue.layer(word.name);
  if (type == nullptr) {
    std::vector<std::string_view> known;
    for (const LayerType& layer : catalogue.layers()) known.push_back(layer.descriptor->name);
    return unknown("layer", word.name, known);
  }
  auto options = bind_options(word, type->descriptor->options);
  if (!options) return tl::unexpected(std::move(options.error()));
  return BoundLayer{type, std::move(*options)};
}

/// name(key=value, …) with the options that differ from their defaults, in the order of the table.
Word canonical(std::string_view name, std::span<const OptionSpec> table, const OptionValues& values) {
  Word word{std::string(name), {}};
  for (std::size_t i = 0; i < table.size() && i < values.size(); ++i)
    if (values[i] != table[i].standard)
      word.options.emplace_back(table[i].name, print_value(table[i], values[i]));
  return word;
}

constexpr std::uint64_t fnv_offset = 0xcbf29ce484222325u;
constexpr std::uint64_t fnv_prime = 0x100000001b3u;

}  // namespace

std::string StackSpec::text() const {
  StackText stack;
  for (const BoundLayer& layer : layers) {
    const Descriptor& descriptor = *layer.type->descriptor;
    stack.layers.push_back(canonical(descriptor.name, descriptor.options, layer.options));
  }
  if (transport != nullptr)
    stack.transport = canonical(transport->name, transport->options, transport_options);
  return print(stack);
}

std::uint64_t StackSpec::hash() const {
  std::uint64_t hash = fnv_offset;
  for (const char byte : text()) hash = (hash ^ static_cast<unsigned char>(byte)) * fnv_prime;
  return hash;
}

std::string_view StackSpec::name_of(std::size_t layer) const noexcept {
  if (layer < layers.size()) return layers[layer].type->descriptor->name;
  return transport != nullptr ? transport->name : std::string_view();
}

Result<StackSpec> resolve(const StackText& stack, const Catalogue& catalogue) {
  StackSpec spec;
  if (stack.layers.size() > spec_layers_max) {
    return fail(Errc::invalid, "the stack has too many layers",
                text::join({text::number(static_cast<std::int64_t>(stack.layers.size())), ", at most ",
                            text::number(static_cast<int>(spec_layers_max))}),
                "name fewer layers");
  }
  for (const Word& word : stack.layers) {
    auto layer = bind_layer(word, catalogue);
    if (!layer) return tl::unexpected(std::move(layer.error()));
    spec.layers.push_back(std::move(*layer));
  }
  spec.transport = catalogue.transport(stack.transport.name);
  if (spec.transport == nullptr) {
    std::vector<std::string_view> known;
    for (const TransportType& transport : catalogue.transports()) known.push_back(transport.name);
    return unknown("transport", stack.transport.name, known);
  }
  auto options = bind_options(stack.transport, spec.transport->options);
  if (!options) return tl::unexpected(std::move(options.error()));
  spec.transport_options = std::move(*options);
  return spec;
}

Result<std::vector<StackSpec>> resolve(const SpecText& spec, const Catalogue& catalogue) {
  std::vector<StackSpec> stacks;
  for (const StackText& stack : spec.stacks) {
    auto bound = resolve(stack, catalogue);
    if (!bound) return tl::unexpected(std::move(bound.error()));
    stacks.push_back(std::move(*bound));
  }
  return stacks;
}

Result<StackSpec> stack_from(std::string_view text, const Catalogue& catalogue) {
  auto spec = parse_spec(text);
  if (!spec) return tl::unexpected(std::move(spec.error()));
  if (spec->stacks.size() != 1) {
    return fail(
        Errc::invalid, "one stack is wanted here",
        text::join({"the text offers ", text::number(static_cast<std::int64_t>(spec->stacks.size()))}),
        print(spec->stacks.front()));
  }
  return resolve(spec->stacks.front(), catalogue);
}

const LayerType* encrypting_layer(const StackSpec& stack) noexcept {
  for (const BoundLayer& layer : stack.layers)
    if (layer.type->handshake != nullptr) return layer.type;
  return nullptr;
}

}  // namespace harness
