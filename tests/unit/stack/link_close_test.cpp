// SPDX-License-Identifier: Apache-2.0
// The orderly end of a link as its layers see it.
#include <gtest/gtest.h>

#include <harness/stack/node.hpp>
#include <harness/tests/support/manual_engine.hpp>
#include <harness/transports/loop.hpp>

namespace harness {
namespace {

constexpr std::uint64_t ms = 1'000'000;

/// Counts the `closed` events that pass it, all instances together.
struct Listener {
  static constexpr Descriptor descriptor{.name = "listener", .summary = "hears events"};
  Listener(const OptionValues&, LayerContext&) {}
  void on(const Event& event, Onward onward) {
    heard += event.kind == EventKind::closed ? 1 : 0;
    onward(event);
  }
  static inline int heard = 0;
};

TEST(LinkClose, LayersHearThatItClosedInOrderBeforeTheApplicationDoes) {
  tests::ManualEngine engine;
  Catalogue catalogue;
  catalogue.add<Listener>();
  catalogue.add(transports::Loop::type());
  auto loop = std::make_shared<transports::Loop>(engine);
  engine.add(*loop);
  Node a(engine, catalogue, NodeOptions{"a", "lab", "host"});
  Node b(engine, catalogue, NodeOptions{"b", "lab", "host"});
  for (Node* node : {&a, &b}) node->add(loop);
  int closed_at_b = 0;
  b.on_link([&](const std::shared_ptr<Link>& link) {
    link->on_event([&](const Event& event) { closed_at_b += event.kind == EventKind::closed ? 1 : 0; });
  });
  ASSERT_TRUE(b.listen("loop:b"));
  LinkOptions options;
  options.offers = {{*stack_from("listener @ loop", catalogue), "b"}};
  auto link = *a.connect("b", std::move(options));
  engine.settle();
  ASSERT_TRUE(link->is_up()) << link->error().text();
  Listener::heard = 0;
  int heard_before = 0;
  link->on_event([&](const Event& event) {
    if (event.kind == EventKind::closed) heard_before = Listener::heard;
  });
  link->close();
  engine.pass(10 * ms);
  EXPECT_GE(heard_before, 1);
  EXPECT_EQ(Listener::heard, 2) << "each end once";
  EXPECT_EQ(closed_at_b, 1);
}

}  // namespace
}  // namespace harness
