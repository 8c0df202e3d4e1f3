// SPDX-License-Identifier: Apache-2.0
// Links over udp behind a proxy that loses, doubles and swaps datagrams by a seed: set-up gets through.
#include <harness/tests/unit/transports/udp_pair.hpp>

#include <harness/layers/all.hpp>
#include <harness/stack/node.hpp>
#include <harness/stack/setup.hpp>
#include <harness/tests/support/seed.hpp>
#include <harness/tests/support/udp_proxy.hpp>
#include <harness/transports/all.hpp>

namespace harness::transports {
namespace {

using tests::UdpProxy;

struct Net {
  std::unique_ptr<OsEngine> engine = std::move(OsEngine::make().value());
  Catalogue catalogue;
  std::unique_ptr<Node> a, b;
  std::vector<std::shared_ptr<Link>> accepted;
  std::unique_ptr<UdpProxy> proxy;
  unsigned got = 0;

  explicit Net(UdpProxy::Faults faults) {
    layers::add_all(catalogue);
    add_all(catalogue);
    a = std::make_unique<Node>(*engine, catalogue, NodeOptions{.name = "a", .domain = "d", .host = "h"});
    b = std::make_unique<Node>(*engine, catalogue, NodeOptions{.name = "b", .domain = "d", .host = "h"});
    b->on_link([this](const std::shared_ptr<Link>& link) {
      accepted.push_back(link);
      link->on_message([this](Message&&) { ++got; });
    });
    proxy = std::make_unique<UdpProxy>(b->listen("udp:127.0.0.1:0").value().substr(4), faults);
  }
  std::shared_ptr<Link> connect(const std::string& stack, const std::string& name) {
    LinkOptions options;
    options.name = name;
    options.timeout_ns = 30'000'000'000;
    auto link = a->connect("b", stack, {"udp:" + proxy->address()}, options);
    EXPECT_TRUE(link.has_value()) << link.error().text();
    return link.value_or(nullptr);
  }
  bool until(const std::function<bool()>& done) {
    engine->poll();
    const std::uint64_t limit_ns = engine->now_ns() + 40'000'000'000;  // only a failing case gets there
    while (!done() && engine->now_ns() < limit_ns) {
      engine->poll();
      proxy->pump();
    }
    return done();
  }
};

TEST(UdpLoss, OpensAndClosesLinksWhileThirtyInAHundredDatagramsAreLost) {
  const std::uint64_t seed = tests::seed(1);
  SCOPED_TRACE(seed);
  Net net({.seed = seed, .lost_percent = 30, .doubled_percent = 10, .swapped_percent = 10});
  std::vector<std::shared_ptr<Link>> links;
  for (int i = 0; i < 8; ++i) {
    links.push_back(net.connect("order @ udp", "link" + std::to_string(i)));
    links.back()->on_message([](Message&&) {});
  }
  for (const auto& link : links) {
    ASSERT_TRUE(net.until([&] { return link->state() != Link::State::dialing; }));
    EXPECT_TRUE(link->is_up()) << link->error().text();
  }
  EXPECT_EQ(net.accepted.size(), links.size()) << "no second link for a repeated frame";
  EXPECT_GT(net.proxy->lost(), 0u);
  for (const auto& link : links) link->close();
  for (const auto& link : links) EXPECT_TRUE(net.until([&] { return link->state() == Link::State::closed; }));
}

// The longest HELLO there is goes in some sixty datagrams; set-up repeats it until it is answered.
TEST_F(UdpPair, BringsTheLongestSetupFrameThroughLossBySendingItAgain) {
  const std::uint64_t seed = tests::seed(2);
  SCOPED_TRACE(seed);
  listen();
  UdpProxy proxy(address, {.seed = seed, .lost_percent = 30, .doubled_percent = 10, .swapped_percent = 10});
  near.take(udp.dial(proxy.address()).value());
  const std::string longest(setup::frame_bytes_max, 'x');
  unsigned sent = 0;
  for (; far.setups.empty() && sent < 60; ++sent) {
    ASSERT_EQ(say(near, longest), Errc::ok);
    for (int i = 0; i < 20; ++i) {
      settle();
      proxy.pump();
    }
  }
  ASSERT_FALSE(far.setups.empty());
  EXPECT_EQ(far.setups[0], longest);
  EXPECT_GT(sent, 2u) << "the proxy lost nothing";
  EXPECT_TRUE(far.others.empty()) << "one endpoint";
}

TEST(UdpLoss, CarriesMessagesBetweenNodesWithoutFaults) {
  Net net({});
  const auto link = net.connect("order @ udp", "main");
  link->on_message([](Message&&) {});
  ASSERT_TRUE(net.until([&] { return link->is_up(); }));
  for (unsigned i = 0; i < 50; ++i) {
    Message message = link->make(100 + 1200 * i);
    std::memset(message.writable().data(), 0, message.body_size());
    ASSERT_EQ(link->send(std::move(message)), Errc::ok);
    ASSERT_TRUE(net.until([&] { return net.got == i + 1; }));
  }
}

}  // namespace
}  // namespace harness::transports
