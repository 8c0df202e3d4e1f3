// SPDX-License-Identifier: Apache-2.0
// Two ends of one stack without a transport: what one sends the other receives inside the call. For what a
// layer costs by itself.
#pragma once

#include <array>
#include <memory>

#include <harness/bench/support/known_peer.hpp>
#include <harness/bench/support/still_engine.hpp>
#include <harness/stack/spec.hpp>
#include <harness/stack/stack.hpp>

namespace harness::bench {

struct Mirror {
  struct End {
    Gate gate;
    std::unique_ptr<Stack> stack;
    Mirror* mirror = nullptr;
    unsigned index = 0;
  };

  explicit Mirror(const StackSpec& spec) {
    for (const BoundLayer& layer : spec.layers)
      if (layer.type->handshake != nullptr && layers::encryption::libraries_ready())
        hands = shaken_hands(*layer.type, authorities[0], authorities[1]);
    for (unsigned i = 0; i < 2; ++i) {
      ends[i].mirror = this;
      ends[i].index = i;
      const Foundation foundation{
          .engine = engine,
          .bottom = {&Mirror::down, &ends[i], nullptr},
          .facts = {property::message | property::reliable | property::fifo | property::no_duplicates,
                    65536,
                    {}},
          .gate = ends[i].gate,
          .quota = nullptr,
          .role = i == 0 ? Role::initiator : Role::responder,
          .max_message = 1 << 20,
          .peer_quota_bytes = 4 << 20,
          .handshake = hands[i].get()};
      auto built =
          Stack::build(spec, foundation, [](void*, Message&) {}, [](void*, const Event&) {}, &ends[i]);
      if (built) ends[i].stack = std::move(*built);
    }
    for (End& end : ends)
      if (end.stack) end.stack->event({EventKind::up});
  }
  static void down(void* self, const Entry*, harness_message* message) {
    auto& end = *static_cast<End*>(self);
    const auto& peer = end.mirror->ends[1 - end.index].stack;
    if (!peer || !Message::from_c(message).as_received(end.mirror->engine.pool())) return;
    const Entry up = peer->up();
    up.fn(up.self, up.next, message);
  }
  std::array<KnownPeer, 2> authorities;
  std::array<std::unique_ptr<Handshake>, 2> hands;
  StillEngine engine;
  std::array<End, 2> ends;
};

}  // namespace harness::bench
