// SPDX-License-Identifier: Apache-2.0
// frag at the end of a link: a close goes down behind the last part.
#include <gtest/gtest.h>

#include <harness/layers/frag.hpp>
#include <harness/tests/support/pair.hpp>

namespace harness::layers {
namespace {

using tests::layer;
using tests::Pair;

/// Notes how many messages had gone down when the close did.
struct AtClose {
  static constexpr Descriptor descriptor{.name = "at_close", .summary = "counts frames before a close"};
  AtClose(const OptionValues&, LayerContext&) {}
  template <class Below>
  void down(Message& message, Below below) {
    ++frames;
    below(message);
  }
  void on(const Event& event, Onward onward) {
    if (event.kind == EventKind::close) frames_at_close.push_back(frames);
    onward(event);
  }
  unsigned frames = 0;
  std::vector<unsigned> frames_at_close;
};

TEST(Frag, FlushesBeforeItPassesACloseOn) {
  Pair pair({layer<Frag>()}, {.capacity_frames = 2});
  ASSERT_EQ(pair.ends[0].send(std::string(20'000, 'x')), Errc::ok);
  pair.ends[0].gate.hold(Gate::link_bit);
  pair.ends[0].stack->event({EventKind::close});
  EXPECT_NE(pair.ends[0].gate.word() >> 32, 0u);  // the link waits while a channel is held
  pair.run();
  EXPECT_EQ(pair.ends[0].gate.word() >> 32, 0u);
  ASSERT_EQ(pair.ends[1].delivered.size(), 1u);
}

TEST(Frag, PassesACloseOnOnceAndBehindItsLastPart) {
  Pair pair({layer<Frag>(), layer<AtClose>()}, {.capacity_frames = 2});
  ASSERT_EQ(pair.ends[0].send(std::string(20'000, 'x')), Errc::ok);
  pair.ends[0].stack->event({EventKind::close});
  pair.run();
  const auto& below = *static_cast<AtClose*>(pair.ends[0].stack->layer(1));
  EXPECT_EQ(below.frames_at_close, std::vector<unsigned>{below.frames});
}

}  // namespace
}  // namespace harness::layers
