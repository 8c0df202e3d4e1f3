// SPDX-License-Identifier: Apache-2.0
// udp on paths whose MTU is small or changes: two hosts and a router, all in network namespaces of the test's
// own. Skipped, with the reason, where none may be made.
#include <harness/tests/unit/transports/udp_pair.hpp>

#include <thread>

#include <harness/tests/support/net_path.hpp>

namespace harness::transports {
namespace {

using tests::NetPath;

constexpr std::uint32_t headers_bytes = 20 + 8 + udp::outer_bytes;

struct Host {
  std::unique_ptr<OsEngine> engine = std::move(OsEngine::make().value());
  UdpSide side;
  Udp udp{*engine};
  ~Host() { side.endpoint.reset(); }
};

// Every host's turn runs in its own namespace: that is where the sockets of who dials are made.
struct Hosts {
  NetPath& path;
  std::unique_ptr<Host> near, far;

  explicit Hosts(NetPath& over) : path(over) {
    path.enter(NetPath::near);
    near = std::make_unique<Host>();
    path.enter(NetPath::far);
    far = std::make_unique<Host>();
    const std::string address = far->udp.listen(std::string(NetPath::far_address) + ":0", far->side).value();
    path.enter(NetPath::near);
    near->side.take(near->udp.dial(address).value());
    say(*near, "hello");
    EXPECT_TRUE(until([&] { return !far->side.setups.empty(); }));
    say(*far, "welcome");
    EXPECT_TRUE(until([&] { return !near->side.setups.empty(); }));
  }
  static void say(Host& host, std::string_view text) {
    host.side.endpoint->send_setup(Message::copy_of(host.engine->pool(), text));
  }
  void turn() {
    path.enter(NetPath::near);
    near->engine->poll();
    path.enter(NetPath::far);
    far->engine->poll();
    path.enter(NetPath::near);
  }
  // Bounded by time: datagrams and a router's messages are on their way for as long as the kernel likes.
  bool until(const std::function<bool()>& done) {
    for (const std::uint64_t limit_ns = near->engine->now_ns() + long_ns; !done(); turn())
      if (near->engine->now_ns() >= limit_ns) return false;
    return true;
  }
  void settle() {
    for (unsigned turns = 0; turns < 2000; ++turns) turn();
  }
  void send(std::uint32_t bytes, std::uint8_t flags = 0) {
    near->side.send(near->engine->pool(), std::string(bytes, 'x'), flags);
    near->udp.flush();
  }
  // Frames of that many bytes until the MTU at the near end is `wanted`.
  bool until_mtu(std::uint32_t wanted, std::uint32_t bytes, std::uint8_t flags = 0) {
    return until([&] {
      if (near->side.endpoint->mtu() == wanted) return true;
      send(bytes, flags);
      for (unsigned turns = 0; turns < 100; ++turns) turn();
      return false;
    });
  }
};

void on_a_path(const std::function<void(NetPath&)>& body) {
  std::string refused;
  std::thread([&] {  // what a thread does to its namespace ends with it
    NetPath path;
    refused = path.refused();
    if (refused.empty()) body(path);
  })
      .join();
  if (!refused.empty()) GTEST_SKIP() << refused;
}

TEST(UdpPath, KnowsTheMtuOfItsOwnLinkAtOnce) {
  on_a_path([](NetPath& path) {
    Hosts hosts(path);
    EXPECT_EQ(hosts.near->side.endpoint->mtu(), 9000 - headers_bytes);
    EXPECT_EQ(hosts.far->side.endpoint->mtu(), 9000 - headers_bytes);
    EXPECT_EQ(hosts.near->side.endpoint->facts().max_message, Udp::frame_bytes_max);
  });
}

TEST(UdpPath, TellsThatTheLinkItUsesBecameNarrower) {
  on_a_path([](NetPath& path) {
    Hosts hosts(path);
    hosts.path.set_near_mtu(1500);
    EXPECT_TRUE(hosts.until_mtu(1500 - headers_bytes, 5000, flag_whole));
    ASSERT_TRUE(hosts.until([&] { return !hosts.near->side.events.empty(); }));
    EXPECT_EQ(hosts.near->side.events[0].kind, EventKind::mtu);
    EXPECT_EQ(hosts.near->side.events[0].value, 1500 - headers_bytes);
    EXPECT_GE(hosts.near->side.value("dropped_too_long"), 1u);
  });
}

// RFC 1191 §3: the router says how much it takes.
TEST(UdpPath, LearnsTheMtuBehindARouterFromItsMessage) {
  on_a_path([](NetPath& path) {
    path.set_far_mtu(1400);
    Hosts hosts(path);
    EXPECT_EQ(hosts.near->side.endpoint->mtu(), 9000 - headers_bytes);
    EXPECT_TRUE(hosts.until_mtu(1400 - headers_bytes, 5000));
    ASSERT_TRUE(hosts.until([&] { return !hosts.near->side.events.empty(); }));
    EXPECT_EQ(hosts.near->side.events[0].kind, EventKind::mtu);
    EXPECT_EQ(hosts.near->side.events[0].value, 1400 - headers_bytes);
  });
}

TEST(UdpPath, LetsTheSystemCutFramesThatAreLongerThanThePath) {
  on_a_path([](NetPath& path) {
    path.set_near_mtu(1500);
    path.set_far_mtu(1500);
    Hosts hosts(path);
    for (const std::uint32_t bytes : {1u, 1460u, 1461u, 5000u, 60'000u}) {
      hosts.far->side.got.clear();
      hosts.send(bytes);
      ASSERT_TRUE(hosts.until([&] { return hosts.far->side.got.size() == 1; })) << bytes;
      EXPECT_EQ(hosts.far->side.got[0].size(), bytes);
    }
  });
}

TEST(UdpPath, NeverLetsAWholeFrameBeCut) {
  on_a_path([](NetPath& path) {
    path.set_near_mtu(1500);
    path.set_far_mtu(1400);
    Hosts hosts(path);
    hosts.send(1400 - headers_bytes, flag_whole);
    ASSERT_TRUE(hosts.until([&] { return hosts.far->side.got.size() == 1; })) << "what fits passes";
    hosts.send(1400 - headers_bytes + 1, flag_whole);
    hosts.send(1500 - headers_bytes, flag_whole);
    hosts.send(1500 - headers_bytes + 1, flag_whole);
    hosts.settle();
    EXPECT_EQ(hosts.far->side.got.size(), 1u);
  });
}

TEST(UdpPath, CutsTrainsAnewWhenThePathBecameNarrower) {
  on_a_path([](NetPath& path) {
    Hosts hosts(path);
    path.set_near_mtu(1500);
    path.set_far_mtu(1500);
    path.enter(NetPath::near);
    for (int i = 0; i < 8; ++i) hosts.near->side.send(hosts.near->engine->pool(), std::string(5000, 'x'));
    hosts.near->udp.flush();
    ASSERT_TRUE(hosts.until([&] { return hosts.far->side.got.size() == 8; })) << "in fragments, one by one";
    EXPECT_EQ(hosts.near->side.value("gso_refused"), 0u) << "it was the length, not the route";
    for (int i = 0; i < 8; ++i) hosts.near->side.send(hosts.near->engine->pool(), std::string(1000, 'x'));
    ASSERT_TRUE(hosts.until([&] { return hosts.far->side.got.size() == 16; }));
    EXPECT_EQ(hosts.near->side.value("trains_out"), 1u);
  });
}

}  // namespace
}  // namespace harness::transports
