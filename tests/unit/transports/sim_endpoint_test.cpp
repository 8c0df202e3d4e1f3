// SPDX-License-Identifier: Apache-2.0
// One simulated endpoint: hold and writable, credit and quota, dialling, closing, dying.
#include <harness/tests/unit/transports/sim_pair.hpp>

namespace harness::transports {
namespace {

TEST(SimEndpoint, ARateLimitHoldsTheSenderAndTellsItOnceWhenThereIsRoom) {
  Pair pair(medium(Sim::Profile::datagram));
  pair.connect();
  pair.world.path(pair.a, pair.b).rate_bytes_per_s =
      1'012'000;  // 1012 bytes with the header: a frame each ms
  const std::uint64_t start_ns = pair.world.now_ns();
  std::uint64_t sent = 0;
  while (!pair.near.held()) pair.near.send(pair.a.pool(), sent++, 1000);
  EXPECT_EQ(sent, 64u);
  pair.world.run_for(20'000'000);
  EXPECT_TRUE(pair.near.held()) << "20 frames gone of 64 is not room enough";
  EXPECT_EQ(pair.near.count(EventKind::writable), 0u);
  pair.world.run_for(20'000'000);
  EXPECT_FALSE(pair.near.held());
  EXPECT_EQ(pair.near.count(EventKind::writable), 1u);
  ASSERT_TRUE(pair.world.run_until([&] { return pair.far.got.size() == 64; }, 1'000'000'000));
  EXPECT_NEAR(static_cast<double>(pair.world.now_ns() - start_ns), 64e6, 1e6);
}

TEST(SimEndpoint, AHeldEndpointStillTakesOneFrameAndTheControlReserve) {
  Pair pair(medium(Sim::Profile::datagram));
  pair.connect();
  pair.world.path(pair.a, pair.b).rate_bytes_per_s = 100'000;
  pair.send(0, 64 + 1 + Endpoint::control_reserve);
  EXPECT_EQ(pair.at_a->counters().beyond_reserve, 0u);
  EXPECT_TRUE(pair.near.endpoint->reserve(8).empty());
  pair.send(69, 1);
  EXPECT_EQ(pair.at_a->counters().beyond_reserve, 1u);
  pair.world.run_for(1'000'000'000);
  EXPECT_EQ(pair.far.got, numbers(69));
}

TEST(SimEndpoint, APausedReceiverHoldsAReliableSenderWithinTheCredit) {
  OptionValues options = medium(Sim::Profile::fabric);
  options.set(Sim::option_inbox, 16);
  options.set(Sim::option_queue, 8);
  Pair pair(options);
  pair.connect();
  pair.far.endpoint->pause_receive(true);
  std::uint64_t sent = 0;
  for (int i = 0; i < 1000; ++i) {
    if (!pair.near.held()) pair.near.send(pair.a.pool(), sent++);
    pair.world.run_for(1'000'000);
  }
  EXPECT_EQ(sent, 16u + 8u);
  EXPECT_TRUE(pair.far.got.empty());
  EXPECT_EQ(pair.near.endpoint->send_setup(Message::copy_of(pair.a.pool(), "passes")), Errc::ok);
  pair.world.run_for(1'000'000);
  EXPECT_EQ(pair.far.setups.back(), "passes");
  pair.far.endpoint->pause_receive(false);
  pair.world.run_for(10'000'000);
  EXPECT_EQ(sorted(pair.far.got), numbers(24));
  EXPECT_EQ(pair.near.count(EventKind::writable), 1u);
}

TEST(SimEndpoint, AnExhaustedQuotaStopsReceivingUntilMemoryComesBack) {
  Pair pair(medium(Sim::Profile::stream));
  pair.connect();
  pair.far.quota = Quota::make(4096);
  pair.far.attach();
  pair.far.keeps = true;
  pair.send(0, 60, 1000);
  pair.world.run_for(100'000'000);
  EXPECT_LT(pair.far.got.size(), 8u);
  EXPECT_LT(pair.far.quota->peak_bytes(), 4096u + 2048u);
  while (!pair.far.kept.empty()) {
    pair.far.kept.clear();
    pair.world.run_for(10'000'000);
  }
  EXPECT_EQ(pair.far.got, numbers(60));
  EXPECT_EQ(pair.far.quota->used_bytes(), 0u);
}

TEST(SimEndpoint, AFabricHandsUpWhatItGaveCreditForAlsoBeyondTheQuota) {
  OptionValues options = medium(Sim::Profile::fabric);
  options.set(Sim::option_inbox, 16);
  Pair pair(options);
  pair.connect();
  pair.far.quota = Quota::make(4096);
  pair.far.attach();
  pair.far.keeps = true;
  pair.send(0, 40, 1000);
  pair.world.run_for(100'000'000);
  EXPECT_EQ(pair.far.got.size(), 3u + 16u) << "three frames within the quota, then one window";
  pair.far.kept.clear();
  pair.world.run_for(100'000'000);
  EXPECT_EQ(pair.far.got.size(), 38u);
  pair.far.kept.clear();
  pair.world.run_for(100'000'000);
  EXPECT_EQ(pair.far.got.size(), 40u);
}

TEST(SimEndpoint, FramesThatOvertookALateOneDoNotStandInForIt) {
  Pair pair(medium(Sim::Profile::fabric));
  pair.connect();
  pair.send(0, 3);
  pair.world.run_for(1'000'000);
  pair.world.path(pair.a, pair.b).delay_ns = 100'000'000;
  pair.send(3, 1);
  pair.world.run_for(10'000);
  pair.world.path(pair.a, pair.b).delay_ns = 10'000;
  pair.send(4, 5);
  pair.world.run_for(1'000'000);
  EXPECT_EQ(pair.far.got.size(), 8u);
  EXPECT_EQ(pair.far.endpoint->frames_received(), 3u);
  pair.world.run_for(100'000'000);
  EXPECT_EQ(pair.far.endpoint->frames_received(), 9u);
}

TEST(SimEndpoint, ThePeersEndIsReportedAlthoughTheQuotaIsExhausted) {
  Pair pair(medium(Sim::Profile::stream));
  pair.connect();
  pair.far.quota = Quota::make(2048);
  pair.far.attach();
  pair.far.keeps = true;
  pair.send(0, 20, 1000);
  pair.world.run_for(10'000'000);
  EXPECT_LT(pair.far.got.size(), 20u);
  pair.near.endpoint->close(1'000'000'000);
  pair.world.run_for(10'000'000);
  EXPECT_EQ(pair.far.got.size(), 20u);
  EXPECT_EQ(pair.far.count(EventKind::peer_lost), 1u);
}

TEST(SimEndpoint, AFullDatagramInboxDropsAndCounts) {
  OptionValues options = medium(Sim::Profile::datagram);
  options.set(Sim::option_inbox, 16);
  Pair pair(options);
  pair.connect();
  pair.far.endpoint->pause_receive(true);
  pair.send(0, 60);
  pair.world.run_for(100'000'000);
  EXPECT_EQ(pair.at_b->counters().inbox_full, 44u);
  pair.far.endpoint->pause_receive(false);
  pair.world.run_for(100'000'000);
  EXPECT_EQ(pair.far.got, numbers(16));
}

TEST(SimEndpoint, ReportsTheCrashOfAPeerAsFarAsTheMediumPromises) {
  for (const auto profile : {Sim::Profile::datagram, Sim::Profile::fabric, Sim::Profile::stream})
    for (const bool notice : {true, false}) {
      OptionValues options = medium(profile);
      options.set(Sim::option_death, notice ? 1 : 0);
      Pair pair(options);
      pair.connect();
      const bool told = notice && profile != Sim::Profile::datagram;
      EXPECT_EQ(Sim::type().facts(options, {}).word.covers(property::death_immediate), told);
      pair.b.crash();
      pair.far.endpoint.reset();
      pair.at_b.reset();
      pair.world.remove(pair.b);
      pair.world.run_for(1'000'000'000);
      EXPECT_EQ(pair.near.count(EventKind::peer_lost), told ? 1u : 0u);
      if (told) {
        EXPECT_EQ(pair.near.events.back().code, Errc::peer_lost);
      }
      pair.send(0, 200);  // into the void: no crash, no allocation without bound
      pair.world.run_for(1'000'000'000);
    }
}

TEST(SimEndpoint, CloseDeliversEverythingThenTellsThePeer) {
  for (const auto profile : {Sim::Profile::fabric, Sim::Profile::stream}) {
    Pair pair(medium(profile));
    pair.connect();
    pair.world.path(pair.a, pair.b) = rough;
    pair.world.path(pair.a, pair.b).rate_bytes_per_s = 1'000'000;
    pair.send(0, 64);
    pair.near.endpoint->close(1'000'000'000);
    EXPECT_FALSE(pair.near.endpoint->drained());
    pair.near.endpoint.reset();
    pair.world.run_for(2'000'000'000);
    EXPECT_EQ(sorted(pair.far.got), numbers(64));
    ASSERT_EQ(pair.far.count(EventKind::peer_lost), 1u);
    EXPECT_EQ(pair.far.events.back().code, Errc::closed);
    EXPECT_EQ(pair.at_a->endpoint_count(), 0u);
    EXPECT_EQ(pair.at_b->endpoint_count(), 0u);
  }
}

TEST(SimEndpoint, AnEndpointDestroyedWithoutCloseIsALostPeer) {
  Pair pair(medium(Sim::Profile::stream));
  pair.connect();
  pair.near.endpoint.reset();
  pair.world.run_for(1'000'000'000);
  ASSERT_EQ(pair.far.count(EventKind::peer_lost), 1u);
  EXPECT_EQ(pair.far.events.back().code, Errc::peer_lost);
}

TEST(SimEndpoint, LingerEndsWhenThePeerTakesNothing) {
  Pair pair(medium(Sim::Profile::fabric));
  pair.connect();
  pair.far.endpoint->pause_receive(true);
  pair.send(0, 5);
  pair.near.endpoint->close(50'000'000);
  pair.world.run_for(49'000'000);
  EXPECT_EQ(pair.at_a->endpoint_count(), 1u);
  pair.world.run_for(2'000'000);
  EXPECT_EQ(pair.at_a->endpoint_count(), 0u);
}

TEST(SimEndpoint, DialingNobodyIsToldOnReliableMediaOnly) {
  for (const auto profile : {Sim::Profile::datagram, Sim::Profile::stream}) {
    Pair pair(medium(profile));
    pair.near.endpoint = std::move(*pair.at_a->dial("b:99"));
    pair.near.attach();
    ASSERT_EQ(pair.near.endpoint->send_setup(Message::copy_of(pair.a.pool(), "hello")), Errc::ok);
    pair.world.run_for(1'000'000'000);
    if (profile == Sim::Profile::datagram) {
      EXPECT_TRUE(pair.near.events.empty());
    } else {
      ASSERT_EQ(pair.near.count(EventKind::peer_lost), 1u);
      EXPECT_EQ(pair.near.events.back().code, Errc::unreachable);
    }
  }
}

TEST(SimEndpoint, AddressesAreChecked) {
  Pair pair(medium(Sim::Profile::stream));
  EXPECT_EQ(pair.at_a->dial("nowhere").error().code, Errc::invalid);
  EXPECT_EQ(pair.at_a->dial("b:70000").error().code, Errc::invalid);
  EXPECT_EQ(pair.at_a->listen("b:1", pair).error().code, Errc::invalid);
  EXPECT_EQ(pair.at_a->listen("a:1", pair).value(), "a:1");
  EXPECT_EQ(pair.at_a->listen(":1", pair).error().code, Errc::exists);
  EXPECT_NE(pair.at_a->listen(":0", pair).value(), pair.at_a->listen(":0", pair).value());
}

TEST(SimEndpoint, AnEndpointTakesOptionsOfItsOwnButNoOtherMedium) {
  Pair pair(medium(Sim::Profile::fabric));
  pair.connect();
  OptionValues options = medium(Sim::Profile::fabric);
  options.set(Sim::option_frame, 512);
  EXPECT_EQ(pair.near.endpoint->configure(options), Errc::ok);
  EXPECT_EQ(pair.near.endpoint->facts().max_message, 512u);
  EXPECT_EQ(pair.near.endpoint->configure(medium(Sim::Profile::stream)), Errc::unsupported);
}

}  // namespace
}  // namespace harness::transports
