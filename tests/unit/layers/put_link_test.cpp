// SPDX-License-Identifier: Apache-2.0
// put on links: what is under way when one closes.
#include <deque>

#include <gtest/gtest.h>

#include <harness/layers/all.hpp>
#include <harness/layers/frag.hpp>
#include <harness/layers/order.hpp>
#include <harness/tests/unit/stack/node_fixture.hpp>

namespace harness {
namespace {

class PutLinkTest : public tests::NodeTest {
 protected:
  PutLinkTest() { layers::add_all(catalogue_); }

  void open(const std::string& stack) {
    a_ = start("a");
    b_ = serve("b");
    link_ = a_->node->connect("b", to("b", stack)).value();
    settle();
    ASSERT_TRUE(link_->is_up());
    ASSERT_NE(b_->ear.link, nullptr);
    region_ = *b_->ear.link->regions().expose(std::as_writable_bytes(std::span(memory_)), Access::all);
  }

  std::array<std::uint64_t, 1000> memory_{};
  std::unique_ptr<Host> a_, b_;
  std::shared_ptr<Link> link_;
  RegionHandle region_;
};

TEST_F(PutLinkTest, ALinkWithoutPutHasNoOneSidedAccess) {
  open("order / frag @ loop");
  EXPECT_EQ(link_->one_sided(), nullptr);
}

// The hooks of a stack without put are those of a node that never knew it; with it there is one more each
// way.
TEST_F(PutLinkTest, AnAbsentPutIsNoHook) {
  const auto hooks = [](const Catalogue& catalogue, const std::string& stack) {
    tests::ManualEngine engine;
    Gate gate;
    const Foundation foundation{.engine = engine,
                                .bottom = {&Receiver::ignore_data, nullptr, nullptr},
                                .facts = {property::message | property::reliable | property::checked32 |
                                              property::no_duplicates | property::fifo,
                                          4096,
                                          {}},
                                .gate = gate};
    const auto spec = stack_from(stack, catalogue).value();
    auto made = Stack::build(spec, foundation, [](void*, Message&) {}, [](void*, const Event&) {}, nullptr);
    std::vector<harness_hook> up;
    const Entry first = (*made)->up();
    for (const Entry* entry = &first; entry != nullptr && up.size() < 8; entry = entry->next)
      up.push_back(entry->fn);
    return std::tuple{up, (*made)->active_hooks_down(), (*made)->active_hooks_up(), (*made)->block_bytes()};
  };
  Catalogue never_knew;
  never_knew.add<layers::Order>();
  never_knew.add<layers::Frag>();
  never_knew.add(transports::Loop::type());
  const auto known = hooks(catalogue_, "order / frag @ loop");
  EXPECT_EQ(known, hooks(never_knew, "order / frag @ loop"));
  const auto with = hooks(catalogue_, "order / put / frag @ loop");
  EXPECT_EQ(std::get<1>(with), std::get<1>(known) + 1);
  EXPECT_EQ(std::get<2>(with), std::get<2>(known) + 1);
}

TEST_F(PutLinkTest, ACloseEndsWhatIsUnderWayInOrder) {
  open("order / put / frag / reliable @ loop");
  std::deque<Operation> puts(50);
  const std::uint64_t source = 7;
  for (unsigned i = 0; i < 50; ++i)
    ASSERT_EQ(link_->one_sided()->put(puts[i], region_, 8 * i, std::as_bytes(std::span(&source, 1)),
                                      {.done = Done::delivered}),
              Errc::ok);
  link_->close();
  for (unsigned i = 0; i < 100; ++i) engine_.leap(tests::ms), settle();
  for (unsigned i = 0; i < 50; ++i) {
    EXPECT_FALSE(puts[i].busy());
    EXPECT_EQ(puts[i].code(), Errc::ok);
    EXPECT_EQ(memory_[i], 7u);
  }
  EXPECT_EQ(link_->state(), Link::State::closed);
}

}  // namespace
}  // namespace harness
