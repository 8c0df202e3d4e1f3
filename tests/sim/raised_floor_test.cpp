// SPDX-License-Identifier: Apache-2.0
// A floor that is raised under load, over a network that loses and disorders: no data frame leaves below it,
// and what follows goes over a link above it.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <harness/layers/all.hpp>
#include <harness/stack/node.hpp>
#include <harness/tests/support/seed.hpp>
#include <harness/tests/support/test_authority.hpp>
#include <harness/transports/sim.hpp>

namespace harness::tests {
namespace {

using transports::Sim;
using transports::SimEngine;
using transports::SimWorld;

constexpr std::uint64_t ms = 1'000'000;

struct Process {
  Process(SimWorld& world, const Catalogue& catalogue, const std::string& name, const StackSpec& stack)
      : authority("lab", name), engine(world.add(name)),
        node(engine, catalogue, NodeOptions{name, "lab", {}, {}, &authority}) {
    node.add(std::make_shared<Sim>(engine, stack.transport_options));
    node.on_link([this](const std::shared_ptr<Link>& opened) { watch(opened); });
    EXPECT_TRUE(node.listen("sim::7"));
  }
  void watch(const std::shared_ptr<Link>& opened) {
    link = opened;
    link->on_message([this](Message&& message) {
      disordered += message.text().substr(0, 8) == fmt::format("{:08}", received) ? 0u : 1u;
      ++received;
    });
    link->on_event([this](const Event& event) {
      if (event.kind == EventKind::resuming && event.code == Errc::denied && above) {
        EXPECT_TRUE(link->offer({*above}));
      }
      if (event.kind == EventKind::writable || event.kind == EventKind::up ||
          event.kind == EventKind::resumed)
        send();
    });
  }
  void send() {
    while (sends &&
           link->send(Message::copy_of(engine.pool(), fmt::format("{:08}{:3000}", sent, ""))) == Errc::ok)
      ++sent;
  }
  TestAuthority authority;
  SimEngine& engine;
  Node node;
  std::shared_ptr<Link> link;
  std::optional<Offer> above;  // for when the floor is raised
  bool sends = false;
  unsigned sent = 0;
  unsigned received = 0;
  unsigned disordered = 0;
};

class RaisedFloor : public testing::TestWithParam<std::string> {
 protected:
  RaisedFloor() {
    layers::add_all(catalogue_);
    catalogue_.add(Sim::type());
    world_.set_default_path({.loss_ppm = 20'000, .reorder_ppm = 50'000, .rate_bytes_per_s = 20'000'000});
  }
  StackSpec stack(const std::string& layer, const std::string& session = "") {
    return *stack_from(
        fmt::format("{}order / frag / reliable{} @ sim(profile={})", session, layer, GetParam()), catalogue_);
  }
  std::ptrdiff_t data_frames() const {
    return std::count_if(world_.trace().begin(), world_.trace().end(), [](const std::string& line) {
      return line.find(" S client>server data ") != std::string::npos;
    });
  }
  std::shared_ptr<Link> dial(Process& from, const StackSpec& with) {
    LinkOptions options;
    options.offers = {{with, "server:7"}};
    from.watch(*from.node.connect("server", std::move(options)));
    return from.link;
  }
  Catalogue catalogue_;
  SimWorld world_{seed(67)};
};

TEST_P(RaisedFloor, NoDataFrameLeavesBelowItAndALinkAboveItTakesOver) {
  Process server(world_, catalogue_, "server", stack(""));
  Process client(world_, catalogue_, "client", stack(""));
  client.sends = true;
  const auto below = dial(client, stack(""));
  ASSERT_TRUE(world_.run_until([&] { return server.received > 100; }, 20'000 * ms));
  world_.keep_trace(true);
  world_.run_for(20 * ms);
  ASSERT_GT(data_frames(), 0) << "the trace shows what leaves";
  const auto before = data_frames();
  client.authority.floor_word = server.authority.floor_word = property::encrypted;
  client.node.authority_changed();
  world_.run_for(2'000 * ms);
  EXPECT_EQ(data_frames(), before);
  EXPECT_EQ(below->state(), Link::State::lost);
  server.node.authority_changed();
  const unsigned received = server.received;
  const auto above = dial(client, stack(" / encrypt"));
  ASSERT_TRUE(world_.run_until([&] { return server.received > received + 100; }, 20'000 * ms))
      << above->error().text();
  EXPECT_NE(above->proven(), nullptr);
}

TEST_P(RaisedFloor, HoldsALinkWithASessionAndTakesWhatItKeepsAboveIt) {
  Process server(world_, catalogue_, "server", stack("", "resume / "));
  Process client(world_, catalogue_, "client", stack("", "resume / "));
  client.sends = true;
  client.above = Offer{stack(" / encrypt", "resume / "), "server:7"};
  dial(client, stack("", "resume / "));
  ASSERT_TRUE(world_.run_until([&] { return server.received > 100; }, 20'000 * ms));
  const std::uint64_t taken = client.sent;
  ASSERT_GT(taken, server.received) << "something is under way";
  world_.keep_trace(true);
  server.authority.floor_word = client.authority.floor_word = property::encrypted;
  client.node.authority_changed();
  EXPECT_EQ(client.link->state(), Link::State::resuming);
  EXPECT_EQ(data_frames(), 0) << "held at once";
  server.node.authority_changed();
  const auto goes_on = [&] { return client.link->is_up() && server.received > taken + 100; };
  ASSERT_TRUE(world_.run_until(goes_on, 20'000 * ms)) << client.link->error().text();
  EXPECT_NE(client.link->proven(), nullptr);
  EXPECT_EQ(server.disordered, 0u);
}

INSTANTIATE_TEST_SUITE_P(Media, RaisedFloor, testing::Values("datagram", "stream"),
                         [](const auto& each) { return each.param; });

}  // namespace
}  // namespace harness::tests
