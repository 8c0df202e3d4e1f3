// SPDX-License-Identifier: Apache-2.0
// Read by tail_call_test.py as assembly, never linked: three layers as small as layers get. Forward and
// Header hand on by a jump. Held keeps a local whose address escapes, so its call cannot be the last act: the
// test must see that.
#include <harness/stack/layer.hpp>

namespace harness::probe {

inline constexpr Descriptor plain{.name = "probe"};

struct Forward {
  static constexpr Descriptor descriptor = plain;
  Forward(const OptionValues&, LayerContext&) {}
  template <class Below>
  void down(Message& message, Below below) {
    below(message);
  }
};

struct Header {
  static constexpr Descriptor descriptor = plain;
  Header(const OptionValues&, LayerContext&) {}
  template <class Below>
  void down(Message& message, Below below) {
    store(message.push(4), ++next_);
    below(message);
  }
  template <class Above>
  void up(Message& message, Above above) {
    if (message.pull(4) == nullptr) return;
    above(message);
  }
  std::uint32_t next_ = 0;
};

void look_at(Message& message);

struct Held {
  static constexpr Descriptor descriptor = plain;
  Held(const OptionValues&, LayerContext&) {}
  template <class Below>
  void down(Message& message, Below below) {
    Message local;
    look_at(local);
    below(message);
  }
};

LayerType types[] = {layer_type<Forward>(), layer_type<Header>(), layer_type<Held>()};

}  // namespace harness::probe
