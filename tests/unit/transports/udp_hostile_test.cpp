// SPDX-License-Identifier: Apache-2.0
// Datagrams changed at random, from a peer and from strangers: nothing crashes, nothing is kept for
// strangers, what is kept of a peer is bounded. HARNESS_DATAGRAMS says how many (10,000,000 once before a
// release, under ASan).
#include <harness/tests/unit/transports/udp_pair.hpp>

#include <cstdlib>
#include <random>

#include <harness/tests/support/seed.hpp>

namespace harness::transports {
namespace {

using tests::UdpStranger;
using Datagram = UdpStranger::Datagram;

std::uint64_t how_many() {
  const char* const wanted = std::getenv("HARNESS_DATAGRAMS");
  return wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 200'000;
}

struct Attack {
  std::mt19937_64 random;
  std::vector<Datagram> good;  // what is changed

  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(random() % bound); }
  Datagram next() {
    Datagram bytes = good[below(good.size())];
    for (std::size_t changes = below(4); changes != 0 && !bytes.empty(); --changes) {
      switch (below(5)) {
        case 0: bytes[below(bytes.size())] ^= static_cast<std::byte>(1u << below(8)); break;
        case 1: bytes[below(bytes.size())] = static_cast<std::byte>(random()); break;
        case 2: bytes.resize(below(bytes.size() + 1)); break;
        case 3: bytes.resize(bytes.size() + below(1500)); break;
        default: bytes[below(std::min<std::size_t>(bytes.size(), 34))] = static_cast<std::byte>(random());
      }
    }
    return bytes;
  }
};

TEST_F(UdpPair, SurvivesChangedDatagramsOfStrangersAndPeers) {
  const std::uint64_t seed = tests::seed(1);
  SCOPED_TRACE(seed);
  connect();
  UdpStranger peer(address), stranger(address);
  peer.send(UdpStranger::ask());
  const std::uint64_t token = UdpStranger::token_of(hear(peer)).value();
  peer.send(UdpStranger::setup(0, token, "hello"));
  ASSERT_TRUE(until([&] { return far.others.size() == 1; }));
  far.others[0]->send_setup(Message::copy_of(pool(), "welcome"));
  const Datagram welcome = hear(peer);
  ASSERT_FALSE(welcome.empty());
  const auto cookie =
      wire::decode<wire::DatagramSetup>(welcome.data() + wire::bytes_of<wire::Datagram>).sender;

  Attack attack{std::mt19937_64(seed), {}};
  Datagram piece = UdpStranger::setup(cookie, 0, std::string(udp::SetupPieces::piece_bytes, 'x'));
  wire::encode(wire::DatagramSetup{UdpStranger::cookie, 77, 3, 60},
               piece.data() + wire::bytes_of<wire::Datagram>);
  attack.good = {UdpStranger::data(cookie, "data"),
                 UdpStranger::data(cookie, std::string(3000, 'x')),
                 UdpStranger::setup(cookie, 0, "set-up"),
                 UdpStranger::setup(0, token, "hello"),
                 UdpStranger::ask(),
                 piece,
                 welcome};
  const std::uint64_t count = how_many();
  for (std::uint64_t sent = 0; sent < count; ++sent) {
    (sent % 2 == 0 ? peer : stranger).send(attack.next());
    if (sent % 32 == 31) engine->poll();
    if (sent % 1024 == 1023) {
      settle();
      while (peer.receive() || stranger.receive()) {
      }
      // The pair, the peer, and diallers that the peer invented with its token's cookie: only its own.
      ASSERT_LE(udp.channel_count(), 3u);
      ASSERT_LE(pool().alive_count(), 2u) << "a set-up frame that is not complete, a channel each";
    }
  }
  settle();
  const Udp::Drops& drops = udp.drops();
  EXPECT_GT(drops.malformed + drops.unknown_cookie, count / 20);
  near.send(pool(), "the link in use is as it was");
  ASSERT_TRUE(until([&] { return far.got.size() == 1; }));
}

TEST_F(UdpPair, ServesItsLinksWhileAStrangerFloods) {
  connect();
  UdpStranger stranger(address);
  for (int round = 0; round < 200; ++round) {
    for (int i = 0; i < 100; ++i)
      stranger.send(UdpStranger::ask(static_cast<std::uint32_t>(round * 100 + i)));
    near.send(pool(), "in between");
    ASSERT_TRUE(until([&] { return far.got.size() == static_cast<std::size_t>(round + 1); }));
  }
  EXPECT_EQ(udp.channel_count(), 2u);
}

}  // namespace
}  // namespace harness::transports
