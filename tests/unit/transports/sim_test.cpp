// SPDX-License-Identifier: Apache-2.0
// What each simulated medium promises, and what faults do to it.
#include <harness/tests/unit/transports/sim_pair.hpp>

namespace harness::transports {
namespace {

std::uint64_t hash_of_run(std::uint64_t seed) {
  Pair pair(medium(Sim::Profile::datagram), seed);
  pair.connect();
  pair.world.set_default_path(rough);
  pair.world.path(pair.a, pair.b) = rough;
  pair.send_politely(300);
  pair.world.run_for(1'000'000'000);
  return pair.world.trace_hash();
}

TEST(Sim, TheSameSeedIsTheSameHistoryAndAnotherSeedAnother) {
  EXPECT_EQ(hash_of_run(5), hash_of_run(5));
  EXPECT_NE(hash_of_run(5), hash_of_run(6));
}

TEST(Sim, ADatagramMediumLosesDuplicatesAndReordersAsItIsTold) {
  Pair pair(medium(Sim::Profile::datagram));
  pair.connect();
  pair.world.path(pair.a, pair.b) = rough;
  pair.send_politely(2000);
  pair.world.run_for(1'000'000'000);
  std::vector<std::uint64_t> got = pair.far.got;
  EXPECT_FALSE(std::is_sorted(got.begin(), got.end()));
  got = sorted(got);
  const auto distinct = static_cast<std::size_t>(std::unique(got.begin(), got.end()) - got.begin());
  EXPECT_NEAR(static_cast<double>(distinct), 1800, 60);
  EXPECT_NEAR(static_cast<double>(got.size() - distinct), 180, 50);
}

TEST(Sim, AFabricDeliversEveryFrameOnceInAnyOrder) {
  Pair pair(medium(Sim::Profile::fabric));
  pair.connect();
  pair.world.path(pair.a, pair.b) = rough;
  pair.send_politely(2000);
  pair.world.run_for(1'000'000'000);
  EXPECT_FALSE(std::is_sorted(pair.far.got.begin(), pair.far.got.end()));
  EXPECT_EQ(sorted(pair.far.got), numbers(2000));
  EXPECT_EQ(pair.far.endpoint->frames_received(), 2000u);
}

TEST(Sim, AFabricWithDuplicatesCountsEachFrameOnce) {
  OptionValues options = medium(Sim::Profile::fabric);
  options.set(Sim::option_duplicates, 1);
  Pair pair(options);
  pair.connect();
  pair.world.path(pair.a, pair.b) = rough;
  pair.send_politely(1000);
  pair.world.run_for(1'000'000'000);
  EXPECT_GT(pair.far.got.size(), 1050u);
  EXPECT_EQ(pair.far.endpoint->frames_received(), 1000u);
}

TEST(Sim, AStreamKeepsOrderUnderEveryFault) {
  Pair pair(medium(Sim::Profile::stream));
  pair.connect();
  pair.world.path(pair.a, pair.b) = rough;
  pair.world.path(pair.a, pair.b).corrupt_ppm = 50'000;
  pair.send_politely(2000);
  pair.world.run_for(2'000'000'000);
  EXPECT_EQ(pair.far.got, numbers(2000));
}

TEST(Sim, APathThatBreaksPromisesShowsEveryFault) {
  Pair pair(medium(Sim::Profile::stream));
  pair.connect();
  pair.world.path(pair.a, pair.b) = rough;
  pair.world.path(pair.a, pair.b).break_promises = true;
  pair.send_politely(500);
  pair.world.run_for(1'000'000'000);
  EXPECT_FALSE(std::is_sorted(pair.far.got.begin(), pair.far.got.end()));
  EXPECT_NE(sorted(pair.far.got), numbers(500));
}

TEST(Sim, APartitionLosesDatagramsAndDelaysStreams) {
  for (const auto profile : {Sim::Profile::datagram, Sim::Profile::stream}) {
    Pair pair(medium(profile));
    pair.connect();
    pair.send(0, 10);
    pair.world.run_for(1'000'000);
    pair.world.partition(pair.a, pair.b, true);
    pair.send(10, 10);
    pair.world.run_for(1'000'000'000);
    EXPECT_EQ(pair.far.got, numbers(10));
    pair.world.partition(pair.a, pair.b, false);
    pair.world.run_for(1'000'000);
    EXPECT_EQ(pair.far.got.size(), profile == Sim::Profile::datagram ? 10u : 20u);
    pair.send(20, 10);
    pair.world.run_for(1'000'000);
    EXPECT_EQ(pair.far.got.size(), profile == Sim::Profile::datagram ? 20u : 30u);
  }
}

TEST(Sim, ARouterWithAFullQueueDropsWhatAReliableMediumWouldKeep) {
  for (const auto profile : {Sim::Profile::datagram, Sim::Profile::fabric}) {
    Pair pair(medium(profile));
    pair.connect();
    pair.world.path(pair.a, pair.b).rate_bytes_per_s = 1'012'000;
    pair.world.path(pair.a, pair.b).queue_bytes = 10 * 1012;
    pair.send(0, 50, 1000);
    pair.world.run_for(1'000'000'000);
    EXPECT_EQ(pair.far.got.size(), profile == Sim::Profile::datagram ? 10u : 50u);
    EXPECT_FALSE(pair.near.held());
  }
}

TEST(Sim, FramesBeyondThePathsMtuVanishFromADatagramMedium) {
  Pair pair(medium(Sim::Profile::datagram));
  pair.connect();
  pair.world.path(pair.a, pair.b).mtu_bytes = 600;
  pair.near.send(pair.a.pool(), 1, 588);
  pair.near.send(pair.a.pool(), 2, 589);
  pair.world.run_for(1'000'000);
  EXPECT_EQ(pair.far.got, std::vector<std::uint64_t>{1});
}

TEST(Sim, RepeatedFirstFramesMakeOneEndpoint) {
  Pair pair(medium(Sim::Profile::datagram));
  pair.dial();
  pair.world.path(pair.a, pair.b).duplicate_ppm = 1'000'000;
  pair.world.path(pair.a, pair.b).reorder_ns = 100'000'000;  // the twin comes up to 100 ms later
  for (int i = 0; i < 4; ++i) {
    ASSERT_EQ(pair.near.endpoint->send_setup(Message::copy_of(pair.a.pool(), "hello")), Errc::ok);
    pair.world.run_for(1'000'000);
  }
  EXPECT_EQ(pair.accepts, 1u);
  pair.far.endpoint->close(0);
  pair.world.run_for(1'000'000'000);
  EXPECT_EQ(pair.accepts, 1u);
  EXPECT_GT(pair.at_b->counters().repeated_first, 0u);
  ASSERT_EQ(pair.near.endpoint->send_setup(Message::copy_of(pair.a.pool(), "again")), Errc::ok);
  pair.world.run_for(1'000'000'000);
  EXPECT_EQ(pair.accepts, 2u) << "a later frame of the same dialler is no duplicate";
}

TEST(Sim, ForeignBytesAreDroppedAndCountedAndMakeNothing) {
  Pair pair(medium(Sim::Profile::datagram));
  pair.connect();
  Random random(7);
  for (int i = 0; i < 2000; ++i) {
    auto packet = std::make_unique<SimPacket>();
    packet->from = {pair.a.index(), 49152};
    packet->to = {pair.b.index(), 7};
    packet->bytes.resize(random.below(64));
    for (std::byte& byte : packet->bytes) byte = static_cast<std::byte>(random.next());
    pair.world.transmit(std::move(packet));
  }
  pair.world.run_for(1'000'000'000);
  const Sim::Counters& counters = pair.at_b->counters();
  EXPECT_EQ(counters.malformed + counters.unknown_cookie, 2000u);
  EXPECT_EQ(pair.at_b->endpoint_count(), 1u);
  EXPECT_EQ(pair.far.got.size() + pair.far.setups.size(), 1u);
}

TEST(Sim, DamageReachesDataOnlyAndOnlyWhereTheMediumAdmitsIt) {
  for (const bool admits : {false, true}) {
    OptionValues options = medium(Sim::Profile::stream);
    options.set(Sim::option_damage, admits ? 1 : 0);
    Pair pair(options);
    pair.connect();
    pair.world.path(pair.a, pair.b).corrupt_ppm = 200'000;
    for (int i = 0; i < 100; ++i) {
      pair.near.send(pair.a.pool(), 77, 16);
      ASSERT_EQ(pair.near.endpoint->send_setup(Message::copy_of(pair.a.pool(), "intact")), Errc::ok);
      pair.world.run_for(10'000'000);
    }
    EXPECT_EQ(pair.far.got.size(), 100u);
    const bool whole =
        std::all_of(pair.far.got.begin(), pair.far.got.end(), [](auto value) { return value == 77; });
    EXPECT_EQ(whole, !admits);
    EXPECT_EQ(std::count(pair.far.setups.begin(), pair.far.setups.end(), "intact"), 100);
  }
}

TEST(Sim, FactsFollowTheOptions) {
  using namespace property;
  const auto word = [](const OptionValues& options) { return Sim::type().facts(options, same_domain).word; };
  OptionValues options = medium(Sim::Profile::datagram);
  EXPECT_FALSE(word(options).intersects(reliable | fifo | no_duplicates));
  EXPECT_TRUE(word(options).covers(message | checked16 | same_domain));
  options = medium(Sim::Profile::fabric);
  EXPECT_TRUE(word(options).covers(reliable | no_duplicates | flow_controlled));
  EXPECT_FALSE(word(options).intersects(fifo));
  options.set(Sim::option_duplicates, 1);
  EXPECT_FALSE(word(options).intersects(no_duplicates));
  options = medium(Sim::Profile::stream);
  options.set(Sim::option_damage, 1);
  EXPECT_TRUE(word(options).covers(reliable | fifo | no_duplicates));
  EXPECT_FALSE(word(options).intersects(checked16));
}

}  // namespace
}  // namespace harness::transports
