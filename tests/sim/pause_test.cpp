// SPDX-License-Identifier: Apache-2.0
// An application that pauses its link for longer than any layer waits for a peer: nothing is given up,
// nothing repeated, and the other direction goes on.
#include <harness/layers/all.hpp>
#include <harness/tests/sim/process.hpp>
#include <harness/tests/support/vouch.hpp>

namespace harness::tests {
namespace {

class PausedLink : public testing::TestWithParam<std::string> {};

TEST_P(PausedLink, LosesNothingAndRepeatsNothingWhileTheOtherDirectionGoesOn) {
  Catalogue catalogue;
  layers::add_all(catalogue);
  catalogue.add(Sim::type());
  SimWorld world(1);
  const auto stack = stack_from(GetParam(), catalogue);
  ASSERT_TRUE(stack) << stack.error().text();
  VouchAuthority at_server("server", "lab"), at_client("client", "lab");
  Process server(world, catalogue, at_server, *stack);
  Process client(world, catalogue, at_client, *stack);
  client.dial("server");
  ASSERT_TRUE(world.run_until([&] { return client.is_up() && server.is_up(); }, 5'000 * ms));

  server.link->pause();
  client.lanes = server.lanes = 1;
  client.body_bytes = server.body_bytes = 10;  // the first window of mux holds them all: it is paused, too
  client.wanted = server.wanted = 300;
  client.send();
  server.send();
  world.run_for(100'000 * ms);
  EXPECT_EQ(server.received[0], 0u);
  EXPECT_TRUE(client.has(server)) << "the direction that is not paused";
  EXPECT_EQ(client.heard(EventKind::peer_lost) + server.heard(EventKind::peer_lost), 0u)
      << client.link->error().text() << server.link->error().text();
  ASSERT_TRUE(client.is_up() && server.is_up());
  if (GetParam().find("reliable") != std::string::npos) {
    EXPECT_EQ(client.value("reliable", "probe_timeouts"), 0u);
    EXPECT_EQ(server.value("reliable", "probe_timeouts"), 0u);
    EXPECT_EQ(client.value("reliable", "retransmitted_packets"), 0u);
  }
  server.link->resume();
  EXPECT_TRUE(world.run_until([&] { return server.has(client); }, 5'000 * ms)) << server.received[0];
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
