// SPDX-License-Identifier: Apache-2.0
// An application that pauses its link for longer than any layer waits for a peer: nothing is given up,
// nothing repeated, and the other direction goes on.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <harness/layers/all.hpp>
#include <harness/stack/node.hpp>
#include <harness/transports/sim.hpp>

namespace harness::tests {
namespace {

using transports::Sim;
using transports::SimEngine;
using transports::SimWorld;

constexpr std::uint64_t ms = 1'000'000;
constexpr unsigned count = 300;

struct Values final : Describer {
  std::map<std::string, std::uint64_t, std::less<>> values;
  void value(std::string_view name, std::uint64_t value) override { values[std::string(name)] = value; }
  void text(std::string_view, std::string_view) override {}
};

struct Process {
  Process(SimWorld& world, const Catalogue& catalogue, const std::string& name, const StackSpec& stack)
      : engine(world.add(name)), node(engine, catalogue, NodeOptions{name, "lab", {}}) {
    node.add(std::make_shared<Sim>(engine, stack.transport_options));
    node.on_link([this](const std::shared_ptr<Link>& opened) { watch(opened); });
    EXPECT_TRUE(node.listen("sim::7").has_value());
  }
  void watch(const std::shared_ptr<Link>& opened) {
    link = opened;
    link->on_message([this](Message&&) { ++received; });
    link->on_event([this](const Event& event) {
      lost += event.kind == EventKind::peer_lost ? 1 : 0;
      if (event.kind == EventKind::writable) send();
    });
  }
  void send() {
    for (; sent < count; ++sent)
      if (link->send(Message::copy_of(engine.pool(), fmt::format("message {}", sent))) != Errc::ok) return;
  }
  std::uint64_t value(std::string_view layer, std::string_view name) const {
    Values values;
    link->stack()->describe([&](std::string_view at, const std::function<void(Describer&)>& describe) {
      if (at == layer) describe(values);
    });
    return values.values.at(std::string(name));
  }

  SimEngine& engine;
  Node node;
  std::shared_ptr<Link> link;
  unsigned sent = 0;
  unsigned received = 0;
  unsigned lost = 0;
};

class PausedLink : public testing::TestWithParam<std::string> {};

TEST_P(PausedLink, LosesNothingAndRepeatsNothingWhileTheOtherDirectionGoesOn) {
  Catalogue catalogue;
  layers::add_all(catalogue);
  catalogue.add(Sim::type());
  SimWorld world(1);
  const auto stack = stack_from(GetParam(), catalogue);
  ASSERT_TRUE(stack) << stack.error().text();
  Process server(world, catalogue, "server", *stack);
  Process client(world, catalogue, "client", *stack);
  LinkOptions options;
  options.offers = {{*stack, "server:7"}};
  client.watch(*client.node.connect("server", std::move(options)));
  const auto up = [](const Process& one) { return one.link != nullptr && one.link->is_up(); };
  ASSERT_TRUE(world.run_until([&] { return up(client) && up(server); }, 5'000 * ms));

  server.link->pause();
  client.send();
  server.send();
  world.run_for(100'000 * ms);
  EXPECT_EQ(server.received, 0u);
  EXPECT_EQ(client.received, count) << "the direction that is not paused";
  EXPECT_EQ(client.lost + server.lost, 0u) << client.link->error().text() << server.link->error().text();
  ASSERT_TRUE(up(client) && up(server));
  if (GetParam().find("reliable") != std::string::npos) {
    EXPECT_EQ(client.value("reliable", "probe_timeouts"), 0u);
    EXPECT_EQ(server.value("reliable", "probe_timeouts"), 0u);
    EXPECT_EQ(client.value("reliable", "retransmitted_packets"), 0u);
  }
  server.link->resume();
  EXPECT_TRUE(world.run_until([&] { return server.received == count; }, 5'000 * ms)) << server.received;
  client.link->close();
  EXPECT_TRUE(world.run_until([&] { return server.node.links().empty(); }, 10'000 * ms));
  EXPECT_EQ(server.link->error().code, Errc::ok) << server.link->error().text();
}

INSTANTIATE_TEST_SUITE_P(
    Stacks, PausedLink,
    testing::Values("order / frag / reliable(patience=2s) @ sim(profile=datagram)",
                    "frag / reliable / heartbeat(interval=200ms) @ sim(profile=datagram)",
                    "mux / order / frag / reliable @ sim(profile=datagram)",
                    "frag / heartbeat(interval=200ms) @ sim(profile=stream)"),
    [](const auto& each) { return fmt::format("stack{}", each.index); });

}  // namespace
}  // namespace harness::tests
