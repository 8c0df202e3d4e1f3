// SPDX-License-Identifier: Apache-2.0
// The layers and transports a program knows, by name. Filled by main() (layers/all.hpp, transports/all.hpp),
// never by static constructors; handed to whoever composes or builds stacks; unchanged afterwards, so any
// thread may read it.
#pragma once

#include <string_view>
#include <vector>

#include <harness/stack/layer.hpp>
#include <harness/stack/transport.hpp>

namespace harness {

class Catalogue {
 public:
  static constexpr std::size_t layers_max = 64;

  template <Layer L>
  void add() {
    add(layer_type<L>());
  }
  /// Adds a layer or transport; a second one of the same name is ignored.
  void add(const LayerType& type) {
    if (layer(type.descriptor->name) == nullptr && layers_.size() < layers_max) layers_.push_back(type);
  }
  void add(const TransportType& type) {
    if (transport(type.name) == nullptr) transports_.push_back(type);
  }

  /// nullptr when unknown.
  [[nodiscard]] const LayerType* layer(std::string_view name) const noexcept {
    for (const LayerType& type : layers_)
      if (type.descriptor->name == name) return &type;
    return nullptr;
  }
  [[nodiscard]] const TransportType* transport(std::string_view name) const noexcept {
    for (const TransportType& type : transports_)
      if (type.name == name) return &type;
    return nullptr;
  }
  [[nodiscard]] const std::vector<LayerType>& layers() const noexcept { return layers_; }
  [[nodiscard]] const std::vector<TransportType>& transports() const noexcept { return transports_; }

 private:
  std::vector<LayerType> layers_;
  std::vector<TransportType> transports_;
};

}  // namespace harness
