// SPDX-License-Identifier: Apache-2.0
// A floor that is raised under load, over a network that loses and disorders: no data frame leaves below it,
// and what follows goes over a link above it.
#include <harness/layers/all.hpp>
#include <harness/tests/sim/process.hpp>
#include <harness/tests/support/seed.hpp>
#include <harness/tests/support/test_authority.hpp>

namespace harness::tests {
namespace {

class RaisedFloor : public testing::TestWithParam<std::string> {
 protected:
  RaisedFloor() {
    layers::add_all(catalogue_);
    catalogue_.add(Sim::type());
    world_.set_default_path({.loss_ppm = 20'000, .reorder_ppm = 50'000, .rate_bytes_per_s = 20'000'000});
  }
  StackSpec stack(const std::string& layer, const std::string& session = "") {
    return *stack_from(
        fmt::format("{}order / frag / reliable{} @ sim(profile={})", session, layer, GetParam()), catalogue_);
  }
  std::ptrdiff_t data_frames() const {
    return std::count_if(world_.trace().begin(), world_.trace().end(), [](const std::string& line) {
      return line.find(" S client>server data ") != std::string::npos;
    });
  }
  Catalogue catalogue_;
  SimWorld world_{seed(67)};
};

TEST_P(RaisedFloor, NoDataFrameLeavesBelowItAndALinkAboveItTakesOver) {
  TestAuthority at_server("lab", "server"), at_client("lab", "client");
  Process server(world_, catalogue_, at_server, stack(""));
  Process client(world_, catalogue_, at_client, stack(""));
  client.wanted = 1'000'000;
  client.dial("server");
  const auto below = client.link;
  ASSERT_TRUE(world_.run_until([&] { return server.received[0] > 30; }, 20'000 * ms));
  world_.keep_trace(true);
  world_.run_for(20 * ms);
  ASSERT_GT(data_frames(), 0) << "the trace shows what leaves";
  const auto before = data_frames();
  at_client.floor_word = at_server.floor_word = property::encrypted;
  client.node.authority_changed();
  world_.run_for(2'000 * ms);
  EXPECT_EQ(data_frames(), before);
  EXPECT_EQ(below->state(), Link::State::lost);
  const auto old = server.link;
  server.node.authority_changed();
  client.watch(client.connect("server", stack(" / encrypt")));
  ASSERT_TRUE(world_.run_until([&] { return server.link != old && server.received[0] > 30; }, 20'000 * ms))
      << client.link->error().text();
  EXPECT_NE(client.link->proven(), nullptr);
}

TEST_P(RaisedFloor, HoldsALinkWithASessionAndTakesWhatItKeepsAboveIt) {
  TestAuthority at_server("lab", "server"), at_client("lab", "client");
  Process server(world_, catalogue_, at_server, stack("", "resume / "));
  Process client(world_, catalogue_, at_client, stack("", "resume / "));
  client.wanted = 1'000'000;
  client.dial("server");
  client.link->on_event([&](const Event& event) {
    if (event.kind == EventKind::resuming && event.code == Errc::denied) {
      EXPECT_TRUE(client.link->offer({{stack(" / encrypt", "resume / "), "server:7"}}));
    }
    if (event.kind == EventKind::up || event.kind == EventKind::writable) client.send();
  });
  ASSERT_TRUE(world_.run_until([&] { return server.received[0] > 30; }, 20'000 * ms));
  const unsigned taken = client.sent[0];
  ASSERT_GT(taken, server.received[0]) << "something is under way";
  world_.keep_trace(true);
  at_client.floor_word = at_server.floor_word = property::encrypted;
  client.node.authority_changed();
  EXPECT_EQ(client.link->state(), Link::State::resuming);
  EXPECT_EQ(data_frames(), 0) << "held at once";
  server.node.authority_changed();
  const auto goes_on = [&] { return client.is_up() && server.received[0] > taken + 30; };
  ASSERT_TRUE(world_.run_until(goes_on, 20'000 * ms)) << client.link->error().text();
  EXPECT_NE(client.link->proven(), nullptr);
}

INSTANTIATE_TEST_SUITE_P(Media, RaisedFloor, testing::Values("datagram", "stream"),
                         [](const auto& each) { return each.param; });

}  // namespace
}  // namespace harness::tests
