// SPDX-License-Identifier: Apache-2.0
// A swap whose frames somebody in between loses or forges, or that a handler ends the link in. Swaps that go
// well, under load: tests/sim/swap_test.cpp.
#include <harness/layers/frag.hpp>
#include <harness/layers/order.hpp>
#include <harness/tests/sim/process.hpp>
#include <harness/tests/support/middle.hpp>
#include <harness/tests/support/vouch.hpp>

namespace harness::tests {
namespace {

/// Reports the peer lost when a message says so.
class Brittle {
 public:
  static constexpr Descriptor descriptor{.name = "brittle", .summary = "breaks when it is told to"};
  Brittle(const OptionValues&, LayerContext& context) : context_(context) {}

  template <class Below>
  void down(Message& message, Below below) {
    if (message.text() == "break")
      return context_.events({EventKind::peer_lost, Errc::peer_lost, "it was told to break"});
    below(message);
  }

 private:
  LayerContext& context_;
};

struct Types : Catalogue {
  Types() {
    add<Brittle>();
    add<layers::Order>();
    add<layers::Frag>();
    add(Sim::type());
  }
};

class LinkSwap : public testing::Test {
 protected:
  LinkSwap() {
    EXPECT_TRUE(sim_.listen(":7", middle_));
    LinkOptions options;
    options.offers = {{stack("order / frag"), "between:7"}};
    client_.watch(*client_.node.connect("server", std::move(options)));
    world_.run_for(10 * ms);
  }
  [[nodiscard]] StackSpec stack(const std::string& layers) const {
    return *stack_from(layers + " @ sim(profile=stream)", types_);
  }
  /// Both know each other by the old stack, and the client swaps to another.
  void swap() {
    ASSERT_NE(server_.link, nullptr);
    const auto taken = client_.link->swap({{stack("brittle / order / frag"), "between:7"}});
    ASSERT_TRUE(taken) << taken.error().text();
    world_.run_for(10 * ms);
  }
  /// The same, and the server hears nothing of it but the FIN of the old stack: its READY and CUT are lost.
  void swap_unheard() {
    middle_.edit = [](bool forth, setup::Frame frame) -> std::optional<setup::Frame> {
      if (forth && (std::holds_alternative<setup::Ready>(frame) || std::holds_alternative<setup::Cut>(frame)))
        return std::nullopt;
      return frame;
    };
    swap();
    ASSERT_EQ(client_.link->swap_stage(), "draining");
    ASSERT_EQ(server_.link->swap_stage(), "answered");
  }
  /// Each end sends one message more.
  void talk() {
    for (Process* one : {&client_, &server_}) ++one->wanted, one->send();
    world_.run_for(100 * ms);
    EXPECT_TRUE(server_.has(client_)) << server_.received[0] << " of " << client_.sent[0];
    EXPECT_TRUE(client_.has(server_)) << client_.received[0] << " of " << server_.sent[0];
  }

  Types types_;
  SimWorld world_{1};
  SimEngine& between_ = world_.add("between");
  Sim sim_{between_, stack("order / frag").transport_options};
  Middle middle_{between_, sim_, "server:7"};
  VouchAuthority at_server_{"server", "lab"}, at_client_{"client", "lab"};
  Process server_{world_, types_, at_server_, stack("order / frag")};
  Process client_{world_, types_, at_client_, stack("order / frag")};
};

TEST_F(LinkSwap, ARefusalOfThePeersOwnSwapEndsItAtWhoAnswered) {
  middle_.edit = [&](bool forth, setup::Frame frame) -> std::optional<setup::Frame> {
    const auto* accept = std::get_if<setup::Accept>(&frame);
    if (forth || accept == nullptr) return frame;
    middle_.inject(true, setup::Refuse{accept->attempt, Errc::exists, false, "not now", {}, {}});
    return std::nullopt;
  };
  swap();
  world_.run_for(100 * ms);  // whoever dialled would dial again
  EXPECT_FALSE(server_.link->is_swapping()) << server_.link->swap_stage();
  EXPECT_FALSE(client_.link->is_swapping()) << client_.link->swap_stage();
  EXPECT_EQ(client_.heard(EventKind::not_swapped), 1u);
  talk();
  middle_.edit = [](bool, setup::Frame frame) { return frame; };
  swap();
  talk();
  EXPECT_EQ(server_.link->swaps(), 1u);
}

TEST_F(LinkSwap, AFinOfTheOldStackTellsWhatALostCutWouldHave) {
  talk();
  swap_unheard();
  talk();
  for (const Process* one : {&client_, &server_}) {
    EXPECT_TRUE(one->link->is_up()) << one->link->error().text();
    EXPECT_FALSE(one->link->is_swapping()) << one->link->swap_stage();
    EXPECT_EQ(one->link->swaps(), 1u);
  }
}

TEST_F(LinkSwap, AHandlerMayEndTheLinkWhileTheFirstMessageByTheNewStackArrives) {
  swap_unheard();
  server_.link->on_event([&](const Event& event) {
    if (event.kind == EventKind::swapped)
      (void)server_.link->send(Message::copy_of(server_.engine.pool(), "break"));
  });
  client_.wanted = 1;
  client_.send();
  world_.run_for(10 * ms);
  EXPECT_EQ(server_.link->state(), Link::State::lost);
  EXPECT_EQ(server_.received[0], 0u);
  EXPECT_TRUE(server_.node.links().empty());
}

}  // namespace
}  // namespace harness::tests
