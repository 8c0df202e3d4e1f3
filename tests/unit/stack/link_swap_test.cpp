// SPDX-License-Identifier: Apache-2.0
// A swap whose frames somebody in between loses or forges, or that a handler ends the link in. Swaps that go
// well, under load: tests/sim/swap_test.cpp.
#include <harness/layers/frag.hpp>
#include <harness/layers/order.hpp>
#include <harness/layers/reliable.hpp>
#include <harness/layers/resume.hpp>
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
    add<layers::Resume>();
    add<layers::Order>();
    add<layers::Frag>();
    add<layers::Reliable>();
    add(Sim::type());
  }
};

class SwapTest : public testing::Test {
 protected:
  SwapTest(std::string medium, std::string address)
      : medium_(std::move(medium)), address_(std::move(address)) {}

  [[nodiscard]] StackSpec stack(const std::string& layers) const {
    return *stack_from(layers + " @ " + medium_, types_);
  }
  void open(const std::string& layers) {
    LinkOptions options;
    options.offers = {{stack(layers), address_}};
    client_.watch(*client_.node.connect("server", std::move(options)));
    world_.run_for(10 * ms);
    ASSERT_TRUE(client_.is_up() && server_.is_up()) << client_.link->error().text();
  }
  void swap_to(const std::string& layers) {
    const auto taken = client_.link->swap({{stack(layers), address_}});
    ASSERT_TRUE(taken) << taken.error().text();
    world_.run_for(10 * ms);
  }
  void expect_quiet() const {
    for (const Process* one : {&client_, &server_}) {
      EXPECT_TRUE(one->is_up()) << one->link->error().text();
      EXPECT_FALSE(one->link->is_swapping()) << one->link->swap_stage();
    }
  }

  Types types_;
  std::string medium_;
  std::string address_;
  SimWorld world_{1};
  VouchAuthority at_server_{"server", "lab"}, at_client_{"client", "lab"};
  Process server_{world_, types_, at_server_, stack("order")};
  Process client_{world_, types_, at_client_, stack("order")};
};

/// With somebody in between.
class LinkSwap : public SwapTest {
 protected:
  LinkSwap() : SwapTest("sim(profile=stream)", "between:7") { EXPECT_TRUE(sim_.listen(":7", middle_)); }
  void SetUp() override { open("order / frag"); }

  void swap() { swap_to("brittle / order / frag"); }
  /// The server hears nothing of it but the FIN of the old stack: the client's READY and CUT are lost.
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

  SimEngine& between_ = world_.add("between");
  Sim sim_{between_, stack("order").transport_options};
  Middle middle_{between_, sim_, "server:7"};
};

/// Over a medium that may lose.
class LossySwap : public SwapTest {
 protected:
  LossySwap() : SwapTest("sim(profile=datagram)", "server:7") {}
  void SetUp() override { open("order / frag / reliable"); }
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
  expect_quiet();
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
  expect_quiet();
  EXPECT_EQ(server_.link->swaps(), 1u);
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

TEST_F(LossySwap, WhoWasRefusedByTheOldStackHearsThatTheNewOneTakesMessages) {
  world_.path(client_.engine, server_.engine).rate_bytes_per_s = 10'000'000;
  client_.wanted = 100'000;
  client_.send();
  swap_to("brittle / order / frag / reliable");
  ASSERT_EQ(client_.link->swaps(), 1u);
  const unsigned sent = client_.sent[0];
  world_.run_for(10 * ms);
  EXPECT_GT(client_.sent[0], sent);
}

TEST_F(LossySwap, ASessionGoesOnOnlyWhenTheSwapBeforeHasEnded) {
  server_.link->pause();
  client_.wanted = 1;
  client_.send();
  swap_to("resume / order / frag / reliable");
  world_.run_for(500 * ms);
  ASSERT_FALSE(client_.link->is_swapping()) << client_.link->swap_stage();
  ASSERT_EQ(server_.link->swap_stage(), "draining") << "what came by the old stack is not taken yet";
  swap_to("resume / brittle / order / frag / reliable");
  world_.run_for(500 * ms);
  server_.link->resume();
  world_.run_for(2'000 * ms);
  expect_quiet();
  EXPECT_EQ(client_.heard(EventKind::swapped), 2u);
  EXPECT_EQ(server_.link->stack()->spec().text(), client_.link->stack()->spec().text());
  EXPECT_TRUE(server_.has(client_));
}

}  // namespace
}  // namespace harness::tests
