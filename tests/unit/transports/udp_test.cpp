// SPDX-License-Identifier: Apache-2.0
// What only udp promises: trains and their fallback, marks, memory, what is dropped and counted. Opening:
// udp_setup_test.cpp; paths: udp_path_test.cpp; the rest is tests/conformance.
#include <harness/tests/unit/transports/udp_pair.hpp>

#include <netinet/in.h>
#include <sys/socket.h>

namespace harness::transports {
namespace {

using tests::UdpStranger;
using udp::SendQueue;

// ---- trains ----

struct Queue {
  Pool pool;
  SendQueue queue;
  explicit Queue(const std::vector<std::uint32_t>& sizes, const std::vector<bool>& whole = {}) {
    for (std::size_t i = 0; i < sizes.size(); ++i)
      queue.refer(Message::make(pool, sizes[i]), !whole.empty() && whole[i]);
  }
  // The frames of each train.
  std::vector<unsigned> trains(std::uint32_t segment_max = 1472) {
    std::vector<unsigned> all;
    for (unsigned at = 0; at < queue.size(); at += all.back())
      all.push_back(queue.train(at, segment_max).frames);
    return all;
  }
};
using Trains = std::vector<unsigned>;

TEST(UdpTrains, HoldFramesOfOneLengthAndAShorterLastOne) {
  EXPECT_EQ(Queue({100, 100, 100, 40, 100, 100}).trains(), (Trains{4, 2}));
  EXPECT_EQ(Queue({100, 40, 40, 40}).trains(), (Trains{2, 2}));
  EXPECT_EQ(Queue({40, 100}).trains(), (Trains{1, 1})) << "a longer one begins another";
}

TEST(UdpTrains, KeepTheKernelsLimits) {
  EXPECT_EQ(Queue(std::vector<std::uint32_t>(70, 100)).trains(), (Trains{64, 6}));
  const Trains trains = Queue(std::vector<std::uint32_t>(60, 1400)).trains();
  EXPECT_EQ(trains, (Trains{46, 14}));
  EXPECT_LE(46u * 1400, 65507u);
}

TEST(UdpTrains, LeaveLongFramesAlone) {
  EXPECT_EQ(Queue({2000, 2000, 100, 100}).trains(), (Trains{1, 1, 2}));
  EXPECT_EQ(Queue({100, 100}).trains(0), (Trains{1, 1})) << "no segmentation offload";
}

TEST(UdpTrains, DoNotMixFramesThatMustStayWholeWithOthers) {
  EXPECT_EQ(Queue({100, 100, 100, 100}, {false, true, true, false}).trains(), (Trains{1, 2, 1}));
}

TEST_F(UdpPair, SendsOneSmallFrameByOneCall) {
  connect();
  const std::uint64_t before = near.value("send_calls");
  near.send(pool(), "one");
  ASSERT_TRUE(until([&] { return far.got.size() == 1; }));
  EXPECT_EQ(near.value("send_calls"), before + 1);
  EXPECT_EQ(near.value("trains_out"), 0u);
}

TEST_F(UdpPair, SendsAndReceivesATurnsFramesAsOneTrain) {
  connect();
  const std::uint64_t before = near.value("send_calls");
  for (int i = 0; i < 40; ++i) near.send(pool(), std::string(1400, static_cast<char>('0' + i)));
  ASSERT_TRUE(until([&] { return far.got.size() == 40; }));
  EXPECT_EQ(near.value("send_calls"), before + 1);
  EXPECT_EQ(near.value("trains_out"), 1u);
  EXPECT_EQ(near.value("train_frames_out"), 40u);
  EXPECT_EQ(far.value("trains_in"), 1u);
  for (int i = 0; i < 40; ++i) EXPECT_EQ(far.got[static_cast<std::size_t>(i)][0], static_cast<char>('0' + i));
}

TEST_F(UdpPair, SendsFramesOfManyLengthsByOneCall) {
  connect();
  const std::uint64_t before = near.value("send_calls");
  for (std::size_t i = 0; i < 12; ++i) near.send(pool(), std::string(100 + 300 * i, 'x'));
  ASSERT_TRUE(until([&] { return far.got.size() == 12; }));
  EXPECT_EQ(near.value("send_calls"), before + 1);
  EXPECT_EQ(near.value("trains_out"), 0u);
}

// The socket of a channel connected to that port, found among all of this process.
int socket_to(const std::string& address) {
  for (int descriptor = 3; descriptor < 1024; ++descriptor) {
    sockaddr_storage name{};
    socklen_t bytes = sizeof name;
    if (getpeername(descriptor, reinterpret_cast<sockaddr*>(&name), &bytes) == 0 &&
        print(from_sockaddr(reinterpret_cast<const sockaddr*>(&name), bytes)) == address)
      return descriptor;
  }
  return -1;
}

TEST_F(UdpPair, SendsATrainAgainFrameByFrameWhereItIsRefused) {
  connect();
  const int off = 1;  // a socket without checksums: the kernel refuses to cut its datagrams
  ASSERT_EQ(setsockopt(socket_to(address), SOL_SOCKET, SO_NO_CHECK, &off, sizeof off), 0);
  for (int round = 1; round <= 3; ++round) {
    for (int i = 0; i < 20; ++i) near.send(pool(), std::string(1000, static_cast<char>('a' + i)));
    ASSERT_TRUE(until([&] { return far.got.size() == static_cast<std::size_t>(20 * round); }));
  }
  EXPECT_EQ(near.value("gso_refused"), 1u) << "it is tried once";
  EXPECT_EQ(near.value("trains_out"), 0u);
  for (std::size_t i = 0; i < 60; ++i) EXPECT_EQ(far.got[i][0], static_cast<char>('a' + i % 20));
}

// ---- marks ----

TEST_F(UdpPair, HandsUpTheMarkOfACongestedQueue) {
  listen();
  UdpStranger peer(address);
  peer.send(UdpStranger::ask());
  const std::uint64_t token = UdpStranger::token_of(hear(peer)).value();
  peer.send(UdpStranger::setup(0, token, "hello"));
  ASSERT_TRUE(until([&] { return far.setups.size() == 1; }));
  say(far, "welcome");
  const auto welcome = hear(peer);
  ASSERT_FALSE(welcome.empty());
  const auto cookie =
      wire::decode<wire::DatagramSetup>(welcome.data() + wire::bytes_of<wire::Datagram>).sender;
  peer.send(UdpStranger::data(cookie, "on a free path"));
  ASSERT_TRUE(until([&] { return far.got.size() == 1; }));
  peer.mark_congested();
  peer.send(UdpStranger::data(cookie, "through a long queue"));
  ASSERT_TRUE(until([&] { return far.got.size() == 2; }));
  EXPECT_EQ(far.flags[0], 0);
  EXPECT_EQ(far.flags[1], flag_congested);
  EXPECT_EQ(far.value("congested"), 1u);
}

// ---- what is dropped is counted ----

TEST_F(UdpPair, CountsDataGivenBeforeThePeerIsKnownAndAfterTheEnd) {
  listen();
  near.take(udp.dial(address).value());
  near.send(pool(), "too early");
  EXPECT_EQ(near.value("dropped_before_open"), 1u);
  EXPECT_EQ(near.value("frames_out"), 0u);
  near.endpoint->close(0);
  near.send(pool(), "too late");
  EXPECT_EQ(near.value("dropped_after_end"), 1u);
  settle();
  EXPECT_EQ(pool().alive_count(), 0u);
}

TEST_F(UdpPair, CountsFramesBeyondTheLargest) {
  connect();
  near.send(pool(), std::string(Udp::frame_bytes_max + 1, 'x'));
  EXPECT_EQ(near.value("dropped_too_long"), 1u);
}

TEST_F(UdpPair, CountsWhatTheKernelDroppedForWantOfRoom) {
  OptionValues small(Udp::type().options);
  small.set(Udp::option_rcvbuf, 8192);
  connect();
  ASSERT_EQ(far.endpoint->configure(small), Errc::ok);
  for (int i = 0; i < 200; ++i) {
    near.send(pool(), std::string(1000, 'x'));
    udp.flush();  // and nobody reads
  }
  // The next one that finds room tells how many did not.
  std::size_t sent = 200;
  ASSERT_TRUE(until([&] {
    if (!far.got.empty() && far.got.back().size() < 1000)
      return far.got.size() + far.value("dropped_in_socket") == sent;
    near.send(pool(), "tells of the drops");
    ++sent;
    return false;
  }));
  EXPECT_GT(far.value("dropped_in_socket"), 0u);
}

TEST_F(UdpPair, StopsReadingWhenItsInboxIsFull) {
  connect();
  far.endpoint->pause_receive(true);
  const std::string frame(10'000, 'x');
  for (int i = 0; i < 200; ++i) {
    near.send(pool(), frame);
    if (i % 10 == 9) settle();
  }
  const std::uint64_t most =
      udp::Channel::inbox_bytes_max + udp::ReceiveBatch::arrivals_max * udp::ReceiveBatch::buffer_bytes;
  EXPECT_LE(pool().alive_count() * frame.size(), most);
  EXPECT_TRUE(far.got.empty());
  far.endpoint->pause_receive(false);
  ASSERT_TRUE(until([&] { return far.got.size() == 200; })) << "the rest waited in the kernel";
}

// ---- memory ----

TEST_F(UdpPair, KeepsNoBufferForAPeerThatIsIdle) {
  connect();
  for (int i = 0; i < 100; ++i) near.send(pool(), std::string(1400, 'x'));
  near.send(pool(), std::string(60'000, 'x'));
  ASSERT_TRUE(until([&] { return far.got.size() == 101 && pool().alive_count() == 0; }));
  EXPECT_LE(sizeof(udp::Channel) + sizeof(udp::Handle), 2048u);
}

TEST_F(UdpPair, LetsALongDatagramKeepTheBufferItCameIn) {
  connect();
  near.send(pool(), std::string(60'000, 'x'));
  ASSERT_TRUE(until([&] { return far.got.size() == 1; }));
  EXPECT_LE(far.quota->peak_bytes(), 60'000u + 128) << "and is charged for what is in it";
}

}  // namespace
}  // namespace harness::transports
