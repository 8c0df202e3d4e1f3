// SPDX-License-Identifier: Apache-2.0
// A link with `resume` loses contact again and again, by cut connections seen by one side or by both, while
// it opens, carries and closes: every message arrives once and in order, and a close in order loses nothing.
#include <algorithm>

#include <harness/layers/all.hpp>
#include <harness/tests/sim/process.hpp>
#include <harness/tests/support/seed.hpp>
#include <harness/tests/support/vouch.hpp>

namespace harness::tests {
namespace {

class ResumedLink : public testing::TestWithParam<std::string> {
 protected:
  ResumedLink() {
    layers::add_all(catalogue_);
    catalogue_.add(Sim::type());
    catalogue_.add<Vouch>();
    auto stack = stack_from(GetParam(), catalogue_);
    EXPECT_TRUE(stack) << stack.error().text();
    stack_ = *stack;
  }

  // Somebody between the two, or one of the two, ends the connection.
  static void cut(SimWorld& world, Random& random, Process& a, Process& b) {
    Process& one = random.below(2) == 0 ? a : b;
    const bool carries = one.link != nullptr && one.link->endpoint() != nullptr &&
                         (one.link->is_up() || one.link->state() == Link::State::closing);
    if (carries) one.link->endpoint()->close(0);
    if (random.below(3) != 0) return;
    world.partition(a.engine, b.engine, true);
    world.run_for(random.below(50 * ms));
    world.partition(a.engine, b.engine, false);
  }

  void run(std::uint64_t seed) {
    SCOPED_TRACE(testing::Message() << "rerun: HARNESS_SEED=" << seed);
    SimWorld world(seed);
    Random random(seed);
    world.set_default_path({.jitter_ns = 100'000, .loss_ppm = 20'000, .duplicate_ppm = 20'000});
    Process server(world, catalogue_, at_server_, stack_);
    Process client(world, catalogue_, at_client_, stack_);
    client.wanted = 200 + static_cast<unsigned>(random.below(200));
    server.wanted = static_cast<unsigned>(random.below(300));
    client.dial("server");
    world.run_until([&] { return client.is_up() && server.is_up(); }, 5'000 * ms);
    for (int cuts = 0; cuts < 6; ++cuts) {
      world.run_for(random.below(10 * ms));
      cut(world, random, client, server);
    }
    const bool all = world.run_until([&] { return client.has(server) && server.has(client); }, 60'000 * ms);
    ASSERT_TRUE(all) << "client " << to_string(client.link->state()) << " " << client.link->error().text()
                     << ", server " << to_string(server.link->state()) << ": "
                     << fmt::format("{} of {}", client.received[0], server.wanted);
    close_in_order(world, random, client, server);
  }

  // The last messages go out and the link closes at once, with one more cut somewhere.
  void close_in_order(SimWorld& world, Random& random, Process& client, Process& server) {
    const auto both_up = [&] { return client.is_up() && server.is_up(); };
    ASSERT_TRUE(world.run_until(both_up, 60'000 * ms))
        << client.link->error().text() << server.link->error().text() << to_string(client.link->state())
        << " " << to_string(server.link->state());
    EXPECT_EQ(client.heard(EventKind::up), 1u);
    EXPECT_EQ(client.heard(EventKind::resumed), client.heard(EventKind::resuming));
    client.wanted += 20;
    client.send();
    const auto all_sent = [&] {
      return std::count(client.sent.begin(), client.sent.end(), client.wanted) == channels;
    };
    ASSERT_TRUE(world.run_until(all_sent, 2'000 * ms));
    client.link->close();
    world.run_for(random.below(3 * ms));
    if (random.below(2) == 0) cut(world, random, client, server);
    world.run_for(100'000 * ms);  // one whose endpoint the test closed in its back gives up after its linger
    EXPECT_TRUE(server.has(client)) << fmt::format("{} of {}", server.received[0], client.wanted);
    EXPECT_EQ(client.link->state(), Link::State::closed) << client.link->error().text();
    EXPECT_TRUE(client.node.links().empty() && server.node.links().empty())
        << to_string(server.link->state()) << server.link->error().text();
  }

  Catalogue catalogue_;
  VouchAuthority at_server_{"server", "lab"}, at_client_{"client", "lab"};
  StackSpec stack_;
};

TEST_P(ResumedLink, LosesAndDoublesNothingHoweverOftenContactIsLost) {
  const std::uint64_t first = seed(1);
  for (std::uint64_t i = 0; i < rounds(60) && !HasFailure(); ++i) run(first + i);
}

TEST_P(ResumedLink, EndsWhenThePeerIsNotFoundInTime) {
  SimWorld world(1);
  Process server(world, catalogue_, at_server_, stack_);
  Process client(world, catalogue_, at_client_, stack_);
  client.dial("server", {.resume_ns = 500 * ms});
  world.run_until([&] { return client.is_up() && server.link != nullptr; }, 5'000 * ms);
  world.partition(client.engine, server.engine, true);
  client.link->endpoint()->close(0);
  server.link->endpoint()->close(0);
  world.run_for(200'000 * ms);
  EXPECT_EQ(server.link->state(), Link::State::lost);
  EXPECT_EQ(client.link->state(), Link::State::lost);
  EXPECT_EQ(client.heard(EventKind::peer_lost), 1u);
}

INSTANTIATE_TEST_SUITE_P(
    Process, ResumedLink,
    testing::Values("resume / frag / heartbeat(interval=20ms) @ sim(profile=stream)",
                    "resume / order / frag / heartbeat(interval=20ms) @ sim(profile=fabric)",
                    "resume / mux / order / frag / heartbeat(interval=20ms) @ "
                    "sim(profile=fabric, death=no)",
                    "resume / frag / heartbeat(interval=20ms) / vouch @ sim(profile=stream)",
                    "resume / order / frag / heartbeat(interval=20ms) / vouch @ sim(profile=fabric)"),
    [](const auto& each) { return fmt::format("stack{}", each.index); });

}  // namespace
}  // namespace harness::tests
