// SPDX-License-Identifier: Apache-2.0
// A campaign of live swaps: tours over every ordered pair of stacks, media, suites and compression among
// them, both ends asking, under full load over a network that loses, doubles and disorders. Every message
// carries its number and bytes that follow from it. A tour is 324 swaps; HARNESS_TOURS=31 is the whole
// campaign, each pair 31 times:
//
//   HARNESS_TOURS=31 ctest --preset dev -R Campaign
//
// What a swap costs is asserted exactly where time is virtual: the longest silence at a receiver of a steady
// stream, beyond what there is without swaps, is at most two round trips and 250 µs, for every pair.
#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>

#include <harness/tests/sim/campaign.hpp>
#include <harness/tests/support/middle.hpp>
#include <harness/tests/support/seed.hpp>

namespace harness::tests {
namespace {

constexpr std::uint64_t us = 1'000;
constexpr std::uint64_t ms = 1'000'000;
constexpr std::uint64_t delay_ns = 200 * us;  // one way
constexpr unsigned shards = 4;                // of a campaign

unsigned tours() {
  const char* wanted = std::getenv("HARNESS_TOURS");
  return wanted != nullptr ? std::max(1u, static_cast<unsigned>(std::strtoul(wanted, nullptr, 10))) : 1;
}

struct Two {
  Two(SimWorld& world, const Campaign& campaign, const StackSpec& first, std::uint64_t quota_bytes,
      const std::string& domain = "lab")
      : server(world, campaign.catalogue(), "server", domain),
        client(world, campaign.catalogue(), "client", "lab") {
    client.dial("server", first, quota_bytes);
  }
  [[nodiscard]] bool up() const {
    return client.link->is_up() && server.link != nullptr && server.link->is_up();
  }
  [[nodiscard]] bool quiet() const { return client.is_quiet() && server.is_quiet(); }
  [[nodiscard]] bool on(const StackSpec& stack) const {
    return quiet() && client.stack() == stack.text() && server.stack() == stack.text();
  }
  [[nodiscard]] std::string text() const { return client.text() + server.text(); }
  Mover server, client;
};

// ---- nothing lost, doubled, reordered ----

void walk(const Campaign& campaign, std::uint64_t seed) {
  SCOPED_TRACE(testing::Message() << "rerun: HARNESS_SEED=" << seed);
  SimWorld world(seed);
  Random random(seed);
  world.set_default_path({.delay_ns = delay_ns,
                          .jitter_ns = 100 * us,
                          .loss_ppm = 10'000,
                          .duplicate_ppm = 10'000,
                          .reorder_ppm = 10'000,
                          .reorder_ns = 500 * us});
  const std::vector<std::size_t> tour = campaign.tour(random);
  Two two(world, campaign, campaign.stacks()[tour.front()], 128 * 1024);
  ASSERT_TRUE(world.run_until([&] { return two.up(); }, 5'000 * ms)) << two.client.link->error().text();
  const std::uint64_t steps = rounds(tour.size() - 1);
  for (std::size_t step = 1; step <= steps && !testing::Test::HasFailure(); ++step) {
    const StackSpec& to = campaign.stacks()[tour[step]];
    const std::uint64_t who = random.below(4);  // the client, the server, or both
    Result<> asked;
    if (who != 0) asked = two.client.swap(to, "server");
    if (asked && who != 1 && who != 2) asked = two.server.swap(to, "client");
    ASSERT_TRUE(asked) << asked.error().text();
    const std::uint64_t before = two.client.link->swaps();
    ASSERT_TRUE(
        world.run_until([&] { return two.client.link->swaps() != before && two.on(to); }, 20'000 * ms))
        << "to " << to.text() << ": " << two.text();
    world.run_for(random.below(1 * ms));
  }
  if (testing::Test::HasFailure()) return;
  two.client.stop();
  two.server.stop();
  ASSERT_TRUE(world.run_until(
      [&] { return two.client.has_all_of(two.server) && two.server.has_all_of(two.client); }, 60'000 * ms))
      << two.text();
  EXPECT_GE(two.client.swaps.size(), steps) << "each pair once, and one to itself where both ends asked";
  testing::Test::RecordProperty("swaps", static_cast<int>(two.client.link->swaps()));
  testing::Test::RecordProperty("messages",
                                static_cast<int>(two.client.received[0] + two.server.received[0]));
}

class SwapCampaign : public testing::TestWithParam<unsigned> {};

TEST_P(SwapCampaign, TakesEveryPairOfStacksAndLosesDoublesAndReordersNothing) {
  const Campaign campaign;
  const std::uint64_t start = seed(9'000);
  for (unsigned tour = GetParam(); tour < tours() && !HasFailure(); tour += shards)
    walk(campaign, start + tour);
}

INSTANTIATE_TEST_SUITE_P(Shards, SwapCampaign, testing::Range(0u, shards));

// ---- a peer that dies, a path that is narrow ----

// Whatever step it is at: the survivor hears of it, ends the link and keeps nothing.
TEST(SwapCampaign, APeerThatDiesAtAnyStepOfASwapLeavesNothingBehind) {
  const Campaign campaign;
  for (const auto& [from, to] :
       {std::pair{"order / frag / reliable @ datagram", "order / frag / reliable @ datagram"},
        std::pair{"order / frag / reliable @ datagram", "order / frag / reliable / encrypt @ datagram"},
        std::pair{"order / frag / encrypt @ stream", "order / frag @ fabric"},
        std::pair{"order / frag @ fabric", "compress / order / frag / encrypt @ stream"}})
    for (std::uint64_t step = 0; step < rounds(20); ++step) {
      const std::uint64_t after_us = step * 2500 / rounds(20);
      SCOPED_TRACE(testing::Message()
                   << from << " to " << to << ", " << after_us << " us after it was asked");
      SimWorld world(seed(81));
      world.set_default_path({.delay_ns = delay_ns});
      Two two(world, campaign, *stack_from(from, campaign.catalogue()), 128 * 1024);
      for (Mover* each : {&two.client, &two.server}) each->send_steadily(50 * us);
      ASSERT_TRUE(world.run_until([&] { return two.up(); }, 5'000 * ms)) << two.client.link->error().text();
      Mover& survivor = step % 2 == 0 ? two.client : two.server;
      Mover& other = &survivor == &two.client ? two.server : two.client;
      ASSERT_TRUE(two.client.swap(*stack_from(to, campaign.catalogue()), "server"));
      world.run_for(after_us * us);
      other.engine.crash();
      const auto over = [&] { return survivor.link->state() == Link::State::lost; };
      ASSERT_TRUE(world.run_until(over, 40'000 * ms)) << to_string(survivor.link->state());
      world.run_for(1'000 * ms);
      EXPECT_TRUE(survivor.node.links().empty());
    }
}

// Encryption makes every packet larger where hardly one fits, and one in twenty is lost.
TEST(SwapCampaign, BecomesEncryptedOverANarrowPathThatLoses) {
  const Campaign campaign;
  for (const std::uint32_t mtu : {1240u, 1260u, 1280u, 1400u}) {
    SCOPED_TRACE(mtu);
    SimWorld world(seed(82) + mtu);
    world.set_default_path({.delay_ns = delay_ns, .loss_ppm = 50'000, .mtu_bytes = mtu});
    const auto stack = [&](const char* text) { return *stack_from(text, campaign.catalogue()); };
    Two two(world, campaign, stack("order / frag / reliable @ datagram(frame=1400)"), 128 * 1024);
    ASSERT_TRUE(world.run_until([&] { return two.up(); }, 10'000 * ms)) << two.client.link->error().text();
    world.run_for(20 * ms);
    const StackSpec sealed = stack("order / frag / reliable / encrypt @ datagram(frame=1400)");
    ASSERT_TRUE(two.client.swap(sealed, "server"));
    ASSERT_TRUE(world.run_until([&] { return two.on(sealed); }, 60'000 * ms)) << two.text();
    world.run_for(20 * ms);
    two.client.stop();
    two.server.stop();
    const auto all = [&] { return two.client.has_all_of(two.server) && two.server.has_all_of(two.client); };
    EXPECT_TRUE(world.run_until(all, 60'000 * ms)) << two.text();
  }
}

// ---- two wishes ----

TEST(SwapCampaign, DoesWhatEitherEndAskedForOneAfterTheOther) {
  const Campaign campaign;
  for (const auto& [first, mine, theirs] :
       {std::tuple{"order / frag @ stream", "compress / order / frag @ stream", "order / frag @ fabric"},
        std::tuple{"order / frag / reliable @ datagram", "order / frag @ stream",
                   "compress / order / frag / reliable @ datagram"}})
    for (std::uint64_t i = 0; i < rounds(20); ++i) {
      SCOPED_TRACE(testing::Message() << first << ", rerun: HARNESS_SEED=" << seed(80) + i);
      SimWorld world(seed(80) + i);
      world.set_default_path(
          {.delay_ns = delay_ns, .jitter_ns = 400 * us});  // each endpoint is an order of its own
      const auto stack = [&](const char* text) { return *stack_from(text, campaign.catalogue()); };
      Two two(world, campaign, stack(first), 128 * 1024);
      for (Mover* each : {&two.client, &two.server}) each->send_steadily(100 * us);
      ASSERT_TRUE(world.run_until([&] { return two.up(); }, 5'000 * ms)) << two.client.link->error().text();
      ASSERT_TRUE(two.client.swap(stack(mine), "server"));
      world.run_for(world.random().below(400 * us));
      ASSERT_TRUE(two.server.swap(stack(theirs), "client"));
      world.run_for(1'500 * ms);
      EXPECT_TRUE(two.quiet()) << two.text();
      unsigned done = 0;
      for (const auto& [pair, times] : two.server.swaps)
        done += pair.second == stack(mine).text() || pair.second == stack(theirs).text() ? 1u : 0u;
      EXPECT_GE(done, 2u) << two.text();
    }
}

TEST(SwapCampaign, TellsWhoeverWaitedThatThePeersWishTookItsPlace) {
  const Campaign campaign;
  SimWorld world(seed(83));
  world.set_default_path({.delay_ns = delay_ns});
  const auto stack = [&](const char* text) { return *stack_from(text, campaign.catalogue()); };
  Two two(world, campaign, stack("order / frag @ stream"), 128 * 1024);
  for (Mover* each : {&two.client, &two.server}) each->send_steadily(100 * us);
  ASSERT_TRUE(world.run_until([&] { return two.up(); }, 5'000 * ms)) << two.client.link->error().text();
  ASSERT_TRUE(two.client.swap(stack("order / frag @ fabric"), "server"));
  ASSERT_TRUE(two.client.swap(stack("compress / order / frag @ fabric"), "server"));
  ASSERT_TRUE(two.server.swap(stack("compress / order / frag @ stream"), "client"));
  world.run_for(1'500 * ms);
  EXPECT_TRUE(two.on(stack("compress / order / frag @ stream"))) << two.text();
  EXPECT_NE(two.client.text().find("the peer asked for another stack"), std::string::npos) << two.text();
}

// ---- nothing below the floor ----

// A link that must be encrypted: whoever asks for less is refused, and on the wire, watched at both ends
// through all swaps, no message shows anything of its text.
TEST(SwapCampaign, ShowsNothingOfAGuardedLinkOnTheWire) {
  const Campaign guarded(true), all(false);
  SimWorld world(seed(77));
  Random random(seed(77));
  world.set_default_path({.delay_ns = delay_ns, .loss_ppm = 10'000});
  const std::vector<std::size_t> tour = guarded.tour(random);
  Two two(world, guarded, guarded.stacks()[tour.front()], 128 * 1024, "office");
  ASSERT_TRUE(world.run_until([&] { return two.up(); }, 5'000 * ms)) << two.client.link->error().text();
  struct Seen {
    std::uint64_t frames = 0, clear = 0;
  } seen;
  Tap tap(
      [](void* self, Tap::Direction, const Message& message) {
        std::string bytes(message.size(), '\0');
        message.copy_to(reinterpret_cast<std::byte*>(bytes.data()));
        ++static_cast<Seen*>(self)->frames;
        if (bytes.find(std::string(24, 'x')) != std::string::npos) ++static_cast<Seen*>(self)->clear;
      },
      &seen);
  ASSERT_TRUE(two.client.link->add_tap(two.client.link->stack()->spec().layers.size(), tap));
  for (std::size_t step = 1; step <= rounds(tour.size() - 1); ++step) {
    const StackSpec& to = guarded.stacks()[tour[step]];
    Mover& one = random.below(2) == 0 ? two.client : two.server;
    const auto refused = one.swap(all.stacks().front(), &one == &two.client ? "server" : "client");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::denied) << refused.error().text();
    ASSERT_TRUE(one.swap(to, &one == &two.client ? "server" : "client"));
    const std::uint64_t before = two.client.link->swaps();
    ASSERT_TRUE(
        world.run_until([&] { return two.client.link->swaps() != before && two.on(to); }, 20'000 * ms))
        << two.text();
  }
  EXPECT_GT(seen.frames, 10'000u);
  EXPECT_EQ(seen.clear, 0u);
  two.client.link->remove_tap(tap);
}

// ---- a path that dies ----

// The session runs on over the new endpoint: what the old one carried, and its end, are not missed.
TEST(SwapCampaign, MissesNothingOfAnOldPathThatDiesInARunningSwap) {
  const Campaign campaign;
  for (const char* const text :
       {"order / frag / reliable @ datagram", "order / frag / reliable / encrypt(suite=aes) @ datagram"}) {
    SCOPED_TRACE(text);
    SimWorld world(seed(79));
    world.set_default_path({.delay_ns = delay_ns});
    const StackSpec stack = *stack_from(text, campaign.catalogue());
    SimEngine& between = world.add("between");
    Sim medium(between, stack.transport_options, "datagram");
    Middle middle(between, medium, "server:10");
    ASSERT_TRUE(medium.listen(":10", middle));
    Mover server(world, campaign.catalogue(), "server", "lab");
    Mover client(world, campaign.catalogue(), "client", "lab");
    client.dial("server", stack, 128 * 1024, "between");
    const auto up = [&] { return client.link->is_up() && server.link != nullptr && server.link->is_up(); };
    ASSERT_TRUE(world.run_until(up, 5'000 * ms)) << client.link->error().text();
    world.run_for(2 * ms);
    world.partition(between, server.engine, true);
    ASSERT_TRUE(client.swap(stack, "server"));
    world.run_for(5 * ms);
    client.stop();
    server.stop();
    const auto through = [&] { return client.has_all_of(server) && server.has_all_of(client); };
    ASSERT_TRUE(world.run_until(through, 4'000 * ms)) << client.link->error().text();
    EXPECT_EQ(client.link->swap_stage(), "draining") << "nobody has heard of the old path's end";
    const auto over = [&] { return client.is_quiet() && server.is_quiet(); };
    ASSERT_TRUE(world.run_until(over, 10'000 * ms)) << client.link->swap_stage();
    client.link->close();
    world.run_for(10'000 * ms);
    EXPECT_EQ(client.link->state(), Link::State::closed) << client.link->error().text();
    EXPECT_EQ(server.link->error().code, Errc::ok) << server.link->error().text();
  }
}

// ---- how long nothing arrives ----

TEST(SwapCampaign, KeepsNoReceiverWaitingForMoreThanTwoRoundTrips) {
  constexpr std::uint64_t round_trip_ns = 2 * delay_ns;
  const Campaign campaign;
  SimWorld world(seed(78));
  Random random(seed(78));
  world.set_default_path({.delay_ns = delay_ns});
  const std::vector<std::size_t> tour = campaign.tour(random);
  Two two(world, campaign, campaign.stacks()[tour.front()], 1 << 20);
  for (Mover* each : {&two.client, &two.server}) each->send_steadily(20 * us);
  ASSERT_TRUE(world.run_until([&] { return two.up(); }, 5'000 * ms)) << two.client.link->error().text();
  std::vector<std::uint64_t> gaps;
  two.server.gaps_ns = &gaps;
  world.run_for(100 * ms);
  two.server.gaps_ns = nullptr;
  std::sort(gaps.begin(), gaps.end());
  const std::uint64_t usual_ns = gaps[gaps.size() * 999 / 1000];
  const std::uint64_t bound_ns = usual_ns + 2 * round_trip_ns + 250 * us;
  std::uint64_t worst_ns = 0;
  for (std::size_t step = 1; step <= rounds(tour.size() - 1) && !HasFailure(); ++step) {
    const StackSpec& from = campaign.stacks()[tour[step - 1]];
    const StackSpec& to = campaign.stacks()[tour[step]];
    const bool runs_on = Stack::shares_session(from, to) != 0;  // then not one packet is missed
    for (Mover* each : {&two.client, &two.server}) each->longest_gap_ns = 0;
    Mover& one = random.below(2) == 0 ? two.client : two.server;
    ASSERT_TRUE(one.swap(to, &one == &two.client ? "server" : "client"));
    const std::uint64_t before = two.client.link->swaps();
    ASSERT_TRUE(
        world.run_until([&] { return two.client.link->swaps() != before && two.on(to); }, 20'000 * ms))
        << two.text();
    for (const Mover* each : {&two.client, &two.server}) {
      EXPECT_LE(each->longest_gap_ns, runs_on ? usual_ns + 20 * us : bound_ns)
          << from.text() << " to " << to.text();
      worst_ns = std::max(worst_ns, each->longest_gap_ns);
    }
  }
  RecordProperty("worst_pause_us", static_cast<int>((worst_ns - std::min(worst_ns, usual_ns)) / us));
  fmt::print("the longest pause of {} swaps: {} µs; two round trips and 250 µs are {} µs\n", tour.size() - 1,
             (worst_ns - std::min(worst_ns, usual_ns)) / us, (bound_ns - usual_ns) / us);
}

}  // namespace
}  // namespace harness::tests
