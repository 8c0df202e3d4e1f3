// SPDX-License-Identifier: Apache-2.0
// How an endpoint of udp opens: tokens, pieces, strangers, duplicates, refused ports.
#include <harness/tests/unit/transports/udp_pair.hpp>

#include <harness/tests/support/seed.hpp>
#include <harness/transports/udp/setup_pieces.hpp>

#include <algorithm>
#include <random>

namespace harness::transports {
namespace {

using tests::UdpStranger;
using udp::SetupPieces;
using udp::Tokens;

Address address_of(const char* text) { return *numeric(*split("udp", text), false); }

// ---- tokens ----

TEST(UdpTokens, AreGoodForTheAddressTheCookieAndTheTimeTheyWereMadeFor) {
  const Tokens tokens;
  const Address here = address_of("10.0.0.1:7001");
  const std::uint64_t now = 5 * Tokens::step_ns;
  const std::uint64_t token = tokens.make(here, 7, now);
  EXPECT_TRUE(tokens.good(token, here, 7, now));
  EXPECT_TRUE(tokens.good(token, here, 7, now + Tokens::step_ns)) << "in the step after, too";
  EXPECT_FALSE(tokens.good(token, here, 7, now + 2 * Tokens::step_ns));
  EXPECT_FALSE(tokens.good(token, here, 8, now));
  EXPECT_FALSE(tokens.good(token, address_of("10.0.0.1:7002"), 7, now));
  EXPECT_FALSE(tokens.good(token, address_of("10.0.0.2:7001"), 7, now));
  EXPECT_FALSE(tokens.good(token ^ 2, here, 7, now));
  EXPECT_FALSE(tokens.good(0, here, 7, 0));
}

TEST(UdpTokens, OfTwoTransportsHaveNothingInCommon) {
  const Tokens one, other;
  const Address here = address_of("[::1]:7001");
  EXPECT_FALSE(other.good(one.make(here, 7, 0), here, 7, 0));
}

// ---- pieces ----

struct Pieces {
  explicit Pieces(std::uint32_t bytes) {
    std::string text(bytes, '\0');
    for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 7 + i / 256);
    frame = Message::copy_of(pool, text);
    name = SetupPieces::name_of(sender, frame);
    count = SetupPieces::pieces_of(bytes);
  }
  SetupPieces::Taken give(unsigned piece) {
    std::array<std::byte, SetupPieces::piece_bytes> bytes;
    const std::uint32_t size = SetupPieces::cut(frame, piece, bytes.data());
    const wire::DatagramSetup header{sender, name, static_cast<std::uint8_t>(piece),
                                     static_cast<std::uint8_t>(count)};
    return pieces.take(pool, header, {bytes.data(), size}, whole);
  }
  static constexpr std::uint32_t sender = 99;
  Pool pool;
  Message frame, whole;
  std::uint32_t name = 0;
  unsigned count = 0;
  SetupPieces pieces;
};

TEST(UdpSetupPieces, MakeTheSameFrameInAnyOrderAndWithRepetitions) {
  for (const std::uint32_t bytes : {0u, 1u, SetupPieces::piece_bytes, SetupPieces::piece_bytes + 1,
                                    72u * 1024, SetupPieces::frame_bytes_max}) {
    Pieces test(bytes);
    for (unsigned piece = test.count; piece-- > 1;)
      for (int twice = 0; twice < 2; ++twice) EXPECT_EQ(test.give(piece), SetupPieces::Taken::incomplete);
    EXPECT_EQ(test.give(0), SetupPieces::Taken::complete);
    ASSERT_EQ(test.whole.body_size(), bytes);
    EXPECT_EQ(test.whole.text(), test.frame.text());
    EXPECT_TRUE(test.pieces.empty());
  }
}

TEST(UdpSetupPieces, FillTheGapsOfOneTransmissionWithTheNext) {
  Pieces test(72 * 1024);
  const std::uint64_t seed = tests::seed(3);
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  unsigned rounds = 0;
  for (bool done = false; !done && rounds < 20; ++rounds)
    for (unsigned piece = 0; piece < test.count && !done; ++piece)
      if (random() % 10 >= 3) done = test.give(piece) == SetupPieces::Taken::complete;
  EXPECT_LE(rounds, 8u) << "66 pieces at 30 % loss";
}

TEST(UdpSetupPieces, RefuseWhatFitsNoFrame) {
  Pieces test(3000);
  std::array<std::byte, SetupPieces::piece_bytes + 1> bytes{};
  const auto take = [&](std::uint8_t piece, std::uint8_t pieces, std::size_t size) {
    return test.pieces.take(test.pool, {Pieces::sender, test.name, piece, pieces}, {bytes.data(), size},
                            test.whole);
  };
  EXPECT_EQ(take(0, 0, 0), SetupPieces::Taken::wrong) << "no pieces";
  EXPECT_EQ(take(3, 3, 10), SetupPieces::Taken::wrong) << "a piece beyond the last";
  EXPECT_EQ(take(0, 255, SetupPieces::piece_bytes), SetupPieces::Taken::wrong) << "too long a frame";
  EXPECT_EQ(take(0, 2, 10), SetupPieces::Taken::wrong) << "a short piece that is not the last";
  EXPECT_EQ(take(1, 2, 0), SetupPieces::Taken::wrong) << "an empty piece";
  EXPECT_EQ(take(0, 1, SetupPieces::piece_bytes + 1), SetupPieces::Taken::wrong) << "too long a piece";
  EXPECT_EQ(take(0, 1, 10), SetupPieces::Taken::wrong) << "another name than that of its bytes";
  EXPECT_TRUE(test.pieces.empty());
}

TEST(UdpSetupPieces, RefuseAFrameWhoseBytesWereChanged) {
  Pieces test(3000);
  test.name ^= 1;
  EXPECT_EQ(test.give(0), SetupPieces::Taken::incomplete);
  EXPECT_EQ(test.give(1), SetupPieces::Taken::incomplete);
  EXPECT_EQ(test.give(2), SetupPieces::Taken::wrong);
  EXPECT_TRUE(test.pieces.empty());
}

TEST(UdpSetupPieces, FitAPathOf1200Bytes) {
  EXPECT_LE(SetupPieces::datagram_bytes_max + 40 + 8, 1200u);
  EXPECT_GE(SetupPieces::frame_bytes_max, 72u * 1024);
}

// ---- opening ----

TEST_F(UdpPair, OpensByATokenAndOneExchange) {
  connect();
  EXPECT_EQ(udp.drops().retries, 1u);
  EXPECT_EQ(udp.channel_count(), 2u);
  near.send(pool(), "ping");
  ASSERT_TRUE(until([&] { return far.got.size() == 1; }));
  far.send(pool(), "pong");
  ASSERT_TRUE(until([&] { return near.got.size() == 1; }));
  EXPECT_EQ(far.got[0] + near.got[0], "pingpong");
}

TEST_F(UdpPair, OpensOverIPv6) {
  listen("[::1]:0");
  open(address);
  EXPECT_EQ(near.endpoint->peer_address(), "udp:" + address);
  near.send(pool(), std::string(60'000, 'x'));
  ASSERT_TRUE(until([&] { return far.got.size() == 1; }));
}

TEST_F(UdpPair, AnswersFromTheAddressThatWasWrittenTo) {
  listen("*:0");
  const std::string port = address.substr(address.rfind(':'));
  open("127.0.0.9" + port);
  EXPECT_EQ(near.endpoint->peer_address(), "udp:127.0.0.9" + port);
}

TEST_F(UdpPair, KeepsNothingForStrangersAndAnswersWithLess) {
  listen();
  UdpStranger stranger(address);
  constexpr unsigned asks = 500;
  unsigned answers = 0;
  for (unsigned i = 0; i < asks; ++i) {
    ASSERT_TRUE(stranger.send(UdpStranger::ask(i + 1)));
    ASSERT_TRUE(stranger.send(UdpStranger::setup(0, 0x1234567, "a guessed token", i + 1)));
    for (; answers < 2 * (i + 1); ++answers) {
      const auto answer = hear(stranger);
      ASSERT_TRUE(UdpStranger::token_of(answer).has_value());
      EXPECT_LE(answer.size(), UdpStranger::ask().size());
    }
  }
  EXPECT_FALSE(stranger.receive().has_value()) << "one answer each";
  EXPECT_EQ(udp.channel_count(), 0u);
  EXPECT_EQ(pool().alive_count(), 0u);
}

TEST_F(UdpPair, OpensOneEndpointHoweverOftenItIsAsked) {
  listen();
  UdpStranger stranger(address);
  stranger.send(UdpStranger::ask());
  const std::uint64_t token = UdpStranger::token_of(hear(stranger)).value();
  for (unsigned i = 0; i < 20; ++i) {
    stranger.send(UdpStranger::setup(0, token, "hello", UdpStranger::cookie, i));
    if (i % 3 == 0) settle();
  }
  ASSERT_TRUE(until([&] { return far.setups.size() == 20; }))
      << "each is handed up: link set-up tells repetitions";
  EXPECT_EQ(udp.channel_count(), 1u);
  EXPECT_TRUE(far.others.empty());
}

TEST_F(UdpPair, OpensNoSecondEndpointForAFrameThatIsLate) {
  listen();
  UdpStranger stranger(address);
  stranger.send(UdpStranger::ask());
  const std::uint64_t token = UdpStranger::token_of(hear(stranger)).value();
  stranger.send(UdpStranger::setup(0, token, "hello", UdpStranger::cookie, 3));
  ASSERT_TRUE(until([&] { return far.setups.size() == 1; }));
  far.endpoint->close(0);
  far.endpoint.reset();
  ASSERT_TRUE(until([&] { return udp.channel_count() == 0; }));
  stranger.send(UdpStranger::setup(0, token, "hello", UdpStranger::cookie, 2));
  ASSERT_TRUE(until([&] { return udp.drops().late == 1; }));
  EXPECT_EQ(udp.channel_count(), 0u);
  stranger.send(UdpStranger::setup(0, token, "hello again", UdpStranger::cookie, 4));
  EXPECT_TRUE(until([&] { return udp.channel_count() == 1; }))
      << "it was sent after all that the first one had sent";
}

TEST_F(UdpPair, TellsWhoseDatagramItIsByCookieAlone) {
  connect();
  const std::uint64_t before = udp.drops().unknown_cookie;
  UdpStranger stranger(address);
  for (std::uint32_t cookie = 1; cookie < 100; ++cookie)
    stranger.send(UdpStranger::data(cookie, "for anyone"));
  ASSERT_TRUE(until([&] { return udp.drops().unknown_cookie == before + 99; }));
  EXPECT_TRUE(far.got.empty() && near.got.empty());
}

TEST_F(UdpPair, TellsARefusedPortWhileItDials) {
  near.take(udp.dial("127.0.0.1:1").value());
  say(near, "hello");
  ASSERT_TRUE(until([&] { return !near.events.empty(); }));
  EXPECT_EQ(near.events[0].kind, EventKind::peer_lost);
  EXPECT_EQ(near.events[0].code, Errc::unreachable);
  EXPECT_FALSE(near.events[0].detail.empty());
  EXPECT_TRUE(near.gate.held(Gate::transport_bit));
}

// Anyone can forge the message that a port is closed; a link in use does not believe it.
TEST_F(UdpPair, BelievesNoRefusedPortOnceItIsOpen) {
  auto there = std::make_unique<Udp>(*engine);
  open(there->listen("127.0.0.1:0", far).value());
  far.endpoint.reset();
  there.reset();  // nobody has the port any more
  std::uint64_t sent = 0;
  ASSERT_TRUE(until([&] {
    near.send(pool(), "to nobody");
    ++sent;
    return near.value("errors") >= 20;
  }));
  EXPECT_TRUE(near.events.empty());
  EXPECT_EQ(near.value("frames_out"), sent);
}

TEST_F(UdpPair, RefusesTwoListenersOnOnePortAlsoWithLinksOpen) {
  connect();
  UdpSide other;
  const auto again = udp.listen(address, other);
  ASSERT_FALSE(again.has_value());
  EXPECT_EQ(again.error().code, Errc::exists);
}

TEST_F(UdpPair, KeepsOneOfARepeatedFirstFrameUntilItHasAToken) {
  UdpStranger silent("127.0.0.1:9");  // only for an address that stays silent
  const std::string nowhere = print(silent.local());
  near.take(udp.dial(nowhere).value());
  for (int i = 0; i < 20; ++i) EXPECT_EQ(say(near, "the same"), Errc::ok);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(say(near, std::to_string(i)), Errc::ok);
  EXPECT_EQ(say(near, "a fifth one"), Errc::exhausted);
}

}  // namespace
}  // namespace harness::transports
