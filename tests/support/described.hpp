// SPDX-License-Identifier: Apache-2.0
// What an endpoint or a layer says of itself, by name.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include <harness/stack/stack.hpp>
#include <harness/stack/transport.hpp>

namespace harness::tests {

struct Described final : Describer {
  explicit Described(const Endpoint& endpoint) { endpoint.describe(*this); }
  Described(const Stack& stack, std::string_view layer) {
    stack.describe([&](std::string_view at, const std::function<void(Describer&)>& describe) {
      if (at == layer) describe(*this);
    });
  }
  void value(std::string_view name, std::uint64_t value) override { values[std::string(name)] = value; }
  void text(std::string_view name, std::string_view text) override { texts[std::string(name)] = text; }
  std::uint64_t operator[](std::string_view name) const { return values.at(std::string(name)); }

  std::map<std::string, std::uint64_t, std::less<>> values;
  std::map<std::string, std::string, std::less<>> texts;
};

}  // namespace harness::tests
